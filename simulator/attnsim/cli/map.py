"""`attnsim map`: find a mapping, and say how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer

_SEARCH = "How it is searched"

MinimizeOption = Annotated[
    Literal["latency", "energy", "edp"],
    typer.Option("--minimize", help="latency, energy, or their product", rich_help_panel=_SEARCH),
]
BudgetOption = Annotated[
    int, typer.Option("--budget", help="mappings that may be evaluated one by one", rich_help_panel=_SEARCH)
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", help="time that the search may take", rich_help_panel=_SEARCH)
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="of what is drawn", rich_help_panel=_SEARCH)
]
KernelOption = Annotated[
    str | None,
    typer.Option("--mapping", help="GPUs: the kernel whose tiles are searched", rich_help_panel="What is simulated"),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="write the mapping, for --mapping of other commands")
]


def find(
    hardware: inputs.HardwareOption = None,
    cascade: inputs.CascadeOption = None,
    model: inputs.ModelOption = None,
    mapping: KernelOption = None,
    seq_len: inputs.SeqLenOption = None,
    batch: inputs.BatchOption = None,
    phase: inputs.PhaseOption = None,
    extent: inputs.ExtentOption = None,
    set_: inputs.SetOption = None,
    fill_drain: inputs.FillDrainOption = None,
    register_file_energy: inputs.RegisterFileOption = None,
    minimize: MinimizeOption = "latency",
    budget: BudgetOption = 500,
    seed: SeedOption = 0,
    seconds: SecondsOption = None,
    out: OutOption = None,
    json: inputs.JsonOption = False,
) -> Answer:
    """Find the tiles, loop order, residency and placement with which an algorithm runs best on a hardware."""
    from attnsim.cli import EXIT_INTERRUPTED
    from attnsim.cli.lengths import parse_extents, parse_length
    from attnsim.cli.map_table import found_json, found_table
    from attnsim.cli.progress import counting
    from attnsim.errors import AttnSimError, Problem
    from attnsim.explore.mapper import find_mapping
    from attnsim.explore.mapper_answer import Goal
    from attnsim.pipeline import Request
    from attnsim.results import json_text
    from attnsim.specs.mapping_text import mapping_text

    request = Request(
        model=model,
        cascade=cascade,
        hardware=hardware,
        mapping=mapping,
        phase=phase,
        seq_len=parse_length(seq_len) if seq_len is not None else None,
        batch=batch,
        extents=parse_extents(extent),
        overrides=tuple(set_ or ()),
        fill_drain=fill_drain,
        register_files=register_file_energy,
    )
    if out is not None and not out.parent.is_dir():
        raise AttnSimError(Problem(path="--out", what=f"there is no folder {out.parent}", remedy="make it first"))
    goal = Goal(objective=minimize, budget=budget, seed=seed, max_s=seconds)
    with counting("searching", budget) as watch:
        found = find_mapping(request, goal, watch)
    if out is not None:
        out.write_text(mapping_text(found.mapping), encoding="utf-8")
    text = json_text(found_json(found)) if json else found_table(found)
    return Answer(text=text, exit_code=EXIT_INTERRUPTED if found.interrupted else 0)
