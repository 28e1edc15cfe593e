"""Sobol indices of a study: which share of the spread of an objective each path brings, alone and with all others.

On a full grid they need no estimate: with every value equally likely, the first-order index of a path is the variance
of the means of its values over the whole variance, the total one what is left when the others are known (Saltelli et
al., Computer Physics Communications 181, 2010, equations 2 and 4). Where designs have no metrics, the values of paths
that lack most of theirs are left out until none is missing. A random or Sobol search has samples instead; their
first-order indices are estimated by SALib (RBD-FAST on given data, Plischke, RESS 95, 2010). Positive objectives
are taken by their logarithm, so that a factor counts alike wherever it applies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from attnsim.explore.space import Space, text_of
from attnsim.report.study.designs import Designs, Floats, Ints
from attnsim.specs.study import GRID, values_of

LARGEST_GRID = 4_000_000
LEAST_SAMPLES = 64
LEAST_PART = 0.25
EXACT = "Computed from all designs of the grid, every value equally likely; nothing is estimated."
ESTIMATED = "Estimated from the designs of the search by SALib (RBD-FAST, first order only)."
Kept = dict[str, list[int]]
"""Places of the values of each path that are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Sobol indices of an objective: of a path alone, and with what it does together with others (None: unknown)."""

    objective: str
    path: str
    first: float
    total: float | None


def shares_of(designs: Designs) -> tuple[list[Share], str]:
    """Indices of every objective and path, and how they were found, or why there are none."""
    study = designs.study
    if study.sampler == GRID:
        space = Space(study)
        if space.size is None or space.size > LARGEST_GRID:
            return [], f"None: the grid is larger than {LARGEST_GRID:,} designs."
        rows = _rows_of_grid(designs, space)
        kept = _without_holes(designs, rows)
        if math.prod(len(places) for places in kept.values()) < LEAST_PART * rows.size:
            return [], "None: too many designs of the grid have no value."
        part = rows[np.ix_(*kept.values())]
        return [share for name in study.objectives for share in _exact(designs, part, name)], _told(designs, kept)
    if study.sampler not in ("random", "sobol"):
        return [], f"None: a {study.sampler} search takes its designs where they are good."
    known = np.all([np.isfinite(designs.metric(name)) for name in study.objectives], axis=0)
    if known.sum() < LEAST_SAMPLES or not known.all():
        return (
            [],
            f"None: {known.sum():,} of {len(known):,} designs have values, and all of {LEAST_SAMPLES} or more must.",
        )
    return [share for name in study.objectives for share in _estimated(designs, name)], ESTIMATED


def _rows_of_grid(designs: Designs, space: Space) -> Ints:
    """Row of the design that each number of the grid stands for, -1 for none; an axis for each path."""
    assert space.size is not None
    rows = np.full(space.size, -1, np.int64)
    rows[designs.numbers] = np.arange(len(designs.numbers))
    if designs.study.only:
        _fill_switched_off(space, rows)
    values = np.array([designs.metric(name) for name in designs.study.objectives])
    rows[rows >= 0] = np.where(np.isfinite(values[:, rows[rows >= 0]]).all(axis=0), rows[rows >= 0], -1)
    return rows.reshape([len(values or ()) for values in space.choices])


def _without_holes(designs: Designs, rows: Ints) -> Kept:
    """Values that leave a grid without holes: those with the largest share of holes go first."""
    kept = {path: list(range(size)) for path, size in zip(designs.paths, rows.shape, strict=True)}
    holes = rows < 0
    while holes.any():
        shares = [holes.mean(axis=tuple(a for a in range(holes.ndim) if a != axis)) for axis in range(holes.ndim)]
        axis = int(np.argmax([share.max() for share in shares]))
        place = int(np.argmax(shares[axis]))
        del kept[designs.paths[axis]][place]
        holes = np.delete(holes, place, axis)
    return kept


def _told(designs: Designs, kept: Mapping[str, list[int]]) -> str:
    left = []
    for path, label in zip(designs.paths, designs.labels, strict=True):
        texts = [str(text_of(value)) for value in values_of(designs.study.vary[path]) or ()]
        gone = [text for place, text in enumerate(texts) if place not in kept[path]]
        left += [f"{label} {', '.join(gone)}"] if gone else []
    return f"{EXACT} Designs without values are left out, with all of {'; '.join(left)}." if left else EXACT


def _fill_switched_off(space: Space, rows: Ints) -> None:
    """Give numbers that stand for no design of their own the design with the first value of what is switched off."""
    choices = [values_of(space.study.vary[path]) or () for path in space.paths]
    shape = tuple(len(values) for values in choices)
    for number in (rows < 0).nonzero()[0].tolist():
        places = [int(place) for place in np.unravel_index(number, shape)]
        design = {path: values[place] for path, values, place in zip(space.paths, choices, places, strict=True)}
        kept = [place if space.active(path, design) else 0 for path, place in zip(space.paths, places, strict=True)]
        rows[number] = rows[int(np.ravel_multi_index(kept, shape))]


def spread_of(metric: Floats) -> Floats:
    """What the variance is taken of: the logarithm of an objective, or itself where one is not positive."""
    return np.log(metric) if (metric > 0).all() else metric


def _exact(designs: Designs, rows: Ints, name: str) -> Iterator[Share]:
    values = spread_of(designs.metric(name)[rows])
    whole = float(values.var())
    if math.isclose(whole, 0.0, abs_tol=1e-18):
        return
    axes = range(rows.ndim)
    for axis, path in enumerate(designs.paths):
        alone = values.mean(axis=tuple(other for other in axes if other != axis))
        others = values.mean(axis=axis)
        total = 1.0 - float(others.var()) / whole
        yield Share(objective=name, path=path, first=float(alone.var()) / whole, total=max(total, 0.0))


def _estimated(designs: Designs, name: str) -> Iterator[Share]:
    from SALib.analyze import rbd_fast

    inputs = np.array([designs.places[path] for path in designs.paths], np.float64).T
    problem = {
        "num_vars": len(designs.paths),
        "names": list(designs.paths),
        "bounds": [[0.0, max(float(column.max()), 1.0)] for column in inputs.T],
    }
    spread = spread_of(designs.metric(name))
    found = rbd_fast.analyze(problem, inputs, spread, num_resamples=2, seed=designs.study.seed)
    for path, first in zip(designs.paths, found["S1"], strict=True):
        yield Share(objective=name, path=path, first=float(first), total=None)
