"""The page and the figure on NPUs with PIM, from the collected rows alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnsim.report import plot
from attnsim.report.markdown import percent, table
from attnsim.report.npu_pim.numbers import BATCHES, MODELS, SYSTEMS
from attnsim.report.tables import Row, Tables, number, only, select, text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

HEAD = """\
# NPUs with compute in the DRAM banks

One decoder block of GPT-3 in decode, on one device of its tensor-parallel group: NeuPIMs (ASPLOS 2024) and the systems
that it is compared with. Contexts are drawn as in the ShareGPT batches of that paper (`--trace share-gpt`). *Released*
systems are as the paper's public simulator has them; the others change one assumption of it each:

- its NPU alone waits for the arrays to drain between blocks of keys and takes one block too many (`serial_passes`,
  `spare_block`);
- its device with one row buffer hands over one command a cycle for all channels together
  (`pim_command_issue: per_device`), and its requests lie on channels in turn.

The A100 is that of this project's GPU family, with tensor parallelism over as many devices, and requests of one length.

A single run: `attnsim run --model gpt3-7b --hardware neupims --scope layer --batch 256 --trace share-gpt`.

![tokens a second by batch](figures/npu_pim_tokens.svg)

Tokens a second are those of the whole tensor-parallel group, without communication between its devices, for all blocks
of the model.
"""
SPEEDUPS_BELOW = """

The paper has 1.6 for all over one row buffer, 2.4 over the NPU alone and 3 over a real A100 under PyTorch, in the mean
over models and batches, and 1.70 for two row buffers over one, in the mean over batches of the 7B model. With a command
bus for each channel a second row buffer is worth a few percent of a block: nothing else reads the DRAM while attention
runs. It earns its area with sub-batches. These read all weights twice, which pays once attention is long enough. The
A100 here runs kernels of vLLM and cuBLAS, fitted to timings, with 2 TB/s and 80 GB; that of the paper is a real one of
40 GB and 1.6 TB/s under PyTorch, whose launches and unfused kernels are a large part of its time.
"""
USE_BELOW = """

Shares of the time in which each is busy; with sub-batches attention runs beside all else. The paper's utilization at
batch 256 is 28.0 % of the NPU and 17 % of PIM with one row buffer, 64.9 and 26.4 % with all: in its simulator the time
with anything in the pipe or in the queue of commands, which counts waiting as work. Energy is that of the DRAM, and of
the NPU where the hardware file gives it.
"""
COLORS = (plot.BLACK, plot.GREY, plot.BLUE, plot.ORANGE, plot.VERMILION, plot.YELLOW, plot.GREEN, plot.PURPLE)


def page(tables: Tables) -> str:
    """The page as markdown."""
    blocks = [HEAD, "## Systems side by side\n", *(_systems(tables, model) for model in MODELS)]
    blocks += ["## What each assumption is worth\n", _speedups(tables)]
    blocks += ["## Where the time and the energy go\n", _use(tables)]
    blocks += ["## Against the simulator\n", _claims(tables)]
    return "\n".join(blocks)


def _systems(tables: Tables, model: str) -> str:
    lines = []
    for name, system in SYSTEMS.items():
        rows = [only(tables["systems"], model=model, batch=batch, system=name) for batch in BATCHES]
        lines.append([system.title, *(f"{number(row, 'tokens_per_s'):,.0f}" for row in rows)])
    headings = (f"{model}, tokens a second at batch", *(str(batch) for batch in BATCHES))
    return table(headings, lines, left=1) + "\n"


def _speedups(tables: Tables) -> str:
    pairs = (
        ("two row buffers over one, released", "blocked_released", "concurrent_in_turn"),
        ("least load over channels in turn", "concurrent_in_turn", "concurrent"),
        ("two row buffers over one, a command bus a channel", "blocked", "concurrent"),
        ("sub-batches over none", "concurrent", "subbatch"),
        ("all over an A100", "gpu", "subbatch"),
        ("all over NPU alone, released", "npu_released", "subbatch"),
        ("all over NPU alone, passes overlap", "npu", "subbatch"),
    )
    lines = [
        [name, model, *(f"{_ratio(tables, model, batch, slow, fast):.2f}" for batch in BATCHES)]
        for name, slow, fast in pairs
        for model in MODELS
    ]
    return table(("speedup", "model", *(str(batch) for batch in BATCHES)), lines, left=2) + SPEEDUPS_BELOW


def _ratio(tables: Tables, model: str, batch: int, slow: str, fast: str) -> float:
    before, after = (
        number(only(tables["systems"], model=model, batch=batch, system=name), "latency_s") for name in (slow, fast)
    )
    return before / after


def _use(tables: Tables) -> str:
    lines = [
        [SYSTEMS[text(row, "system")].title, str(row["batch"]), *_shares(row)]
        for row in select(tables["systems"], model="gpt3-30b")
        if row["batch"] in (64, 256)
    ]
    headings = ("gpt3-30b", "batch", "attention", "arrays", "PIM", "DRAM", "energy, mJ", "power, W")
    return table(headings, lines, left=1) + USE_BELOW


def _shares(row: Row) -> list[str]:
    share = number(row, "attention_s") / number(row, "latency_s")
    alone = percent(share) if share else "beside"
    busy = [percent(number(row, name)) for name in ("arrays", "pim", "dram")]
    return [alone, *busy, f"{number(row, 'energy_j') * 1e3:.3g}", f"{number(row, 'power_w'):.3g}"]


def _claims(tables: Tables) -> str:
    lines = [
        [
            text(row, "statement"),
            str(row["points"]),
            percent(number(row, "mean")),
            percent(number(row, "worst")),
            f"{percent(number(row, 'allowed'))}{' in the mean' if row['of_mean'] else ''}" if row["allowed"] else "",
            "holds" if row["holds"] else f"**misses** at {text(row, 'where')}",
        ]
        for row in tables["claims"]
    ]
    headings = ("statement", "points", "mean error", "largest", "allowed", "verdict")
    return table(headings, lines, left=1)


def figures(tables: Tables) -> dict[str, str]:
    """Tokens a second by batch, a panel a model."""
    with plot.styled():
        figure, axes = plot.panels(1, len(MODELS), width_in=9.0, height_in=3.4)
        handles: list[Artist] = []
        for panel, model in zip(axes[0], MODELS, strict=True):
            handles = _panel(panel, tables, model)
        axes[0][0].set_ylabel("thousand tokens a second")
        plot.legend(figure, handles, [system.title for system in SYSTEMS.values()], columns=4)
        return {"tokens": plot.svg(figure)}


def _panel(panel: Axes, tables: Tables, model: str) -> list[Artist]:
    """The curves of one model."""
    handles: list[Artist] = []
    for name, color in zip(SYSTEMS, COLORS, strict=True):
        rows = [only(tables["systems"], model=model, batch=batch, system=name) for batch in BATCHES]
        thousands = [number(row, "tokens_per_s") / 1e3 for row in rows]
        handles += panel.plot(BATCHES, thousands, "o-", color=color, markersize=3)
    panel.set_xscale("log", base=2)
    panel.set_title(model)
    panel.set_xlabel("batch")
    panel.set_ylim(bottom=0)
    return handles
