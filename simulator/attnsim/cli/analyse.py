"""`attnsim analyse`: what follows from the text of a cascade and its extents, before any hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer

if TYPE_CHECKING:
    from attnsim.einsum.ast import Cascade

LETTERS_OF = "bert"
"""The model whose extents the letters get when none is named; then one head and one sequence."""


def analyse(
    cascade: Annotated[str, typer.Argument(help="cascade, by name or path")],
    model: inputs.ModelOption = None,
    seq_len: inputs.SeqLenOption = None,
    batch: inputs.BatchOption = None,
    extent: inputs.ExtentOption = None,
    word: Annotated[str, typer.Option(help="size of a number")] = "16 bit",
    buffer: Annotated[str | None, typer.Option(help="also the traffic with a buffer of this size: '16 MiB'")] = None,
    json: inputs.JsonOption = False,
) -> Answer:
    """Operations, passes over each rank and why, live footprints and traffic of a cascade, whatever it runs on."""
    from attnsim.analysis import analyse as analyse_cascade
    from attnsim.analysis import describe, to_dict, traffic_bytes
    from attnsim.cli.lengths import parse_data, parse_extents, parse_length
    from attnsim.results import json_text
    from attnsim.specs.cascade import load_cascade
    from attnsim.units import in_binary_units

    loaded = load_cascade(cascade)
    length = parse_length(seq_len) if seq_len is not None else None
    extents = {**_extents(loaded, model, length, batch), **parse_extents(extent)}
    found = analyse_cascade(loaded, extents, word_bytes=parse_data(word, "--word"))
    if buffer is None:
        return Answer(text=json_text(to_dict(found)) if json else describe(found))
    capacity = parse_data(buffer, "--buffer")
    moved = traffic_bytes(found.traffic, capacity)
    if json:
        at_buffer = {"capacity_bytes": capacity, "traffic_bytes": moved}
        return Answer(text=json_text({**to_dict(found), "traffic_at_buffer": at_buffer}))
    sizes = in_binary_units(capacity), in_binary_units(moved), found.flops / moved
    return Answer(text=describe(found) + "\nwith a buffer of {}: {} moved, {:.4g} FLOP a byte\n".format(*sizes))


def _extents(cascade: Cascade, model: str | None, length: int | None, batch: int | None) -> Mapping[str, int]:
    """Extents of the cascade's ranks that the model has letters for."""
    from attnsim.specs.model import load_model
    from attnsim.workload import Sequences, model_extents

    spec = load_model(model or LETTERS_OF)
    sizes = batch or (spec.batch if model else 1)
    letters = model_extents(spec, Sequences(seq_len=length or spec.seq_len, batch=sizes), {})
    if model is None:
        letters |= {rank: 1 for rank in cascade.batch if rank != "B"}
    return {rank: letters[rank] for rank, _ in cascade.ranks if rank in letters}
