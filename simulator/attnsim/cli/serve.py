"""`attnsim serve`: requests over time on one or more systems."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer
from attnsim.errors import EXIT_BAD_INPUT, AttnSimError, Problem

if TYPE_CHECKING:
    from attnsim.serving.asked import ServeRequest
    from attnsim.serving.outcome import Outcome
    from attnsim.serving.simulate import Progress
    from attnsim.serving.slo import Slo

EXIT_INTERRUPTED = 130

SystemOption = Annotated[str, typer.Option("--system", help="systems, by name or path, with commas")]
ModelOption = Annotated[str, typer.Option("--model", help="model, by name or path")]
TraceOption = Annotated[
    str,
    typer.Option(
        "--trace",
        metavar="NAME|FILE",
        help="requests: azure-conv, azure-code, kimi-conv, kimi-ta, share-gpt, alpaca, or a CSV, JSONL or Parquet file",
    ),
]
RequestsOption = Annotated[int | None, typer.Option("--requests", help="how many; all of the trace if left out")]
RateOption = Annotated[
    float | None, typer.Option("--rate", help="requests a second; the trace's own times if left out")
]
ConcurrencyOption = Annotated[
    int | None, typer.Option("--concurrency", help="closed loop: so many requests at a time, a new one as one ends")
]
SaturatedOption = Annotated[bool, typer.Option("--saturated", help="all requests come at once")]
SloOption = Annotated[str | None, typer.Option("--slo", help="limits such as ttft=2s,tbt=60ms; also tpot and latency")]
FitOption = Annotated[
    bool, typer.Option("--fit-batch", help="find the largest batch with which 99 % of the requests keep --slo")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="write a row for each request to this Parquet file")]
TimelineOption = Annotated[
    Path | None, typer.Option("--timeline", help="write batch, pages and one iteration over time, for Perfetto")
]


def serve(
    system: SystemOption,
    model: ModelOption,
    trace: TraceOption,
    requests: RequestsOption = None,
    seed: inputs.SeedOption = 0,
    rate: RateOption = None,
    concurrency: ConcurrencyOption = None,
    saturated: SaturatedOption = False,
    slo: SloOption = None,
    fit_batch: FitOption = False,
    set_: inputs.SetOption = None,
    out: OutOption = None,
    timeline: TimelineOption = None,
    json: inputs.JsonOption = False,
) -> Answer:
    """Serve requests over time on a system of devices: throughput, latencies, batch, utilization, cost and energy."""
    from attnsim.serving.asked import ServeRequest
    from attnsim.serving.slo import parse_slo

    limits = parse_slo(slo) if slo is not None else None
    if fit_batch and limits is None:
        raise AttnSimError(Problem(path="--fit-batch", what="fits nothing without an objective", remedy="give --slo"))
    names = [name.strip() for name in system.split(",")]
    if not all(names):
        what = f"{system!r} has an empty name"
        raise AttnSimError(Problem(path="--system", what=what, remedy="write names between commas"))
    if len(names) > 1 and (out or timeline):
        what, remedy = "is written for one system", "name one system, or leave it out"
        raise AttnSimError(Problem(path="--out" if out else "--timeline", what=what, remedy=remedy))
    _require_places(out, timeline)
    request = ServeRequest(
        system="",
        model=model,
        trace=trace,
        requests=requests,
        seed=seed,
        rate=rate,
        concurrency=concurrency,
        saturated=saturated,
        overrides=tuple(set_ or ()),
    )
    outcomes = []
    for name in names:
        outcomes.append(_outcome(request, name, limits, fit_batch))
        if outcomes[-1].served.interrupted:
            break
    _write(outcomes[0], out, timeline)
    return _answer(outcomes, json)


def _require_places(out: Path | None, timeline: Path | None) -> None:
    """Raise AttnSimError for files that can not be written, before anything is simulated for them."""
    problems = []
    for option, path in (("--out", out), ("--timeline", timeline)):
        if path is None:
            continue
        what = f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        if path.is_dir() or not path.parent.is_dir():
            problems.append(Problem(path=option, what=what, remedy="give the path of a file to write"))
    if problems:
        raise AttnSimError(*problems)


def _outcome(request: ServeRequest, name: str, limits: Slo | None, fit_batch: bool) -> Outcome:
    """Serve on one system."""
    import dataclasses

    from attnsim.serving.fit import fit
    from attnsim.serving.outcome import Outcome
    from attnsim.serving.simulate import serve

    asked = dataclasses.replace(request, system=name)
    with _progress(name) as progress:
        if fit_batch and limits is not None:
            return fit(asked, limits, progress)
        return Outcome(serve(asked, progress), limits)


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """A bar on a terminal; nothing elsewhere."""
    from attnsim.serving.simulate import silent

    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write(outcome: Outcome, out: Path | None, timeline: Path | None) -> None:
    from attnsim.serving.results import timeline as make_timeline
    from attnsim.serving.results import write_requests

    if out is not None:
        write_requests(outcome, out)
    if timeline is not None:
        import json

        text = json.dumps(make_timeline(outcome), separators=(",", ":"))
        timeline.write_text(text + "\n", encoding="utf-8")


def _answer(outcomes: list[Outcome], as_json: bool) -> Answer:
    """The numbers; exit code 2 when no request keeps the objective, 130 after an interrupt."""
    from attnsim.cli.serve_table import serve_table, systems_table
    from attnsim.results import json_text
    from attnsim.serving.results import serving_json

    if as_json:
        documents = [serving_json(outcome) for outcome in outcomes]
        text = json_text(documents[0] if len(documents) == 1 else documents)
    else:
        text = serve_table(outcomes[0]) if len(outcomes) == 1 else systems_table(outcomes)
    if any(outcome.served.interrupted for outcome in outcomes):
        sys.stderr.write("interrupted: these are the requests that had ended\n")
        return Answer(text=text, exit_code=EXIT_INTERRUPTED)
    missed = [outcome for outcome in outcomes if outcome.kept is not None and outcome.kept.share == 0]
    for outcome in missed:
        sys.stderr.write(_nothing_keeps(outcome) + "\n")
    return Answer(text=text, exit_code=EXIT_BAD_INPUT if missed else 0)


def _nothing_keeps(outcome: Outcome) -> str:
    """Which limits no request keeps, and what the best one reached."""
    from attnsim.cli.tables import seconds

    assert outcome.kept is not None
    best = ", ".join(f"{name} {seconds(value)}" for name, value in outcome.kept.best_s.items() if value == value)
    told = f"the best that single requests reached: {best}" if best else "no request ended"
    return f"--slo: no request on {outcome.served.system.name} keeps {outcome.kept.slo}; {told}"
