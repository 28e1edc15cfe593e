"""`attnsim iterate`: one decoding iteration of a system that goes on and on, and the network that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer
from attnsim.errors import AttnSimError, MisfitError, Problem

if TYPE_CHECKING:
    from attnsim.serving.asked import IterationRequest
    from attnsim.serving.steady import Iteration

SystemOption = Annotated[str, typer.Option("--system", help="systems, by name or path, with commas")]
ModelOption = Annotated[str, typer.Option("--model", help="models, by name or path, with commas")]
BatchOption = Annotated[str, typer.Option("--batch", help="requests on the whole system, with commas")]
LengthOption = Annotated[str, typer.Option("--seq-len", help="tokens of each request, with commas: 1K,8K")]
SlowdownOption = Annotated[
    float, typer.Option("--slowdown", help="what messages may add to an iteration, for the network that is needed")
]
TimelineOption = Annotated[Path | None, typer.Option("--timeline", help="write the iteration for Perfetto")]


def iterate(
    system: SystemOption,
    model: ModelOption,
    batch: BatchOption,
    seq_len: LengthOption,
    slowdown: SlowdownOption = 0.2,
    set_: inputs.SetOption = None,
    timeline: TimelineOption = None,
    json: inputs.JsonOption = False,
) -> Answer:
    """Simulate the steady decoding iteration of a system: time between tokens, what is busy, and the network needed."""
    from attnsim.cli.lengths import parse_lengths
    from attnsim.serving.asked import IterationRequest

    requests = [
        IterationRequest(
            system=one_system,
            model=one_model,
            batch=size,
            keys=keys,
            slowdown=slowdown,
            overrides=tuple(set_ or ()),
        )
        for one_model in _names(model, "--model")
        for keys in parse_lengths(seq_len)
        for size in parse_lengths(batch, "--batch")
        for one_system in _names(system, "--system")
    ]
    return answer(requests, timeline, as_json=json)


def answer(requests: list[IterationRequest], timeline: Path | None, *, as_json: bool) -> Answer:
    """Simulate each request; a table of one in detail, or of several side by side."""
    from attnsim.cli.iterate_table import iteration_table, iterations_table
    from attnsim.cli.progress import track
    from attnsim.results import json_text
    from attnsim.serving.results import iteration_json
    from attnsim.serving.steady import iterate as simulate

    if timeline is not None and len(requests) > 1:
        what, remedy = "is written for one iteration", "name one system, batch and length"
        raise AttnSimError(Problem(path="--timeline", what=what, remedy=remedy))
    found, misfits = [], []
    for request in track(requests, "simulating"):
        try:
            found.append(simulate(request))
        except MisfitError as error:
            misfits.append(error)
    if not found:
        raise misfits[0]
    if timeline is not None:
        _write(found[0], timeline)
    if as_json:
        documents = [iteration_json(one) for one in found]
        documents += [{"infeasible": str(misfit)} for misfit in misfits]
        return Answer(text=json_text(documents[0] if len(documents) == 1 else documents))
    left_out = "".join(f"{misfit}\n" for misfit in misfits)
    return Answer(text=(iteration_table(found[0]) if len(requests) == 1 else iterations_table(found)) + left_out)


def _write(iteration: Iteration, path: Path) -> None:
    import json

    from attnsim.engine import run
    from attnsim.trace import chrome_trace

    document = chrome_trace(iteration.graph, run(iteration.graph))
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


def _names(text: str, option: str) -> tuple[str, ...]:
    """Names separated by commas."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        what = f"{text!r} has an empty name"
        raise AttnSimError(Problem(path=option, what=what, remedy="write names between commas"))
    return names
