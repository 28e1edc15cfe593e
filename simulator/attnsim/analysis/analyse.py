"""Everything that can be said of a cascade without hardware: operations, passes, footprints, traffic, intensity.

(Cascade, extents, word size) -> CascadeAnalysis. The model equations are in docs/analysis.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attnsim.analysis.footprint import Footprint, footprints
from attnsim.analysis.ops import EinsumOps, count_operations
from attnsim.analysis.passes import Passes, count_passes
from attnsim.analysis.presence import domains
from attnsim.analysis.schedules import traffic_model
from attnsim.analysis.sizes import bind_sizes
from attnsim.analysis.tensors import TensorSize, tensor_sizes
from attnsim.analysis.traffic import TrafficModel, capacity_for, traffic_bytes
from attnsim.einsum.ast import Cascade

CAPACITIES_BYTES = tuple(4096 * 4**step for step in range(11))
"""Capacities at which the traffic curve is tabulated: 4 KiB to 4 GiB in steps of four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeAnalysis:
    """What a cascade needs whatever it runs on; counts are over all batch elements.

    extents: by rank name. assumed: extents that the analysis chose. operations: by class. passes: by rank. footprints:
    for ranks with more than one sweep. compulsory_bytes: inputs and outputs once. traffic: evaluate with
    `attnsim.analysis.traffic.traffic_bytes`.
    """

    cascade: str
    title: str
    extents: Mapping[str, int]
    assumed: Mapping[str, int]
    word_bytes: float
    einsums: tuple[EinsumOps, ...]
    tensors: Mapping[str, TensorSize]
    operations: Mapping[str, int]
    flops: int
    passes: Mapping[str, Passes]
    footprints: Mapping[str, Footprint]
    compulsory_bytes: float
    traffic: TrafficModel

    @property
    def flops_per_byte(self) -> float:
        """Arithmetic intensity if every input and output moves once."""
        return self.flops / self.compulsory_bytes


def analyse(cascade: Cascade, extents: Mapping[str, int], *, word_bytes: float = 2.0) -> CascadeAnalysis:
    """Analyse a cascade at given extents, by rank name; a constant that stands in an index is given here too.

    Batch ranks that are not given count once, tiles that are not given are at most 256; both are listed in `assumed`.
    Raises AttnSimError for unknown names, sizes below one and ranks without extent, all at once.
    """
    sizes = bind_sizes(cascade, extents)
    present = domains(cascade, sizes)
    einsums = count_operations(cascade, sizes, present)
    tensors = tensor_sizes(cascade, sizes, einsums)
    passes = count_passes(cascade, sizes.extents)
    live = footprints(cascade, sizes, present, passes, tensors)
    traffic = traffic_model(cascade, sizes, einsums, tensors, passes, live, word_bytes)
    return CascadeAnalysis(
        cascade=cascade.name,
        title=cascade.title,
        extents=sizes.extents,
        assumed=sizes.assumed,
        word_bytes=word_bytes,
        einsums=einsums,
        tensors=tensors,
        operations=_totals(einsums),
        flops=sum(einsum.flops for einsum in einsums),
        passes=passes,
        footprints=live,
        compulsory_bytes=traffic.compulsory_words * traffic.batch * word_bytes,
        traffic=traffic,
    )


def _totals(einsums: tuple[EinsumOps, ...]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for einsum in einsums:
        for kind, count in einsum.operations.items():
            totals[kind] = totals.get(kind, 0) + count
    return totals


def traffic_curve(analysis: CascadeAnalysis) -> tuple[tuple[float, float], ...]:
    """(capacity, traffic) in bytes from 4 KiB up to the first capacity at which only compulsory traffic is left."""
    curve: list[tuple[float, float]] = []
    for capacity in CAPACITIES_BYTES:
        curve.append((capacity, traffic_bytes(analysis.traffic, capacity)))
        if curve[-1][1] <= analysis.compulsory_bytes:
            break
    return tuple(curve)


def to_dict(analysis: CascadeAnalysis) -> dict[str, object]:
    """The analysis as plain dicts, lists, numbers and texts, ready for JSON; keys are stable."""
    return {
        "cascade": analysis.cascade,
        "title": analysis.title,
        "extents": dict(analysis.extents),
        "assumed": dict(analysis.assumed),
        "word_bytes": analysis.word_bytes,
        "einsums": [_einsum(einsum) for einsum in analysis.einsums],
        "operations": dict(analysis.operations),
        "flops": analysis.flops,
        "passes": {rank: _passes(passes) for rank, passes in analysis.passes.items()},
        "footprints": {rank: _footprint(analysis, live) for rank, live in analysis.footprints.items()},
        "compulsory_bytes": analysis.compulsory_bytes,
        "flops_per_byte": analysis.flops_per_byte,
        "traffic": [{"capacity_bytes": size, "traffic_bytes": moved} for size, moved in traffic_curve(analysis)],
        "compulsory_traffic_capacity_bytes": capacity_for(analysis.traffic),
    }


def _einsum(einsum: EinsumOps) -> dict[str, object]:
    return {
        "name": einsum.name,
        "ranks": list(einsum.ranks),
        "reduced": list(einsum.reduced),
        "points": einsum.points,
        "operations": dict(einsum.operations),
        "flops": einsum.flops,
        "output_words": einsum.output_words,
    }


def _passes(passes: Passes) -> dict[str, object]:
    steps = [
        {"fiber_of": step.fiber_of, "first": step.first, "path": list(step.path), "again": step.again}
        for step in passes.witness
    ]
    return {"count": passes.count, "growth": dict(passes.growth), "witness": steps, "sweep": dict(passes.sweep)}


def _footprint(analysis: CascadeAnalysis, live: Footprint) -> dict[str, object]:
    crossings = [
        {"tensor": c.tensor, "is_input": c.is_input, "sweeps": list(c.sweeps), "fiber_words": c.fiber_words}
        for c in live.crossings
    ]
    live_bytes = live.live_words * analysis.word_bytes
    return {"sweeps": live.sweeps, "live_words": live.live_words, "live_bytes": live_bytes, "crossings": crossings}
