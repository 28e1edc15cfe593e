"""`attnsim compare`: every combination of models, lengths, hardware and mappings, each beside the first of its kind."""

from __future__ import annotations

from attnsim.cli import inputs
from attnsim.cli.answer import Answer
from attnsim.errors import AttnSimError, Problem


def compare(
    model: inputs.ModelsOption = None,
    cascade: inputs.CascadeOption = None,
    hardware: inputs.HardwaresOption = None,
    mapping: inputs.MappingsOption = None,
    seq_len: inputs.SeqLensOption = None,
    batch: inputs.BatchOption = None,
    trace: inputs.TraceOption = None,
    seed: inputs.SeedOption = 0,
    tensor_parallel: inputs.TensorParallelOption = None,
    scope: inputs.ScopeOption = "attention",
    phase: inputs.PhaseOption = None,
    extent: inputs.ExtentOption = None,
    set_: inputs.SetOption = None,
    fill_drain: inputs.FillDrainOption = None,
    register_file_energy: inputs.RegisterFileOption = None,
    engine: inputs.EngineOption = "fast",
    published: inputs.PublishedOption = None,
    json: inputs.JsonOption = False,
) -> Answer:
    """Compare mappings, hardware, models and lengths; speedups are relative to the first hardware and mapping."""
    from attnsim.cli.compare_table import compare_json, compare_table
    from attnsim.cli.lengths import parse_extents, parse_lengths
    from attnsim.cli.progress import track
    from attnsim.pipeline import Request, simulate
    from attnsim.results import json_text

    requests = [
        Request(
            model=one_model,
            cascade=cascade,
            hardware=one_hardware,
            mapping=one_mapping,
            scope=scope,
            phase=phase,
            seq_len=length,
            batch=batch,
            trace=trace,
            seed=seed,
            tensor_parallel=tensor_parallel,
            extents=parse_extents(extent),
            overrides=tuple(set_ or ()),
            fill_drain=fill_drain,
            register_files=register_file_energy,
            engine=engine,
        )
        for one_model in _names(model, "--model")
        for length in (parse_lengths(seq_len) if seq_len is not None else (None,))
        for one_hardware in _names(hardware, "--hardware")
        for one_mapping in _names(mapping, "--mapping")
    ]
    results = [(request, simulate(request)) for request in track(requests, "simulating")]
    if json:
        return Answer(text=json_text(compare_json(results)))
    if published is not None:
        from attnsim.cli.published import published_table

        return Answer(text=published_table(results, published))
    return Answer(text=compare_table(results))


def _names(text: str | None, option: str) -> tuple[str | None, ...]:
    """Names separated by commas; None alone if the option was left out."""
    if text is None:
        return (None,)
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise AttnSimError(
            Problem(path=option, what=f"{text!r} has an empty name", remedy="write names between commas")
        )
    return names
