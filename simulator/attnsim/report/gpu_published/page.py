"""The page and the figure on published GPU kernels, from the collected rows alone."""

from __future__ import annotations

from attnsim.report import plot
from attnsim.report.gpu_published.numbers import DATASETS
from attnsim.report.markdown import percent, table
from attnsim.report.tables import Row, Tables, number, select, text

TITLES = {
    "flash_attention": "FlashAttention-2 and -3",
    "flash_decoding": "Flash-Decoding",
    "sage_attention": "SageAttention",
    "lean_attention": "LeanAttention",
    "flash_sigmoid": "FlashSigmoid",
}
HEAD = """\
# Published GPU kernels

What papers print of their kernels, beside the model's answer for the same shapes: `attnsim validate` with the name of a
dataset judges the same claims. A kernel's constants are fitted to every other length of its published series
(`attnsim calibrate --published`) where no measured timing of the kernel exists; peaks, ablations and ratios are never
fitted. The README of each dataset in `validation/` says what is read from plots, which sources contradict each other,
and the likely reason of each miss.

![published and predicted throughput](figures/gpu_published_throughput.svg)
"""
COLORS = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.VERMILION, plot.PURPLE)
_TERA = 1e12


def page(tables: Tables) -> str:
    """The page as markdown."""
    blocks = [HEAD, _summary(tables)]
    blocks += [_section(name, list(select(tables["claims"], dataset=name))) for name in DATASETS]
    return "\n".join(blocks)


def _summary(tables: Tables) -> str:
    held = [row for row in tables["claims"] if row["holds"]]
    return (
        f"{len(held)} of {len(tables['claims'])} series and single values are within their tolerance "
        "(8 % on the mean of a series, 5 % for each value of the ablation).\n"
    )


def _section(dataset: str, rows: list[Row]) -> str:
    lines = [
        [
            text(row, "claim"),
            text(row, "series"),
            str(row["points"]),
            percent(number(row, "error")),
            percent(number(row, "allowed")) if row["allowed"] else "exact or absolute",
            "holds" if row["holds"] else "**misses**",
        ]
        for row in rows
    ]
    headings = ("claim", "series or worst point", "points", "error", "allowed", "verdict")
    return f"## {TITLES[dataset]}\n\n{table(headings, lines, left=2)}\n"


def figures(tables: Tables) -> dict[str, str]:
    """Published against predicted throughput of every series, by dataset."""
    with plot.styled():
        figure, axes = plot.panels(1, 1, width_in=6.2, height_in=5.6)
        panel = axes[0][0]
        panel.set_xscale("log")
        panel.set_yscale("log")
        handles = []
        for dataset, color in zip(DATASETS, COLORS, strict=True):
            rows = [row for row in select(tables["points"], dataset=dataset) if number(row, "published") > _TERA]
            places = [number(row, "published") / _TERA for row in rows], [number(row, "ours") / _TERA for row in rows]
            (handle,) = panel.plot(*places, ".", color=color, markersize=4.5, zorder=2)
            handles.append(handle)
        for factor in (1 / 1.08, 1.0, 1.08):
            panel.plot([20, 1500], [20 * factor, 1500 * factor], color=plot.GREY, linewidth=0.8, zorder=1)
        panel.set_xlabel("published, useful TFLOP/s")
        panel.set_ylabel("predicted, useful TFLOP/s")
        plot.legend(figure, handles, [TITLES[name] for name in DATASETS])
        return {"throughput": plot.svg(figure)}
