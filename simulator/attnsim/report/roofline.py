"""Kernels under their roofs: FLOP/s that a simulated kernel reaches beside what tensor cores, exp, L2 and DRAM allow.

Runs on a GPU -> Placed points -> an svg. After Williams, Waterman and Patterson, CACM 52(4), 2009; intensity is useful
FLOPs over the bytes that the kernel moves through the DRAM. Each roof of a point is its useful FLOPs over a lower bound
on its time, so that of exp depends on the kernel: it falls with the head dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attnsim.pipeline import Run
from attnsim.report import plot
from attnsim.specs.gpu_tile import GpuTile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOFS = {"tensor": "tensor cores", "exp": "exp", "l2": "L2", "dram": "DRAM"}
_MARKERS = "osD^vP*X<>"
_COLORS = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.VERMILION, plot.PURPLE, plot.SKY, plot.BLACK)
_MOST_INTENSE = 1e6
"""FLOP per byte at which a kernel that moves next to nothing through the DRAM is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A simulated kernel: latency, useful FLOP/s, FLOP per byte of DRAM, and FLOP/s that each roof allows it."""

    kernel: str
    label: str
    latency_s: float
    flop_per_s: float
    intensity: float
    roofs: Mapping[str, float]

    @property
    def roof(self) -> str:
        """The lowest roof."""
        return min(self.roofs, key=lambda name: self.roofs[name])

    @property
    def share(self) -> float:
        """FLOP/s over the lowest roof."""
        return self.flop_per_s / self.roofs[self.roof]


def place(run: Run, kernel: str, label: str) -> Placed:
    """A run on a GPU under its roofs; useful FLOPs only, at the boost clock of the data sheet."""
    gpu, metrics = run.plan.hardware, run.metrics
    assert isinstance(gpu, GpuTile)
    assert metrics.useful_flops_per_s is not None
    flops = metrics.useful_flops_per_s * metrics.latency_s
    bounds_s = {**metrics.bounds_s, "l2": metrics.bytes["l2"] / gpu.l2.bandwidth_bytes_per_s}
    return Placed(
        kernel=kernel,
        label=label,
        latency_s=metrics.latency_s,
        flop_per_s=metrics.useful_flops_per_s,
        intensity=min(_MOST_INTENSE, flops / max(metrics.bytes["dram"], 1.0)),
        roofs={name: flops / bounds_s[name] for name in ROOFS if bounds_s[name] > 0},
    )


def figure_svg(gpu: GpuTile, points: Sequence[Placed]) -> str:
    """Points over intensity under the roofs of DRAM and tensor cores; a dash stands where exp would end a kernel."""
    with plot.styled():
        return plot.svg(_figure(gpu, points))


def _figure(gpu: GpuTile, points: Sequence[Placed]) -> Figure:
    figure, axes = plot.panels(1, 1, width_in=8.4, height_in=5.2)
    panel = axes[0][0]
    panel.set_title(gpu.title)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("useful FLOP per byte of DRAM")
    panel.set_ylabel("useful FLOP/s")
    _roofs(panel, gpu, points)
    kernels = list(dict.fromkeys(point.kernel for point in points))
    handles = []
    for place_, kernel in enumerate(kernels):
        of = [point for point in points if point.kernel == kernel]
        color, marker = _COLORS[place_ % len(_COLORS)], _MARKERS[place_ % len(_MARKERS)]
        (handle,) = panel.plot(
            [p.intensity for p in of], [p.flop_per_s for p in of], marker, color=color, markersize=5, zorder=3
        )
        handles.append(handle)
        exp = [p for p in of if "exp" in p.roofs]
        panel.plot([p.intensity for p in exp], [p.roofs["exp"] for p in exp], "_", color=color, markersize=9, zorder=2)
    figure.legend(handles, kernels, loc="lower center", ncols=3, fontsize=8)
    lines = -(-len(kernels) // 3)
    figure.subplots_adjust(left=0.1, right=0.97, top=0.93, bottom=0.13 + 0.035 * lines)
    return figure


def _roofs(panel: Axes, gpu: GpuTile, points: Sequence[Placed]) -> None:
    """DRAM as a slope and each tensor rate among the points as a level, from where the two meet."""
    peaks = sorted({f"{p.roofs['tensor']:.3e}" for p in points if "tensor" in p.roofs}, key=float)
    rate = gpu.dram.bandwidth_bytes_per_s
    low = min([p.intensity for p in points] + [1.0]) / 2
    high = max([p.intensity for p in points] + [float(peak) / rate for peak in peaks]) * 2
    top = max((float(peak) for peak in peaks), default=rate * high)
    panel.plot([low, top / rate], [low * rate, top], color=plot.GREY)
    panel.annotate("DRAM", (low * 1.3, low * 1.3 * rate), textcoords="offset points", xytext=(0, 9), fontsize=8)
    for peak in peaks:
        panel.plot([float(peak) / rate, high], [float(peak)] * 2, color=plot.GREY)
        panel.annotate(
            f"tensor cores, {float(peak) / 1e12:.0f} TFLOP/s",
            (high, float(peak)),
            textcoords="offset points",
            xytext=(-4, 4),
            fontsize=8,
            ha="right",
        )
