"""The page of `bench_mapping.py`: from its numbers to markdown."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from itertools import product

from mapping_problems import PEERS, PROBLEMS, Beside, Numbers, Problem

TARGET_RATIO = 10
EQUAL = 1.0005
"""Latencies that differ by less are equal: filling and draining is written with four digits."""

NOTES = (
    "- ZigZag counts 131,136 cycles in which the first inputs are loaded; here loading hides. Its mapping keeps all",
    "  cells at work, as that of attnsim does. It maps each product of the prefill alone and finds no place for the",
    "  scores. It has no softmax.",
    "- AccelForge runs Einsums one after the other; here those of one phase may run side by side. With",
    "  `overlap: [QK, S, AV]` its fused mapping takes here too what it reports, and the mappings with scores in the",
    "  main memory do as they are. That of the prefill is one of these, although it may fuse. Its softmax is one",
    "  operation, and so it is here.",
    "- Weights lie still in AccelForge's arrays, so that 64 dimensions of a head fill half of the rows. Here any two",
    "  ranks may lie on an array, and four cores are one: all of the factor of two between its fused mapping here and",
    "  that of attnsim comes from this freedom.",
    "- Stream gives each core parts of the work and counts what they send to each other; no mapping file says so.",
    "  Its states are one tensor; here queries and keys have one each, which is more traffic for attnsim.",
    "- LLMCompass (git, Zhang et al., ISCA 2024) took 216 s of processor time for the attention of the prefill on an",
    "  A100, and 51 s for the product; it was run once, not here.",
)

WHY = {"layer": " Its 26 Einsums have many cuts into phases; `--seconds` ends with the best until then."}

Pair = tuple[str, Problem, Beside, str]


def page(numbers: Numbers) -> str:
    """The report as markdown; `numbers` as in mapping.json."""
    lines = [
        "# Speed of finding mappings",
        "",
        f"Seconds by the clock on the wall, one core ({platform.machine()}); `make bench` measures it again. Cold: the",
        "whole command `attnsim map --json`, a process of its own whose compiled files are there. First and again:",
        "searches inside a process, after its imports. The mapping of a prefill is to be found within a second.",
        "",
        "| problem | cold | imports | first | again | latency | above the bound | proven best |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *(_row(numbers, name, problem) for name, problem in PROBLEMS.items()),
    ]
    pairs = _measured(numbers)
    return "\n".join([*lines, "", *(_beside_lines(numbers, pairs)), *_misses(numbers, pairs), ""])


def _measured(numbers: Numbers) -> list[Pair]:
    pairs = [
        (name, problem, beside, beside.key(name)) for name, problem in PROBLEMS.items() for beside in problem.beside
    ]
    return [pair for pair in pairs if f"{pair[3]}_cold_s" in numbers]


def _row(numbers: Numbers, name: str, problem: Problem) -> str:
    cold, imports, first, again, latency, gap = (
        float(numbers[f"{name}_{what}"]) for what in ("cold_s", "import_s", "first_s", "again_s", "latency_s", "gap")
    )
    times = f"{cold:.2f} s | {imports:.2f} s | {first:.2f} s | {again:.2f} s"
    return f"| {problem.title} | {times} | {_time(latency)} | {max(gap, 0):.1%} | {numbers[f'{name}_proven']} |"


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.4g} us" if seconds < 1e-3 else f"{seconds * 1e3:.4g} ms"


def _beside_lines(numbers: Numbers, pairs: list[Pair]) -> list[str]:
    if not pairs:
        variables = ", ".join(f"`{peer.variable}`" for peer in PEERS)
        return [f"No other mapper was run beside it yet: {variables} name Pythons that have them.", ""]
    run = [
        f"{peer.title} {numbers[f'{peer.name}_version']} ({numbers[f'{peer.name}_date']})"
        for peer in PEERS
        if f"{peer.name}_version" in numbers
    ]
    return [
        "## Beside other mappers",
        "",
        f"{', '.join(run)}:",
        "in turn with attnsim on one core, each with its own description of the hardware and the defaults of its own",
        "interface, for the least latency. Cold: a process with its imports, up to the mapping. Warm: a further search",
        f"in it. The aim is {TARGET_RATIO} times their speed, and a latency that is not above theirs.",
        "",
        "| problem | mapper | cold | attnsim | ratio | warm | attnsim | ratio |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *(_times_row(numbers, pair) for pair in pairs),
        "",
        "Latency as they report it; of their mapping under the model of attnsim, where a mapping file says it; and of",
        "what attnsim finds. Their hardware is [written down](../../tests/benchmarks/mapping) for this model, with the",
        "lower of two bandwidths where it has words for one only. A cycle is a nanosecond where they have no clock.",
        "",
        "| problem | mapper | reported | its mapping here | attnsim | at most theirs |",
        "|---|---|---:|---:|---:|---|",
        *(_latency_row(numbers, pair) for pair in pairs),
        "",
        *NOTES,
        "",
    ]


def _times_row(numbers: Numbers, pair: Pair) -> str:
    name, _, beside, key = pair
    cold, warm, our_cold, our_warm = _seconds(numbers, pair)
    found = "" if f"{key}_latency_s" in numbers else ", finds none"
    warm_cells = f"{warm:.2f} s | {our_warm:.2f} s | {warm / our_warm:.1f} x" if beside.calls > 1 else " | | "
    ratio = "" if found else f"{cold / our_cold:.1f} x"
    cold_cells = f"{cold:.2f} s | {our_cold:.2f} s | {ratio}"
    return f"| {name} | {_mapper(beside)}{found} | {cold_cells} | {warm_cells} |"


def _seconds(numbers: Numbers, pair: Pair) -> tuple[float, float, float, float]:
    key = pair[3]
    cold, warm, our_cold, our_warm = (
        float(numbers[f"{key}_{what}"]) for what in ("cold_s", "warm_s", "ours_cold_s", "ours_again_s")
    )
    return cold, warm, our_cold, our_warm


def _mapper(beside: Beside) -> str:
    title = next(peer.title for peer in PEERS if peer.name == beside.peer)
    return title if not beside.variant else f"{title}, {beside.variant}"


def _latency_row(numbers: Numbers, pair: Pair) -> str:
    name, _, beside, key = pair
    ours = float(numbers[f"{key}_ours_latency_s"])
    if f"{key}_latency_s" not in numbers:
        return f"| {name} | {_mapper(beside)} | fails: {numbers[f'{key}_failed']} | | {_time(ours)} | |"
    here = _time(float(numbers[f"{key}_here_s"])) if f"{key}_here_s" in numbers else "not expressed"
    verdict = "yes" if ours <= _theirs(numbers, key) * EQUAL else "no"
    reported = _time(float(numbers[f"{key}_latency_s"]))
    return f"| {name} | {_mapper(beside)} | {reported} | {here} | {_time(ours)} | {verdict} |"


def _theirs(numbers: Numbers, key: str) -> float:
    """The latency to compare with: of their mapping here, as they report it where it cannot be expressed."""
    return float(numbers.get(f"{key}_here_s", numbers[f"{key}_latency_s"]))


def _misses(numbers: Numbers, pairs: list[Pair]) -> list[str]:
    found = [*_slow(numbers), *(line for pair in pairs for line in _missed(numbers, pair))]
    return ["## What misses", "", *(found or ["Nothing."])]


def _slow(numbers: Numbers) -> Iterator[str]:
    aims = [(name, problem.aim_s) for name, problem in PROBLEMS.items() if problem.aim_s is not None]
    for (name, aim_s), (what, said) in product(aims, (("cold_s", "a whole command"), ("first_s", "a first search"))):
        took_s = float(numbers[f"{name}_{what}"])
        if took_s > aim_s:
            yield f"- {name}: {said} takes {took_s:.2f} s, not {aim_s:g} s.{WHY.get(name, '')}"


def _missed(numbers: Numbers, pair: Pair) -> Iterator[str]:
    name, _, beside, key = pair
    cold, warm, our_cold, our_warm = _seconds(numbers, pair)
    ours = float(numbers[f"{key}_ours_latency_s"])
    if f"{key}_latency_s" in numbers and cold / our_cold < TARGET_RATIO:
        imports = float(numbers[f"{key}_ours_import_s"]) / our_cold
        yield f"- {name}, {_mapper(beside)}: {cold / our_cold:.1f} times as fast cold; {imports:.0%} of it are imports."
    if f"{key}_latency_s" in numbers and beside.calls > 1 and warm / our_warm < TARGET_RATIO:
        yield f"- {name}, {_mapper(beside)}: {warm / our_warm:.1f} times as fast warm."
    if f"{key}_latency_s" in numbers and ours > _theirs(numbers, key) * EQUAL:
        yield f"- {name}, {_mapper(beside)}: the latency is {ours / _theirs(numbers, key):.2f} times theirs."
