"""The page and the figure on NPUs with PIM, from the collected rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attnsim.report import plot
from attnsim.report.markdown import percent, table
from attnsim.report.npu_pim.numbers import BATCHES, CONTEXTS, GROUPED, GROUPED_BATCH, MODELS, PLACES, SYSTEMS
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
  `spare_block`), and all its arrays work on one head (`heads_abreast` gives each array a head of its own);
- its device with one row buffer hands over one command a cycle for all channels together
  (`pim_command_issue: per_device`), and its requests lie on channels in turn.

The A100 is that of this project's GPU family, with tensor parallelism over as many devices, and requests of one length.

A single run: `attnsim run --model gpt3-7b --hardware neupims --scope layer --batch 256 --trace share-gpt`.

![tokens a second by batch](figures/npu_pim_tokens.svg)

Tokens a second are those of the whole tensor-parallel group, without communication between its devices, for all blocks
of the model.
"""
SPEEDUPS_BELOW = """

With a command bus for each channel a second row buffer is worth a few percent of a block: nothing else reads the DRAM
while attention runs. It earns its area with sub-batches. These read all weights twice, which pays once attention is
long enough.
"""
PUBLISHED: Mapping[str, tuple[str, str, str]] = {
    "gpu": ("speedup over a GPU", "3", "a real A100 of 40 GB under PyTorch there, kernels of vLLM and cuBLAS here"),
    "npu_released": ("speedup over the NPU alone", "2.4", "the released NPU alone drains its arrays between blocks"),
    "npu": ("the same, passes overlap", "2.4", "arrays that are double-buffered, as a real NPU's"),
    "npu_abreast": ("the same, a head an array", "2.4", "attention near the bandwidth of the DRAM"),
    "blocked_released": ("speedup over one row buffer", "1.6", "models, batches and mixes are weighed alike here"),
    "blocked": ("the same, a command bus a channel", "1.6", "what is left once channels have commands of their own"),
}
DUAL = "two row buffers over one, 7B"
USED: Mapping[str, tuple[str, str]] = {
    "arrays": ("NPU used, 30B, batch 256, one row buffer to all", "28.0 to 64.9 %"),
    "pim": ("PIM used, the same", "17 to 26.4 %"),
}
PUBLISHED_BELOW = """

Means over the models and batches of this page. The paper's are over its own models, batches and two mixes of lengths,
and not all of them are printed. The NPU alone of its released simulator reaches a tenth of the bandwidth in attention;
2.4 lies between arrays that work on one head without draining and arrays with a head each. Its GPU is slower than ours:
at these batches an A100 under PyTorch spends much of a block on launches, copies and unfused kernels.
"""
INTERFERENCE_BELOW = """

With sub-batches the NPU reads weights while the banks compute. Their precharges take the command bus and their
activates the four-activate window, so ordinary reads get less: `pim.interference`, the one fitted number of the family.
"""
CONTEXTS_ABOVE = f"""\
Attention of one decode step of {GROUPED_BATCH} requests, all heads of a layer on one device.

"""
CONTEXTS_BELOW = """

Where several queries share a head, the arrays and a GPU read keys and values once for all of them. The banks open each
row again for every query, unless their buffer holds several: then a row stays open, but each query still takes its own
steps. So grouped heads take from PIM what they give to all others.
"""
CLAIMS_BELOW = """

Why the others miss, [its dataset](../validation/attacc/README.md) says.
"""
USE_BELOW = """

Shares of the time in which each is busy; with sub-batches attention runs beside all else. The paper's utilization at
batch 256 is in its simulator the time with anything in the pipe or in the queue of commands, which counts waiting as
work. Energy is that of the DRAM, and of the NPU where the hardware file gives it.
"""
COLORS = (plot.BLACK, plot.GREY, plot.BLUE, plot.SKY, plot.ORANGE, plot.VERMILION, plot.YELLOW, plot.GREEN, plot.PURPLE)


def page(tables: Tables) -> str:
    """The page as markdown."""
    blocks = [HEAD, "## Systems side by side\n", *(_systems(tables, model) for model in MODELS)]
    blocks += ["## What each assumption is worth\n", _speedups(tables)]
    blocks += ["## Where the time and the energy go\n", _use(tables)]
    blocks += ["## Beside the published numbers\n", _published(tables)]
    blocks += ["## What the NPU loses to the banks\n", _interference(tables)]
    blocks += ["## Longer contexts and grouped heads\n", _contexts(tables)]
    blocks += ["## Against the simulator of NeuPIMs\n", _claims(tables, "neupims")]
    blocks += ["\n## Against the simulator of AttAcc\n", _claims(tables, "attacc") + CLAIMS_BELOW]
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
        ("all over NPU alone, a head an array", "npu_abreast", "subbatch"),
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


def _published(tables: Tables) -> str:
    """The paper's numbers beside ours: with sub-batches always, and with the better of sub-batches and none."""
    cells = [(model, batch) for model in MODELS for batch in BATCHES]
    lines = []
    for slow, (title, theirs, why) in PUBLISHED.items():
        always = [_ratio(tables, model, batch, slow, "subbatch") for model, batch in cells]
        better = [
            max(ratio, _ratio(tables, model, batch, slow, "concurrent"))
            for ratio, (model, batch) in zip(always, cells, strict=True)
        ]
        lines.append([title, theirs, f"{sum(always) / len(cells):.2f}", f"{sum(better) / len(cells):.2f}", why])
    dual = [number(row, "speedup") for row in tables["draws"]]
    mean = f"{sum(dual) / len(dual):.2f}"
    lines.append([DUAL, "1.697", mean, "", "other draws; ten batches of each size, as in the paper"])
    before, after = (
        only(tables["systems"], model="gpt3-30b", batch=256, system=name) for name in ("blocked_released", "subbatch")
    )
    for name, (title, theirs) in USED.items():
        ours = f"{percent(number(before, name))} to {percent(number(after, name))}"
        lines.append([title, theirs, ours, "", "the paper counts an array or a bank that waits for its data as used"])
    return table(("", "paper", "ours", "ours, the better", "where the difference is"), lines, left=1) + PUBLISHED_BELOW


def _interference(tables: Tables) -> str:
    lines = []
    for model in MODELS:
        rows = [only(tables["interference"], model=model, batch=batch) for batch in BATCHES]
        for title, key in (("beside PIM", "beside_bytes_per_s"), ("if reads lost nothing", "harmless_bytes_per_s")):
            lines.append([model, f"DRAM, GB/s, {title}", *(f"{number(row, key) / 1e9:.0f}" for row in rows)])
        slower = [number(row, "beside_s") / number(row, "harmless_s") - 1 for row in rows]
        lines.append([model, "block, longer by", *(percent(share) for share in slower)])
    return table(("model", "at batch", *(str(batch) for batch in BATCHES)), lines, left=2) + INTERFERENCE_BELOW


def _contexts(tables: Tables) -> str:
    lines = []
    for model, group in GROUPED.items():
        for place, system in PLACES.items():
            rows = [only(tables["contexts"], model=model, keys=keys, place=place) for keys in CONTEXTS]
            times = [f"{number(row, 'latency_s') * 1e6:,.0f}" for row in rows]
            energies = [f"{number(row, 'energy_j') * 1e3:,.3g}" for row in rows]
            lines.append([model, group, system.title, *times, *energies])
    sizes = [f"{keys // 1024}K" for keys in CONTEXTS]
    headings = (
        "model",
        "queries of a head",
        "attention on",
        *(f"{s}, us" for s in sizes),
        *(f"{s}, mJ" for s in sizes),
    )
    return CONTEXTS_ABOVE + table(headings, lines, left=3) + CONTEXTS_BELOW


def _claims(tables: Tables, dataset: str) -> str:
    lines = [
        [
            text(row, "statement"),
            str(row["points"]),
            percent(number(row, "mean")),
            percent(number(row, "worst")),
            f"{percent(number(row, 'allowed'))}{' in the mean' if row['of_mean'] else ''}" if row["allowed"] else "",
            "holds" if row["holds"] else f"**misses** at {text(row, 'where')}",
        ]
        for row in select(tables["claims"], dataset=dataset)
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
