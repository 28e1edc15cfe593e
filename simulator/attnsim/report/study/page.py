"""The page of a study in markdown, from its tables alone."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from attnsim.report.markdown import sentence, short, table
from attnsim.report.tables import Row, Tables, number, select, text

MOST_ROWS = 40
MOST_VALUES = 24
_FRONT = """\
Designs that no other one beats: none is at least as good in every objective and better in one. Of
designs that are equal in all of them the first stands for the others."""
_COSTS = """\
The best that is left of an objective when a value is fixed and all else is free, over the best of all: 1 is a value
that costs nothing, a value that is missing makes every design infeasible.
"""
_AROUND = """\
The balanced design is the one of the front whose objectives are, in the geometric mean, the least above the best ones.
Here one parameter is changed and the others stay; designs that are not feasible are left out.
"""
_SHARES = """\
Sobol indices: the share of an objective's variance over the space that a parameter brings alone (first order), and with
what it does together with others (total). Of the logarithm where all values are positive. {how}
"""
_BUSY = "Feasible designs by what keeps them busy; those of the front are blue.\n"
_ROOFLINE = (
    "Feasible designs as in a roofline plot: what they compute by what they move; those of the front are blue.\n"
)


def page(tables: Tables) -> str:
    """The page as markdown."""
    parts = (_head, _front, _costs, _around, _shares, _busy, _reasons, _commands)
    return "\n".join(block for part in parts for block in part(tables, _figure_of(tables)))


def _figure_of(tables: Tables) -> Callable[[str, str], str]:
    name = text(tables["study"][0], "name")
    return lambda figure, says: f"![{says}](figures/study_{name}_{figure}.svg)\n"


Figure = Callable[[str, str], str]


def _head(tables: Tables, _figure: Figure) -> list[str]:
    study = tables["study"][0]
    facts = [f"{study['designs']:,} designs, {study['feasible']:,} feasible, {study['front']:,} on the front."]
    if study["workloads"]:
        facts.append(f"Each runs on: {study['workloads']}; metrics are aggregated ({study['aggregate']}).")
    facts += [f"Bounds: {study['bounds']}."] if study["bounds"] else []
    facts += [f"A front for each {study['each']}."] if study["each"] else []
    parameters = [
        [f"`{path['path']}`", _listed([text(row, "value") for row in select(tables["values"], path=path["path"])])]
        for path in tables["paths"]
    ]
    told = [_wrapped(sentence(text(study, "notes"))), ""] if study["notes"] else []
    return [
        f"# {study['title']}",
        "",
        *told,
        _wrapped(" ".join(facts)),
        "",
        table(("parameter", "values"), parameters, left=2),
        "",
        _wrapped(f"Source: {sentence(text(study, 'source'))}"),
        "",
        f"To run it again: `attnsim explore {study['name']}`.",
        "",
    ]


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(" ".join(paragraph.split()), 120, break_long_words=False, break_on_hyphens=False)


def _front(tables: Tables, figure: Figure) -> list[str]:
    objectives = [text(row, "name") for row in tables["objectives"]]
    rows = [
        [str(row["design"]), *(text(row, text(path, "path")) for path in tables["paths"]), *_numbers(row, objectives)]
        for row in tables["front"][:MOST_ROWS]
    ]
    labels = [text(path, "label") for path in tables["paths"]]
    left = len(tables["front"]) - MOST_ROWS
    cut = [f"And {left:,} more, which `attnsim pareto` prints.", ""] if left > 0 else []
    several = len(objectives) > 1
    return [
        "## The front",
        "",
        _FRONT,
        "",
        *([figure("front", "the front, two objectives at a time")] if several else []),
        figure("parallel", "designs of the front over all parameters"),
        table(("design", *labels, *objectives), rows),
        "",
        *cut,
    ]


def _listed(values: Sequence[str]) -> str:
    """Values in words: all of them, or the ends of many."""
    if len(values) <= MOST_VALUES:
        return ", ".join(values)
    return f"{len(values):,} values from {values[0]} to {values[-1]}"


def _some(rows: Sequence[Row]) -> list[Row]:
    """Rows evenly from the first to the last, all of them if they are few."""
    if len(rows) <= MOST_VALUES:
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / (MOST_VALUES - 1))] for place in range(MOST_VALUES)]


def _numbers(row: Row, objectives: Sequence[str]) -> list[str]:
    return [f"{number(row, name):.4g}" for name in objectives]


def _costs(tables: Tables, _figure: Figure) -> list[str]:
    """A table an objective: values by group, or, with one group, objectives side by side."""
    objectives = [text(row, "name") for row in tables["objectives"]]
    groups = [text(row, "group") for row in tables["groups"]]
    lines = ["## What each value costs", "", _COSTS]
    if len(groups) == 1:
        return [*lines, _cost_table(tables, [(name, groups[0], name) for name in objectives]), ""]
    for name in objectives:
        lines += [f"By {text(tables['study'][0], 'each')}, of `{name}`:", ""]
        lines += [_cost_table(tables, [(group, group, name) for group in groups]), ""]
    return lines


def _cost_table(tables: Tables, columns: Sequence[tuple[str, str, str]]) -> str:
    labels = {text(path, "path"): text(path, "label") for path in tables["paths"]}
    found = {(row["path"], row["value"], row["group"], row["objective"]): row for row in tables["costs"]}
    keys = [(path, text(row, "value")) for path in labels for row in _some(list(select(tables["values"], path=path)))]
    with_cost = {(row["path"], row["value"]) for row in tables["costs"]}
    rows = [
        [labels[path], value, *(_ratio(found.get((path, value, group, name))) for _, group, name in columns)]
        for path, value in keys
        if (path, value) in with_cost
    ]
    return table(("parameter", "value", *(heading for heading, *_ in columns)), rows, left=2)


def _ratio(row: Row | None) -> str:
    return "" if row is None or row["ratio"] is None else short(number(row, "ratio"))


def _around(tables: Tables, figure: Figure) -> list[str]:
    if not tables["around"]:
        return []
    design = tables["study"][0]["balanced"]
    return [
        "## Around the balanced design",
        "",
        f"{_wrapped(f'Design {design}. {_AROUND}')}\n",
        figure("around", "objectives when one parameter changes"),
    ]


def _shares(tables: Tables, figure: Figure) -> list[str]:
    how = text(tables["study"][0], "shares")
    lines = ["## Which parameter matters", "", f"{_wrapped(_SHARES.format(how=how))}\n"]
    if not tables["shares"]:
        return lines
    labels = {text(path, "path"): text(path, "label") for path in tables["paths"]}
    rows = [
        [text(row, "objective"), labels[text(row, "path")], f"{number(row, 'first'):.3f}", _total(row)]
        for row in tables["shares"]
    ]
    shown = table(("objective", "parameter", "first order", "total"), rows, left=2)
    return [*lines, figure("shares", "Sobol indices"), shown, ""]


def _total(row: Row) -> str:
    return "" if row["total"] is None else f"{number(row, 'total'):.3f}"


def _busy(tables: Tables, figure: Figure) -> list[str]:
    if not tables["busy"]:
        return []
    roofline = tables["busy"][0]["kind"] == "roofline"
    says = _ROOFLINE if roofline else _BUSY
    return ["## What keeps them busy", "", says, figure("busy", "designs by what keeps them busy")]


def _reasons(tables: Tables, _figure: Figure) -> list[str]:
    if not tables["reasons"]:
        return []
    rows = [[text(row, "reason"), f"{row['designs']:,}"] for row in tables["reasons"]]
    return ["## Why others are not feasible", "", table(("reason", "designs"), rows), ""]


def _commands(tables: Tables, _figure: Figure) -> list[str]:
    if not tables["commands"]:
        return []
    lines = ["## The best designs as commands", ""]
    for design in dict.fromkeys(row["design"] for row in tables["commands"]):
        own = list(select(tables["commands"], design=design))
        lines += [
            f"Design {design}: {text(own[0], 'what')}.",
            "",
            "```",
            *(text(row, "command") for row in own),
            "```",
            "",
        ]
    return lines
