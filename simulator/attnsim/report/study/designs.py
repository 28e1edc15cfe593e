"""The designs of a results folder as columns: places of values, metrics, groups, and the questions that a page asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from attnsim.explore.results import Results, design_number
from attnsim.explore.space import labels, text_of
from attnsim.explore.store import NUMBER, REASON, frames_of
from attnsim.specs.study import Study, values_of

if TYPE_CHECKING:
    import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Designs:
    """Designs in the order of their numbers.

    texts: values of each path that a design has, in the order of the study; places: where a design's value stands in
    them; front: rows of the front, in its order; labels: short names of the paths.
    """

    study: Study
    numbers: Ints
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    places: Mapping[str, Ints]
    metrics: Mapping[str, Floats]
    feasible: Bools
    front: tuple[int, ...]

    def metric(self, name: str) -> Floats:
        """A metric of all designs; NaN where it is not known."""
        return self.metrics[name]

    def text(self, path: str, row: int) -> str:
        """Value of a path of a design, as text."""
        return self.texts[path][int(self.places[path][row])]

    def group(self, row: int) -> str:
        """Values of a design that a front of its own belongs to, as text; empty if there is one front."""
        return ", ".join(self.text(path, row) for path in self.study.each)

    @property
    def group_names(self) -> tuple[str, ...]:
        """All groups in the order of the study."""
        return tuple(dict.fromkeys(self.group(row) for row in self.front))

    def cost(self, name: str) -> Floats:
        """An objective such that less is better: the metric itself, or its opposite."""
        return self.metric(name) * (1.0 if name in self.study.minimize else -1.0)

    def balanced(self) -> int:
        """Row of the front's design whose objectives are, in the geometric mean, least above the best ones of the
        front; that of the first objective where one is not positive."""
        rows = np.array(self.front)
        metrics = np.array([self.metric(name)[rows] for name in self.study.objectives])
        if not (metrics > 0).all():
            return int(rows[np.argmin(self.cost(self.study.objectives[0])[rows])])
        signs = np.array([1.0 if name in self.study.minimize else -1.0 for name in self.study.objectives])
        return int(rows[np.argmin((np.log(metrics) * signs[:, None]).sum(axis=0))])

    def neighbours(self, row: int, path: str) -> list[int]:
        """Rows of feasible designs that differ from a design in one path at most, in the order of its values."""
        same = self.feasible.copy()
        for other in self.paths:
            if other != path:
                same &= self.places[other] == self.places[other][row]
        found = same.nonzero()[0]
        return [int(one) for one in found[np.argsort(self.places[path][found], kind="stable")]]

    def best_with(self, path: str, name: str) -> Iterator[tuple[str, str, float]]:
        """(group, value, ratio): the best of an objective with a value of a path, over the best of its group; NaN if
        that is 0."""
        cost, metric = self.cost(name), self.metric(name)
        groups = np.array([self.group(row) for row in range(len(self.numbers))])
        for group in self.group_names:
            rows = (self.feasible & (groups == group)).nonzero()[0]
            best = metric[rows[np.argmin(cost[rows])]] or np.nan
            for place in np.unique(self.places[path][rows]):
                having = rows[self.places[path][rows] == place]
                yield group, self.texts[path][int(place)], float(metric[having[np.argmin(cost[having])]] / best)


def read_designs(folder: Path, results: Results) -> Designs:
    """All designs of a results folder."""
    import polars as pl

    study = results.study
    frame = pl.concat(list(frames_of(folder))).sort(NUMBER)
    paths = tuple(study.vary)
    texts = {path: _texts(study, path, frame) for path in paths}
    codes = {path: {text: place for place, text in enumerate(texts[path])} for path in paths}
    places = {path: np.array([codes[path][text] for text in frame[path]], np.int64) for path in paths}
    rows = {int(number): row for row, number in enumerate(frame[NUMBER])}
    return Designs(
        study=study,
        numbers=frame[NUMBER].to_numpy().astype(np.int64),
        paths=paths,
        labels=labels(paths),
        texts=texts,
        places=places,
        metrics={name: frame[name].fill_null(float("nan")).to_numpy().astype(np.float64) for name in study.metrics},
        feasible=(frame[REASON] == "").to_numpy().astype(np.bool_),
        front=tuple(rows[design_number(row)] for row in results.front),
    )


def _texts(study: Study, path: str, frame: pl.DataFrame) -> tuple[str, ...]:
    """The values that designs have, in the order of the study, or by number where it has no end of them."""
    there = set(frame[path].to_list())
    listed = [str(text_of(value)) for value in values_of(study.vary[path]) or ()]
    return tuple(text for text in listed if text in there) or tuple(sorted(there, key=_by_number))


def _by_number(text: str) -> tuple[float, str]:
    head = text.split(" ")[0]
    try:
        return float(head), text
    except ValueError:
        return 0.0, text
