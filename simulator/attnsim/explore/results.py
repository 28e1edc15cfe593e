"""What a results folder holds, for people and for runs: the front, reasons of infeasible designs, designs as files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from attnsim.errors import AttnSimError, Problem, SpecError
from attnsim.explore.front import Front
from attnsim.explore.space import Design, Space, text_of
from attnsim.explore.store import NUMBER, REASON, frames_of, read_manifest
from attnsim.explore.sweep import signs_of
from attnsim.specs.library import suggest
from attnsim.specs.study import Study, study_problems, values_of

Row = dict[str, object]
_MISSING = re.compile(r"([\d,]+) B too many")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A results folder. front: rows of the designs that no other one beats, in order of the first objective; designs,
    feasible: how many were judged and are feasible; reasons: of the others, by how many."""

    study: Study
    front: tuple[Row, ...]
    designs: int
    feasible: int
    reasons: Mapping[str, int]


def read_study(folder: Path) -> Study:
    """The study of a results folder, as it was run."""
    document = read_manifest(folder)
    study = Study.model_validate(document["spec"])
    problems = study_problems(study)
    if problems:
        raise SpecError(*problems)
    return study


def read_results(folder: Path, objectives: Sequence[str] = ()) -> Results:
    """Read a results folder; `objectives` of the study choose a front in fewer dimensions, all of them if empty."""
    study = read_study(folder)
    names = tuple(objectives) or study.objectives
    unknown = [name for name in names if name not in study.objectives]
    if unknown:
        what = f"{unknown[0]!r} is no objective of {study.name}"
        raise AttnSimError(Problem(path="--objectives", what=what, remedy=suggest(unknown[0], study.objectives)))
    signs = dict(zip(study.objectives, signs_of(study), strict=True))
    front = Front(tuple(signs[name] for name in names))
    rows: dict[int, Row] = {}
    reasons: Counter[str] = Counter()
    designs = feasible = 0
    for frame in frames_of(folder):
        good = frame.filter(frame[REASON] == "")
        designs, feasible = designs + frame.height, feasible + good.height
        reasons.update(frame.filter(frame[REASON] != "")[REASON].to_list())
        if not good.height:
            continue
        values = good.select(names).to_numpy().astype(np.float64)
        front.add(good[NUMBER].to_numpy().astype(np.int64), values, list(good.select(study.each).iter_rows()))
        kept = set(front.numbers.tolist())
        rows = {number: row for number, row in rows.items() if number in kept}
        rows |= {row[NUMBER]: row for row in good.filter(good[NUMBER].is_in(sorted(kept))).to_dicts()}
    first = names[0]
    ordered = sorted(
        rows.values(), key=lambda row: (_group(study, row), signs[first] * number_in(row, first), row[NUMBER])
    )
    return Results(study=study, front=tuple(ordered), designs=designs, feasible=feasible, reasons=_together(reasons))


def _together(reasons: Mapping[str, int]) -> dict[str, int]:
    """Reasons that differ in nothing but how many bytes are missing, as one."""
    alike: dict[str, list[tuple[int, str, int]]] = {}
    for reason, count in reasons.items():
        found = _MISSING.search(reason)
        text = _MISSING.sub("\0", reason) if found else reason
        alike.setdefault(text, []).append((int(found[1].replace(",", "")) if found else 0, reason, count))
    together: dict[str, int] = {}
    for text, group in alike.items():
        least, most = min(group)[0], max(group)[0]
        told = group[0][1] if len(group) == 1 else text.replace("\0", f"{least:,} to {most:,} B too many")
        together[told] = sum(count for _, _, count in group)
    return together


def _group(study: Study, row: Row) -> tuple[int, ...]:
    """Place of a row's group among all, by the order of values in the study."""
    places = []
    for path in study.each:
        texts = [str(text_of(value)) for value in values_of(study.vary[path]) or ()]
        places.append(texts.index(str(row[path])))
    return tuple(places)


def require_front(results: Results) -> None:
    """Raise AttnSimError when no design is feasible, with what removes most."""
    if results.front:
        return
    most = sorted(results.reasons.items(), key=lambda item: (-item[1], item[0]))[:3]
    told = "; ".join(f"{count:,} of {results.designs:,}: {reason}" for reason, count in most)
    what = f"no design of {results.study.name} is feasible" + (f": {told}" if told else ", none was judged")
    raise AttnSimError(Problem(path="subject_to", what=what, remedy="widen the bounds or the ranges"))


def number_in(row: Row, name: str) -> float:
    """The number in a column of a row that has one."""
    value = row[name]
    assert isinstance(value, int | float), (name, value)
    return float(value)


def design_number(row: Row) -> int:
    """The number of the design of a row."""
    return round(number_in(row, NUMBER))


def best_rows(results: Results, objective: str | None, count: int) -> list[Row]:
    """The best designs of the front, of each group's if there are groups, by one objective; None: the study's first."""
    study = results.study
    name = objective or study.objectives[0]
    if name not in study.objectives:
        what = f"{name!r} is no objective of {study.name}"
        raise AttnSimError(Problem(path="--by", what=what, remedy=suggest(name, study.objectives)))
    sign = 1 if name in study.minimize else -1
    ordered = sorted(results.front, key=lambda row: (_group(study, row), sign * number_in(row, name), row[NUMBER]))
    taken = [list(rows)[:count] for _, rows in groupby(ordered, key=lambda row: _group(study, row))]
    return [row for rows in taken for row in rows]


def design_of(study: Study, row: Row) -> Design:
    """The design of a row: its values as the study has them."""
    space = Space(study)
    if study.sampler == "grid":
        design = space.design(design_number(row))
        assert design is not None
        return design
    from attnsim.explore.search import value_of

    return {path: value_of(study, path, str(row[path])) for path in study.vary}
