"""The page and the figure on attention offloading, from the collected rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attnsim.report import plot
from attnsim.report.markdown import error, percent, short, table
from attnsim.report.offloading.cases import (
    CROSS_BATCH,
    CROSS_KEYS,
    LOAD_REQUESTS,
    MODELS,
    NETWORK_BATCHES,
    NETWORK_KEYS,
    OLD_KEYS,
    SLO,
    SWITCHED,
    SWITCHES,
    TRACES,
)
from attnsim.report.tables import Row, Tables, number, only, select, text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

HEAD = """\
# Attention on memory devices

Lamina (arXiv 2405.01814) keeps the layers of a model on few devices with much arithmetic, and attention with all
keys and values on devices with much memory. Here it serves the requests of its evaluation beside what it is
compared with: H100 alone, at about the same price. Prompts are processed elsewhere, all requests come at once,
numbers are those of the steady part.

A run: `attnsim serve --system lamina,lamina_vllm_x4 --model llama3_70b --trace azure-conv --saturated`.

![tokens a second of twelve cases](figures/offloading_gains.svg)
"""
CASES_BELOW = """

Memory holds more than twice as many requests. What that is worth depends on what else takes time: all weights are
read by half as many H100, and once for each of the two sub-batches, so that an iteration takes longer than on the
H100 alone. In 70B with its narrow keys and values the layers on two H100 are all that is busy, and in batches of
hundreds they are limited by their arithmetic.
"""
SWITCHES_BELOW = """

Gain in tokens a second over the H100 alone. The published gains (1.161 to 1.901) need a baseline whose devices wait
for the host, for which vLLM's own developers gave 5 to 13 ms at the time. Without overhead on either side offloading
gains 6 to 23 % at this price. The same overhead on both helps it: devices compute for one sub-batch while the host
works on the other. Every row is a `--set` of one or two values.
"""
NETWORK_ABOVE = """\
Payload that each of the two ports of the H100 has to carry so that messages lengthen an iteration by no more than a
fifth: by the closed form of the paper, by the task graph of one sub-batch with nothing sent early, and as Lamina
schedules two of them. 70B.

"""
NETWORK_BELOW = """

The closed form adds messages to the time of layers and attention. The graph has their latencies too, which no
bandwidth shortens; with two sub-batches messages of one travel while the other computes, and far less will do.
Figure 4 of the paper has at most 30 GB/s for up to 300 requests, of a length that it does not tell: 1024 tokens
need more, 4096 less.
"""
OBJECTIVE_BELOW = f"""

Largest batch with which 99 % of the requests keep {SLO} for their longest gap. A limit on the time between tokens
takes from Lamina what its memory gives: its iterations are longer.
"""
LOADS_BELOW = f"""

{LOAD_REQUESTS} requests of Azure-Conv at a rate, 70B, prompts included. `h100_x4` takes prompts in chunks together
with decoding; `h100_prefill_decode` has four more H100 for them, `lamina_prefill` two.
"""
CROSS_BELOW = f"""

One token for each of {CROSS_BATCH} requests of {CROSS_KEYS} tokens of llama3_70b. NeuPIMs and AttAcc are not for
rent; their times and those of TPU v6e are not measured. NeuPIMs have eight small arrays each: 70B is more than they
were made for.
"""
OLD_BELOW = """

Tokens per dollar with as many requests as the memory holds, no overhead on either side. The first version of the
paper claims 1.48 to 12.1 times, for consumer GPUs as memory devices. Its tables are not at hand, so the settings
that give such ends are looked for. The upper end takes a model whose weights leave the H100 alone next to no memory
(33B on one, 65B and 70B on two): the batch is small, and each of its tokens pays for all weights. The lower end is
what memory devices are worth where the H100 alone have memory enough. RTX 3090 are taken at 0.22 dollars an hour.
"""
TITLES: Mapping[str, str] = {
    "h100_x4": "4 H100",
    "h20_x8": "8 H20",
    "a100_x8": "8 A100",
    "lamina": "2 H100 and 4 H20",
    "neupims_x8": "8 NeuPIMs",
    "attacc_x8": "8 AttAcc",
    "v6e_x8": "8 TPU v6e",
    "lamina_vllm_x4": "4 H100, host of vLLM",
    "h100_prefill_decode": "4 H100 and 4 for prompts",
    "lamina_prefill": "2 H100, 4 H20 and 2 H100 for prompts",
}
GB = 1e9


def page(tables: Tables) -> str:
    """The page as markdown."""
    blocks = [HEAD, "## Twelve cases\n", _cases(tables)]
    blocks += ["## What each assumption is worth\n", _switches(tables)]
    blocks += ["## The network\n", NETWORK_ABOVE + _network(tables)]
    blocks += ["## Under a limit on the time between tokens\n", _objective(tables)]
    blocks += ["## Under load\n", _loads(tables)]
    blocks += ["## The same decode elsewhere\n", _cross(tables)]
    blocks += ["## Consumer GPUs as memory\n", _old(tables)]
    blocks += ["## Against the paper\n", _claims(tables)]
    return "\n".join(blocks) + "\n"


def _cases(tables: Tables) -> str:
    lines = []
    for row in tables["cases"]:
        gain = number(row, "offloaded_tokens_per_s") / number(row, "other_tokens_per_s")
        ratio = number(row, "offloaded_batch") / number(row, "other_batch")
        pairs = [
            f"{short(number(row, f'offloaded_{name}') * scale, 3)} / {short(number(row, f'other_{name}') * scale, 3)}"
            for name, scale in (("batch", 1.0), ("tokens_per_s", 1.0), ("tbt_s", 1e3), ("usd_per_million", 1.0))
        ]
        busy = [percent(number(row, f"offloaded_{name}"), 2) for name in ("layers", "attention")]
        lines.append([text(row, "model"), text(row, "trace"), *pairs, f"{ratio:.2f}", f"{gain:.3f}", *busy])
    headings = (
        "model", "trace", "batch", "tokens/s", "between tokens, ms", "$ a million tokens", "batch ratio", "gain",
        "layers busy", "attention busy",
    )  # fmt: skip
    return table(headings, lines, left=2) + CASES_BELOW


def _switches(tables: Tables) -> str:
    lines = [
        [switch.title]
        + [
            f"{number(only(tables['switches'], model=model, trace=trace, switch=switch.title), 'gain'):.3f}"
            for model, trace in SWITCHED
        ]
        for switch in SWITCHES
    ]
    headings = ("gain over H100 alone", *(f"{model}, {trace}" for model, trace in SWITCHED))
    return table(headings, lines) + SWITCHES_BELOW


def _network(tables: Tables) -> str:
    lines = []
    for keys in NETWORK_KEYS:
        for batch in NETWORK_BATCHES:
            row = only(tables["network"], batch=batch, keys=keys)
            needs = [_rate(row, name) for name in ("formula", "chain", "schedule")]
            lines.append([str(keys), str(batch), *needs])
    offered = _rate(tables["network"][0], "offered")
    told = f"\n\nA port offers {offered} GB/s of payload."
    headings = ("tokens", "requests", "closed form, GB/s", "one sub-batch", "as scheduled")
    return table(headings, lines, left=0) + told + NETWORK_BELOW


def _rate(row: Row, name: str) -> str:
    return "none suffices" if row[name] is None else f"{number(row, name) / GB:.3g}"


def _objective(tables: Tables) -> str:
    lines = [
        [
            TITLES[text(row, "system")],
            short(number(row, "batch"), 3),
            short(number(row, "tokens_per_s"), 4),
            f"{number(row, 'tbt_p99_s') * 1e3:.3g}",
            f"{number(row, 'tokens_per_usd'):,.0f}",
        ]
        for row in tables["objective"]
    ]
    headings = ("system", "batch", "tokens/s", "between tokens, p99, ms", "tokens/$")
    return table(headings, lines) + OBJECTIVE_BELOW


def _loads(tables: Tables) -> str:
    lines = [
        [
            TITLES[text(row, "system")],
            f"{number(row, 'rate'):g}",
            *(f"{number(row, name) * 1e3:,.0f}" for name in ("ttft_p50_s", "ttft_p99_s", "tbt_mean_s", "tbt_p99_s")),
            short(number(row, "batch"), 3),
            f"{number(row, 'usd_per_hour'):.2f}",
        ]
        for row in tables["loads"]
    ]
    headings = (
        "system", "requests a second", "first token, p50, ms", "p99", "between tokens, mean, ms", "p99", "batch",
        "$ an hour",
    )  # fmt: skip
    return table(headings, lines) + LOADS_BELOW


def _cross(tables: Tables) -> str:
    lines = [
        [
            TITLES[text(row, "system")],
            f"{number(row, 'tbt_s') * 1e3:.3g}",
            short(number(row, "tokens_per_s"), 4),
            f"{number(row, 'price_usd_per_hour'):.2f}" if row["price_usd_per_hour"] is not None else "not for rent",
            f"{number(row, 'tokens_per_usd'):,.0f}" if row["tokens_per_usd"] is not None else "",
            f"{number(row, 'energy_per_token_j') * 1e3:.3g}" if row["energy_per_token_j"] is not None else "not known",
        ]
        for row in tables["cross"]
    ]
    headings = ("system", "between tokens, ms", "tokens/s", "$ an hour", "tokens/$", "energy, mJ a token")
    return table(headings, lines) + CROSS_BELOW


def _old(tables: Tables) -> str:
    lines = []
    for row in tables["old"]:
        both = row["offloaded_tokens_per_usd"] is not None and row["other_tokens_per_usd"] is not None
        ratio = (
            f"{number(row, 'offloaded_tokens_per_usd') / number(row, 'other_tokens_per_usd'):.2f}"
            if both
            else "no batch"
        )
        lines.append(
            [
                text(row, "model"),
                text(row, "offloaded"),
                f"{row['devices']} H100",
                str(row["keys"]),
                f"{row['offloaded_batch']} / {row['other_batch']}",
                ratio,
            ]
        )
    headings = ("model", "offloaded", "alone", "tokens", "requests that fit", "tokens per $, ratio")
    assert len(lines) % len(OLD_KEYS) == 0
    return table(headings, lines, left=3) + OLD_BELOW


def _claims(tables: Tables) -> str:
    lines = [
        [
            text(row, "statement"),
            f"{text(row, 'side').replace('_', ' ')} {number(row, 'published'):.4g}".strip(),
            f"{number(row, 'ours'):.4g}",
            error(number(row, "error")),
            "holds" if row["holds"] else "**misses**",
        ]
        for row in tables["claims"]
    ]
    told = "\n\nWhy some miss, and what is assumed, [its dataset](../validation/lamina/README.md) says."
    return table(("statement", "paper", "ours", "difference", "verdict"), lines) + told


def figures(tables: Tables) -> dict[str, str]:
    """Tokens a second of the cases, a panel a model."""
    with plot.styled():
        figure, axes = plot.panels(1, len(MODELS), width_in=9.0, height_in=3.2)
        handles: list[Artist] = []
        for panel, model in zip(axes[0], MODELS, strict=True):
            handles = _panel(panel, tables, model)
        axes[0][0].set_ylabel("gain and batch ratio")
        plot.legend(figure, handles, ["tokens a second", "requests at a time"])
        return {"gains": plot.svg(figure)}


def _panel(panel: Axes, tables: Tables, model: str) -> list[Artist]:
    """Bars of one model: gain in tokens a second, and in requests at a time."""
    rows = [only(list(select(tables["cases"], model=model)), trace=trace) for trace in TRACES]
    handles: list[Artist] = []
    for shift, name, color in ((-0.2, "tokens_per_s", plot.BLUE), (0.2, "batch", plot.ORANGE)):
        ratios = [number(row, f"offloaded_{name}") / number(row, f"other_{name}") for row in rows]
        places = [place + shift for place in range(len(rows))]
        handles.append(panel.bar(places, ratios, width=0.38, color=color)[0])
    panel.axhline(1.0, color=plot.BLACK, linewidth=0.8)
    panel.set_xticks(range(len(TRACES)), [trace.replace("-", "\n") for trace in TRACES])
    panel.set_title(model)
    return handles
