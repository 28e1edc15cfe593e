"""The analysis as text for people: one aligned table of Einsums, passes in words, footprints, traffic.

CascadeAnalysis -> str, the same for the same analysis, at most 120 columns wide for the shipped cascades.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from attnsim.analysis.analyse import CascadeAnalysis, traffic_curve
from attnsim.analysis.footprint import Crossing, Footprint
from attnsim.analysis.passes import Passes
from attnsim.analysis.traffic import capacity_for
from attnsim.analysis.witness import Reread


def describe(analysis: CascadeAnalysis) -> str:
    """Print the analysis as aligned text with a line break at the end."""
    blocks = (
        _head(analysis),
        _table(analysis),
        _totals(analysis),
        _passes(analysis),
        _live(analysis),
        _moves(analysis),
    )
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block))) + "\n"


def _head(analysis: CascadeAnalysis) -> Iterator[str]:
    title = f": {analysis.title}" if analysis.title else ""
    yield from _wrapped("", f"{analysis.cascade}{title}")
    sizes = " ".join(f"{rank}={size}" for rank, size in analysis.extents.items())
    yield from _wrapped("extents      ", f"{sizes}, {analysis.word_bytes:g} bytes a word")
    if analysis.assumed:
        chosen = ", ".join(f"{rank}={size}" for rank, size in analysis.assumed.items())
        yield f"assumed      {chosen} (not given)"


def _table(analysis: CascadeAnalysis) -> Iterator[str]:
    head = ("Einsum", "over", "reduces", "points", "operations", "writes")
    rows = [
        (
            einsum.name,
            ",".join(rank.lower() for rank in einsum.ranks),
            ",".join(rank.lower() for rank in einsum.reduced) or "-",
            count_text(einsum.points),
            " ".join(f"{count_text(count)} {kind}" for kind, count in einsum.operations.items()) or "-",
            bytes_text(einsum.output_words * analysis.word_bytes),
        )
        for einsum in analysis.einsums
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    right = (False, False, False, True, False, True)
    for row in [head, *rows]:
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in cells
        ).rstrip()


def _totals(analysis: CascadeAnalysis) -> Iterator[str]:
    by_size = sorted(analysis.operations.items(), key=lambda item: (-item[1], item[0]))
    yield from _wrapped("operations   ", ", ".join(f"{count_text(count)} {kind}" for kind, count in by_size))
    yield f"FLOPs        {count_text(analysis.flops)}"


def _passes(analysis: CascadeAnalysis) -> Iterator[str]:
    width = max(len(rank) for rank in analysis.passes)
    for rank, passes in analysis.passes.items():
        head = f"passes over {rank.ljust(width)}  {passes.count}  "
        yield from _indented(head, _reasons(rank, passes)) if passes.count > 1 else ()
    once = [rank for rank, passes in analysis.passes.items() if passes.count == 1]
    if once:
        yield f"one pass over {', '.join(once)}"


def _indented(head: str, lines: Iterable[str]) -> Iterator[str]:
    """The first line behind `head`, the others below it."""
    for number, line in enumerate(lines):
        yield f"{' ' * len(head) if number else head}{line}".rstrip()


def _reasons(rank: str, passes: Passes) -> Iterator[str]:
    """One line for each further pass, and how the count depends on the extent of an iterative rank, if it does."""
    yield from (_step(rank, step) for step in passes.witness)
    yield from (f"and {step} more for each further step of {name}" for name, step in passes.growth.items())


def _step(rank: str, step: Reread) -> str:
    """One reread in words: who takes all of the fiber, how it gets on, who needs the fiber again."""
    chain = " -> ".join((step.first, *step.path, step.again))
    return f"{step.fiber_of} over all of {rank.lower()} -> {chain} goes over {step.fiber_of} again"


def _live(analysis: CascadeAnalysis) -> Iterator[str]:
    if not analysis.footprints:
        yield "live         a tile of every rank is enough: no tensor has to be kept over a whole fiber"
    for rank, live in analysis.footprints.items():
        size = bytes_text(live.live_words * analysis.word_bytes)
        yield f"live over {rank}  {count_text(live.live_words)} words ({size}) for each setting of the other ranks:"
        yield from (f"    {line}" for line in _crossings(live.crossings, live))


def _crossings(crossings: Iterable[Crossing], live: Footprint) -> Iterator[str]:
    for crossing in crossings:
        sweeps = " and ".join(str(sweep) for sweep in crossing.sweeps)
        kept = "kept or read again" if crossing.is_input else "kept, spilled or computed again"
        yield f"{crossing.tensor}: a fiber of {crossing.fiber_words} words, {kept} for sweeps {sweeps} of {live.sweeps}"


def _moves(analysis: CascadeAnalysis) -> Iterator[str]:
    parts = [
        f"{tensor.name} {bytes_text(tensor.words * analysis.word_bytes)}"
        for tensor in analysis.tensors.values()
        if (tensor.maker is None and tensor.readers) or (tensor.maker and tensor.is_output)
    ]
    total = bytes_text(analysis.compulsory_bytes)
    yield from _wrapped("must move    ", f"{total} ({', '.join(parts)}; each once)")
    yield f"intensity    {analysis.flops_per_byte:.4g} FLOP/byte if nothing else moves"
    enough = capacity_for(analysis.traffic)
    if enough is not None:
        yield f"             which takes a buffer of {bytes_text(enough)}"
    yield "buffer       " + "  ".join(bytes_text(size).rjust(9) for size, _ in traffic_curve(analysis))
    yield "then moves   " + "  ".join(bytes_text(moved).rjust(9) for _, moved in traffic_curve(analysis))


def _wrapped(head: str, text: str) -> list[str]:
    """The text behind `head`, its further lines below it, at most 120 columns wide."""
    return textwrap.wrap(head + text, width=120, subsequent_indent=" " * len(head), break_on_hyphens=False)


def count_text(count: float) -> str:
    """A count with four significant digits; exact below a hundred thousand."""
    return f"{count:.0f}" if count < 100_000 else f"{count:.3e}".replace("e+0", "e").replace("e+", "e")


def bytes_text(size: float) -> str:
    """A number of bytes in binary units, three or four significant digits."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.4g} {unit}" if size == int(size) else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.4g} PiB"
