"""`attnsim roofline`: kernels on a GPU under the roofs of tensor cores, exp, L2 and DRAM, as a table and a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnsim.cli import inputs
from attnsim.cli.answer import Answer

if TYPE_CHECKING:
    from attnsim.pipeline import Request
    from attnsim.report.roofline import Placed
    from attnsim.specs.gpu_tile import GpuTile

PHASES = {"prefill": "context", "decode": "generation"}


def roofline(
    hardware: Annotated[str, typer.Option("--hardware", help="GPU, by name or path")],
    kernel: Annotated[
        str | None, typer.Option(help="kernels, with commas; all that are calibrated on the GPU if left out")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="model, by name or path")] = "llama3_8b",
    seq_len: Annotated[str, typer.Option("--seq-len", help="tokens, with commas: 1K,16K")] = "1K,8K",
    batch: inputs.BatchOption = None,
    phase: inputs.PhaseOption = None,
    out: Annotated[Path | None, typer.Option(help="also draw the points as svg into this file")] = None,
    json: inputs.JsonOption = False,
) -> Answer:
    """Place kernels on a GPU's roofs: useful FLOP/s over FLOP per byte of DRAM, and what the lowest roof allows."""
    from attnsim.cli.lengths import parse_lengths
    from attnsim.cli.progress import track
    from attnsim.errors import AttnSimError, Problem
    from attnsim.report.roofline import figure_svg
    from attnsim.results import json_text
    from attnsim.specs.hardware import load_gpu

    gpu = load_gpu(hardware)
    phases = (phase,) if phase is not None else tuple(PHASES)
    wanted = [name.strip() for name in kernel.split(",")] if kernel else None
    requests = [
        request
        for one_phase in phases
        for length in parse_lengths(seq_len)
        for request in _requests(gpu, hardware, wanted, model, length, batch, one_phase)
    ]
    if not requests:
        what = f"no kernel is calibrated on {gpu.name}"
        raise AttnSimError(Problem(path="--kernel", what=what, remedy="name kernels of `attnsim list mapping`"))
    points, misfits = _placed(list(track(requests, "simulating")))
    if out is not None:
        out.write_text(figure_svg(gpu, points), encoding="utf-8", newline="\n")
    text = json_text([_json(point) for point in points]) if json else _table(points)
    return Answer(text=text + "".join(f"{line}\n" for line in misfits) if not json else text)


def _requests(
    gpu: GpuTile, hardware: str, wanted: Sequence[str] | None, model: str, length: int, batch: int | None, phase: str
) -> Iterator[Request]:
    """A request for each kernel: those named, or those calibrated on the GPU for this phase."""
    from attnsim.pipeline import Request
    from attnsim.specs.calibration import calibrated_gpus
    from attnsim.specs.mapping import gpu_kernels

    calibrated = [
        name
        for name, one in gpu_kernels().items()
        if gpu.name in calibrated_gpus(name) and any(rows.phase == PHASES[phase] for rows in one.measured)
    ]
    for name in wanted if wanted is not None else calibrated:
        yield Request(model=model, hardware=hardware, mapping=name, phase=phase, seq_len=length, batch=batch)


def _placed(requests: Sequence[Request]) -> tuple[list[Placed], list[str]]:
    """Points of the kernels that fit, and a line for each that does not."""
    from attnsim.mapping.infeasible import Infeasible
    from attnsim.pipeline import simulate
    from attnsim.report.roofline import place

    points, misfits = [], []
    for request in requests:
        result = simulate(request)
        if isinstance(result, Infeasible):
            misfits.append(f"{request.mapping}: {result}")
            continue
        points.append(place(result, str(request.mapping), f"{request.phase} {request.seq_len}"))
    return points, misfits


def _table(points: Sequence[Placed]) -> str:
    from attnsim.cli.tables import percent, render, seconds, table
    from attnsim.report.roofline import ROOFS

    lines = [
        [
            point.kernel,
            point.label,
            seconds(point.latency_s),
            f"{point.intensity:.4g}",
            f"{point.flop_per_s / 1e12:.4g}",
            *(f"{point.roofs[name] / 1e12:.4g}" if name in point.roofs else "" for name in ROOFS),
            ROOFS[point.roof],
            percent(point.share),
        ]
        for point in points
    ]
    shown = ("kernel", "tokens", "latency", "FLOP/byte", "TFLOP/s", *ROOFS.values(), "lowest roof", "of it")
    title = "useful TFLOP/s, and what each roof allows; FLOP per byte of DRAM"
    return render(title, "", table(shown, lines, left=("kernel", "tokens", "lowest roof")))


def _json(point: Placed) -> dict[str, object]:
    return {
        "kernel": point.kernel,
        "tokens": point.label,
        "latency_s": point.latency_s,
        "flop_per_s": point.flop_per_s,
        "flop_per_dram_byte": point.intensity,
        "roofs_flop_per_s": dict(point.roofs),
        "lowest_roof": point.roof,
        "share_of_roof": point.share,
    }
