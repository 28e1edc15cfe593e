"""`attnsim run`: one simulation, as a table or as JSON."""

from __future__ import annotations

from attnsim.cli import inputs
from attnsim.cli.answer import Answer


def run(
    model: inputs.ModelOption = None,
    cascade: inputs.CascadeOption = None,
    hardware: inputs.HardwareOption = None,
    mapping: inputs.MappingOption = None,
    seq_len: inputs.SeqLenOption = None,
    batch: inputs.BatchOption = None,
    trace: inputs.TraceOption = None,
    seed: inputs.SeedOption = 0,
    tensor_parallel: inputs.TensorParallelOption = None,
    pipeline_parallel: inputs.PipelineParallelOption = None,
    scope: inputs.ScopeOption = "attention",
    phase: inputs.PhaseOption = None,
    extent: inputs.ExtentOption = None,
    set_: inputs.SetOption = None,
    fill_drain: inputs.FillDrainOption = None,
    register_file_energy: inputs.RegisterFileOption = None,
    calibration: inputs.CalibrationOption = None,
    engine: inputs.EngineOption = "fast",
    json: inputs.JsonOption = False,
) -> Answer:
    """Simulate one algorithm on one hardware with one mapping."""
    from attnsim.cli.lengths import parse_extents, parse_length
    from attnsim.cli.progress import waiting
    from attnsim.cli.run_table import run_table
    from attnsim.errors import EXIT_BAD_INPUT
    from attnsim.pipeline import Request, Run, require_mapping_fits, simulate
    from attnsim.results import json_text, result_json

    request = Request(
        model=model,
        cascade=cascade,
        hardware=hardware,
        mapping=mapping,
        scope=scope,
        phase=phase,
        seq_len=parse_length(seq_len) if seq_len is not None else None,
        batch=batch,
        trace=trace,
        seed=seed,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        extents=parse_extents(extent),
        overrides=tuple(set_ or ()),
        fill_drain=fill_drain,
        register_files=register_file_energy,
        calibration=calibration,
        engine=engine,
    )
    with waiting("simulating"):
        result = simulate(request)
    if json:
        return Answer(text=json_text(result_json(result)), exit_code=0 if isinstance(result, Run) else EXIT_BAD_INPUT)
    return Answer(text=run_table(require_mapping_fits(result)))
