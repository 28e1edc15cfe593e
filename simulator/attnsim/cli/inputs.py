"""The options that say what is simulated, spelled once for `run`, `compare` and `trace`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Scope = Literal["attention", "layer", "head", "model"]
FillDrain = Literal["ideal", "modeled"]
RegisterFileEnergy = Literal["artifact", "full"]
Phase = Literal["prefill", "decode"]
Engine = Literal["fast", "reference"]

_WHAT, _HOW = "What is simulated", "How it is simulated"

ModelOption = Annotated[str | None, typer.Option("--model", help="model, by name or path", rich_help_panel=_WHAT)]
ModelsOption = Annotated[str | None, typer.Option("--model", help="models, with commas", rich_help_panel=_WHAT)]
CascadeOption = Annotated[
    str | None,
    typer.Option("--cascade", help="cascade, by name or path; the mapping's own if left out", rich_help_panel=_WHAT),
]
HardwareOption = Annotated[
    str | None,
    typer.Option("--hardware", help="hardware, by name or path; the mapping's own if left out", rich_help_panel=_WHAT),
]
HardwaresOption = Annotated[
    str | None,
    typer.Option("--hardware", help="hardware, with commas; the mapping's own if left out", rich_help_panel=_WHAT),
]
MappingOption = Annotated[
    str | None,
    typer.Option("--mapping", help="mapping, by name or path; the hardware's own if left out", rich_help_panel=_WHAT),
]
MappingsOption = Annotated[
    str | None,
    typer.Option("--mapping", help="mappings, with commas; the hardware's own if left out", rich_help_panel=_WHAT),
]
SeqLenOption = Annotated[
    str | None,
    typer.Option("--seq-len", help="tokens: 16384, 16K, 1M; the model's own if left out", rich_help_panel=_WHAT),
]
SeqLensOption = Annotated[
    str | None,
    typer.Option(
        "--seq-len", help="tokens, with commas: 1K,16K,1M; the model's own if left out", rich_help_panel=_WHAT
    ),
]
BatchOption = Annotated[
    int | None,
    typer.Option("--batch", min=1, max=2**31, help="sequences; the model's own if left out", rich_help_panel=_WHAT),
]
SystemsOption = Annotated[
    str | None,
    typer.Option(
        "--system",
        help="systems, with commas: --trace is served on them, or one iteration with --batch and --seq-len",
        rich_help_panel=_WHAT,
    ),
]
TraceOption = Annotated[
    str | None,
    typer.Option(
        "--trace",
        metavar="NAME|FILE",
        help="requests of different lengths that decode: share-gpt, alpaca or another trace, or the path of a CSV file",
        rich_help_panel=_WHAT,
    ),
]
SeedOption = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**63 - 1, help="of the requests that --trace draws", rich_help_panel=_WHAT),
]
TensorParallelOption = Annotated[
    int | None,
    typer.Option(
        "--tensor-parallel",
        min=1,
        max=2**20,
        help="devices that share a layer, one of which is simulated; the model's own if left out",
        rich_help_panel=_WHAT,
    ),
]
PipelineParallelOption = Annotated[
    int | None,
    typer.Option(
        "--pipeline-parallel",
        min=1,
        max=2**20,
        help="with --scope model: stages that share its layers; the model's own if left out",
        rich_help_panel=_WHAT,
    ),
]
ScopeOption = Annotated[
    Scope,
    typer.Option(
        "--scope",
        help="attention alone, the layer with its linear parts, what follows the last layer, or all layers",
        rich_help_panel=_WHAT,
    ),
]
PhaseOption = Annotated[
    Phase | None,
    typer.Option("--phase", help="prefill, or decode: one query after the others", rich_help_panel=_WHAT),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option("--calibration", help="constants of a GPU kernel: a file of your own", rich_help_panel=_HOW),
]
ExtentOption = Annotated[
    list[str] | None,
    typer.Option("--extent", metavar="RANK=NUMBER", help="extent of a rank; may be repeated", rich_help_panel=_WHAT),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="override a value, such as hardware.clock='1.2 GHz'; may be repeated",
        rich_help_panel=_WHAT,
    ),
]
FillDrainOption = Annotated[
    FillDrain | None,
    typer.Option(
        "--fill-drain",
        help="filling and draining of arrays: hidden, or modeled; the mapping's own if left out",
        rich_help_panel=_HOW,
    ),
]
RegisterFileOption = Annotated[
    RegisterFileEnergy | None,
    typer.Option(
        "--register-file-energy",
        help="count one register file, as the FuseMax artifact does, or all of them; the mapping's own if left out",
        rich_help_panel=_HOW,
    ),
]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="compiled, or the SimPy one that defines it", rich_help_panel=_HOW)
]
PublishedOption = Annotated[
    str | None,
    typer.Option(
        "--published", metavar="DATASET", help="show the dataset's published values and the errors beside ours"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON in SI units")]
