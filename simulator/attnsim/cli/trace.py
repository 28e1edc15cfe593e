"""`attnsim trace`: a run as a timeline that ui.perfetto.dev opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer


def trace(
    model: inputs.ModelOption = None,
    cascade: inputs.CascadeOption = None,
    hardware: inputs.HardwareOption = None,
    mapping: inputs.MappingOption = None,
    seq_len: inputs.SeqLenOption = None,
    batch: inputs.BatchOption = None,
    trace_: inputs.TraceOption = None,
    seed: inputs.SeedOption = 0,
    tensor_parallel: inputs.TensorParallelOption = None,
    pipeline_parallel: inputs.PipelineParallelOption = None,
    scope: inputs.ScopeOption = "attention",
    phase: inputs.PhaseOption = None,
    extent: inputs.ExtentOption = None,
    set_: inputs.SetOption = None,
    fill_drain: inputs.FillDrainOption = None,
    calibration: inputs.CalibrationOption = None,
    engine: inputs.EngineOption = "fast",
    out: Annotated[Path, typer.Option(help="the file to write")] = Path("trace.json"),
    tasks: Annotated[int, typer.Option(min=1, max=10**6, help="show at most this many tasks of a phase")] = 5000,
) -> Answer:
    """Write what each resource does when, as Perfetto JSON; open it at https://ui.perfetto.dev."""
    import json

    from attnsim.cli.lengths import parse_extents, parse_length
    from attnsim.cli.progress import waiting
    from attnsim.errors import MappingError
    from attnsim.mapping.infeasible import Infeasible
    from attnsim.pipeline import Request, make_plan
    from attnsim.report.timeline import make_timeline

    request = Request(
        model=model,
        cascade=cascade,
        hardware=hardware,
        mapping=mapping,
        scope=scope,
        phase=phase,
        seq_len=parse_length(seq_len) if seq_len is not None else None,
        batch=batch,
        trace=trace_,
        seed=seed,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        extents=parse_extents(extent),
        overrides=tuple(set_ or ()),
        fill_drain=fill_drain,
        calibration=calibration,
        engine=engine,
    )
    with waiting("simulating"):
        timeline = make_timeline(make_plan(request), tasks)
    if isinstance(timeline, Infeasible):
        raise MappingError(str(timeline))
    out.write_text(json.dumps(timeline.document(), separators=(",", ":")) + "\n", encoding="utf-8")
    lines = [f"{out}: {len(timeline.events)} events; open it at https://ui.perfetto.dev", *timeline.cuts]
    return Answer(text="".join(f"{line}\n" for line in lines))
