"""`attnsim compare`: every combination of models, lengths, hardware and mappings, each beside the first of its kind."""

from __future__ import annotations

from attnsim.cli import inputs
from attnsim.cli.answer import Answer
from attnsim.errors import AttnSimError, Problem


def compare(
    model: inputs.ModelsOption = None,
    system: inputs.SystemsOption = None,
    cascade: inputs.CascadeOption = None,
    hardware: inputs.HardwaresOption = None,
    mapping: inputs.MappingsOption = None,
    seq_len: inputs.SeqLensOption = None,
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

    if system is not None:
        _require_alone(
            cascade=cascade,
            hardware=hardware,
            mapping=mapping,
            tensor_parallel=tensor_parallel,
            pipeline_parallel=pipeline_parallel,
            phase=phase,
            extent=extent,
            fill_drain=fill_drain,
            register_file_energy=register_file_energy,
            published=published,
        )
        return _systems(system, model, trace, seed, seq_len, batch, set_, as_json=json)
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
            pipeline_parallel=pipeline_parallel,
            extents=parse_extents(extent),
            overrides=tuple(set_ or ()),
            fill_drain=fill_drain,
            register_files=register_file_energy,
            engine=engine,
        )
        for one_model in _names(model, "--model")
        for length in (parse_lengths(seq_len) if seq_len is not None else (None,))
        for one_hardware in _names(hardware, "--hardware")
        for one_mapping in _mappings_on(one_hardware, _names(hardware, "--hardware"), _names(mapping, "--mapping"))
    ]
    results = [(request, simulate(request)) for request in track(requests, "simulating")]
    if json:
        return Answer(text=json_text(compare_json(results)))
    if published is not None:
        from attnsim.cli.published import published_table

        return Answer(text=published_table(results, published))
    return Answer(text=compare_table(results))


def _require_alone(**options: object) -> None:
    """Raise AttnSimError for options that a system says itself, or that say nothing of one."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        what = f"{', '.join(given)}: the system file says what runs on what"
        remedy = "leave it out, or use --set system.PATH=VALUE"
        raise AttnSimError(Problem(path="--system", what=what, remedy=remedy))


def _systems(
    system: str,
    model: str | None,
    trace: str | None,
    seed: int,
    seq_len: str | None,
    batch: int | None,
    set_: list[str] | None,
    *,
    as_json: bool,
) -> Answer:
    """Systems side by side: a trace that comes all at once, or one iteration."""
    from attnsim.cli.iterate import iterate
    from attnsim.cli.serve import serve

    if model is None:
        raise AttnSimError(Problem(path="--model", what="a system needs a model", remedy="give --model llama3_70b"))
    if trace is not None:
        told = [name for name, value in (("--seq-len", seq_len), ("--batch", batch)) if value is not None]
        if told:
            what = "the trace says how long requests are, and the system how many run at once"
            raise AttnSimError(Problem(path=told[0], what=what, remedy="leave it out, or --trace"))
        return serve(system, model, trace, seed=seed, saturated=True, set_=set_, json=as_json)
    if seq_len is None or batch is None:
        what, remedy = "nothing says what systems are compared for", "give --trace, or --batch and --seq-len"
        raise AttnSimError(Problem(path="--system", what=what, remedy=remedy))
    return iterate(system, model, str(batch), seq_len, set_=set_, json=as_json)


def _mappings_on(
    hardware: str | None, all_hardware: tuple[str | None, ...], mappings: tuple[str | None, ...]
) -> tuple[str | None, ...]:
    """The mappings to simulate on one of several devices: those of its family, else what it takes without any."""
    from attnsim.specs.hardware import load_hardware
    from attnsim.specs.mapping import load_mapping

    if hardware is None or len(all_hardware) == 1:
        return mappings
    family = load_hardware(hardware).family
    return tuple(name for name in mappings if name is None or load_mapping(name).family == family) or (None,)


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
