"""Phases that run at once: a cut of the cascade whose phases share arrays and memories evenly.

Each phase has an equal share of the buffer, first as if every unit were a phase, then that of as many as the best cut
has. For each run of units a few designs are kept that no other one beats in seconds of every array and memory; sums of
these over cuts grow from the first unit to the last, and the cut whose busiest array or memory has least to do wins.
Then the arrays of all Einsums are chosen together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from attnsim.explore.mapper_compute import placed_together
from attnsim.explore.mapper_nests import Tile
from attnsim.explore.mapper_phase import Account, Design, PhaseSearch, design_from, fitting_blocks
from attnsim.explore.mapper_plan import Plan
from attnsim.explore.mapper_residency import Form, residency_of, stays
from attnsim.explore.mapper_rough import tiles_by_size
from attnsim.explore.mapper_setting import Segment, Setting

_PROBES = 300
_BLOCKS = 3
_FORMS = 4
_REFINED = 4
_MOST_CUTS = 24
_SLOWER = 1.5
_SAME = 1e-9

Sums = tuple[float, ...]
Cut = tuple[Sums, tuple[Design, ...]]


def at_once(
    setting: Setting,
    parts: Sequence[Segment],
    phase: Callable[[Segment], PhaseSearch],
    account: Account,
    *,
    least_s: float,
    ceiling_s: float,
) -> Plan | None:
    """The best plan that was found of phases that are all runs in `parts`; None if none takes less than the ceiling.

    least_s: no plan takes less.
    """
    best: Plan | None = None
    phases, probes = len(setting.units), _PROBES
    for _ in range(2):
        share = setting.capacity_bytes / phases
        probe = _Probe(account=account, share_bytes=share, ceiling_s=ceiling_s)
        ways = _all_ways(setting, parts, phase, probe, probes)
        cuts = _best_cuts(setting, ways, phases)
        first = {design.form.nest.segment for design in cuts[0]} if cuts else set[Segment]()
        finer = {segment: _finer(setting, ways[segment], probe) for segment in sorted(first)}
        found = next(iter(_best_cuts(setting, finer, phases)), ())
        plan = _together(setting, found, share) if found else None
        best = min((p for p in (best, plan) if p), key=lambda one: one.latency_s, default=None)
        if not found or len(found) == phases or (best and best.latency_s <= least_s * (1 + _SAME)):
            break
        phases, probes = len(found), 2 * _PROBES
    return best if best is not None and best.latency_s < ceiling_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """account: of the search; share_bytes: of the buffer, for a phase; ceiling_s: what a phase has to stay below."""

    account: Account
    share_bytes: float
    ceiling_s: float


def _all_ways(
    setting: Setting,
    parts: Sequence[Segment],
    phase: Callable[[Segment], PhaseSearch],
    probe: _Probe,
    probes: int,
) -> dict[Segment, list[Design]]:
    """Designs of each phase, single units first, then long runs, until so many were evaluated."""
    most = probe.account.evaluated + 4 * probes
    found: dict[Segment, list[Design]] = {}
    for part in sorted(parts, key=lambda one: (one[1] - one[0] > 1, one[0] - one[1])):
        if probe.account.evaluated < most:
            found[part] = _ways(setting, phase(part), probe, probes / len(parts))
    return found


def _ways(setting: Setting, search: PhaseSearch, probe: _Probe, probes: float) -> list[Design]:
    """Designs of a phase that no other one beats, of quick and of large tiles of those forms that look best."""
    probe.account.check_time()
    forms = search.forms()
    first = [
        design
        for form in forms
        for tile in _tiles(setting, form, probe, 1)
        for design in islice(_designs(setting, form, tile, probe), 1)
    ]
    best = list({id(design.form): design.form for design in (*_unbeaten(setting, first), *first)}.values())[:_FORMS]
    best = best if len(forms) > _FORMS else list(forms)
    tries = max(1, min(6, round(probes / len(forms))))
    found = [
        design
        for form in best
        for tile in _tiles(setting, form, probe, tries)
        for design in _designs(setting, form, tile, probe)
    ]
    return _unbeaten(setting, [*first, *found])


def _finer(setting: Setting, designs: Sequence[Design], probe: _Probe) -> list[Design]:
    """The designs, and those of the least busy ones in all blocks."""
    probe.account.check_time()
    found = [
        finer
        for design in designs[:_REFINED]
        for finer in _designs(setting, design.form, replace(design.tile, x1=1), probe, every=True)
    ]
    return _unbeaten(setting, [*designs, *found])


def _tiles(setting: Setting, form: Form, probe: _Probe, tries: int) -> list[Tile]:
    """Tiles that fit: the quickest ones, and large ones of which each is half as large as the one before at most."""
    ceiling, share = probe.ceiling_s * setting.hardware.clock_hz, probe.share_bytes
    tiles = [(cycles, tile) for cycles, tile in tiles_by_size(setting, form) if cycles < ceiling]
    quickest = sorted(tiles, key=lambda one: one[0])
    most = _SLOWER * quickest[0][0] if quickest else 0.0
    fitting = (tile for _, tile in quickest if stays(setting, form, tile, None, share))
    large = _halving(tile for cycles, tile in tiles if cycles <= most)
    fitting_large = (tile for tile in large if stays(setting, form, tile, None, share))
    return list(dict.fromkeys((*islice(fitting, tries), *islice(fitting_large, tries))))


def _halving(tiles: Iterable[Tile]) -> Iterator[Tile]:
    below = float("inf")
    for tile in tiles:
        if tile.x0 * tile.y0 <= below:
            below = tile.x0 * tile.y0 / 2
            yield tile


def _designs(setting: Setting, form: Form, tile: Tile, probe: _Probe, *, every: bool = False) -> Iterator[Design]:
    """The tile in its largest blocks and in some that leave room; `every`: in all."""
    (placement,) = placed_together(setting, [(form.nest, tile, form.works)])
    blocks = fitting_blocks(setting, form, tile, placement, probe.account, probe.share_bytes)
    for block in blocks if every else blocks[:: max(1, math.ceil(len(blocks) / _BLOCKS))]:
        probe.account.note()
        residency = residency_of(setting, form, block, placement, probe.share_bytes)
        if not isinstance(residency, str):
            yield design_from(setting, form, block, placement, residency)


def _busy(setting: Setting, design: Design) -> Sums:
    """Seconds of every array and memory."""
    clock_hz = setting.hardware.clock_hz
    arrays = [design.placement.array_cycles[name] / clock_hz for name in setting.hardware.arrays]
    return (*arrays, *(design.residency.memory_s[name] for name in setting.hardware.memories))


def _unbeaten(setting: Setting, designs: Iterable[Design]) -> list[Design]:
    kept: list[tuple[Sums, Design]] = []
    for design in designs:
        sums = _busy(setting, design)
        if not any(_no_more(other, sums) for other, _ in kept):
            kept = [one for one in kept if not _no_more(sums, one[0])] + [(sums, design)]
    kept.sort(key=lambda one: max(one[0]))
    return [design for _, design in kept[:_MOST_CUTS]]


def _best_cuts(setting: Setting, ways: Mapping[Segment, Sequence[Design]], most: int) -> list[tuple[Design, ...]]:
    """Designs of cuts into at most so many phases, first that whose busiest array or memory has least to do."""
    units = len(setting.units)
    none = (0.0,) * (len(setting.hardware.arrays) + len(setting.hardware.memories))
    cuts: list[list[Cut]] = [[(none, ())]]
    for end in range(1, units + 1):
        grown = [
            (tuple(a + b for a, b in zip(sums, _busy(setting, design), strict=True)), (*taken, design))
            for start in range(end)
            for design in ways.get((start, end), ())
            for sums, taken in cuts[start]
            if len(taken) < most
        ]
        cuts.append(_fewest(grown))
    return [taken for _, taken in cuts[-1]]


def _fewest(cuts: Iterable[Cut]) -> list[Cut]:
    """Cuts that no other one beats in any sum and in its number of phases; of too many the least busy."""
    kept: list[Cut] = []
    for cut in sorted(cuts, key=lambda one: (max(one[0]), len(one[1]))):
        if len(kept) < _MOST_CUTS and not any(_no_more(k[0], cut[0]) and len(k[1]) <= len(cut[1]) for k in kept):
            kept.append(cut)
    return kept


def _no_more(first: Sums, second: Sums) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True))


def _together(setting: Setting, designs: Sequence[Design], capacity_bytes: float) -> Plan | None:
    """The plan with Einsums placed anew, so that all phases together load the arrays evenly."""
    clock_hz = setting.hardware.clock_hz
    placements = placed_together(setting, [(d.form.nest, d.tile, d.form.works) for d in designs])
    final = []
    for design, placement in zip(designs, placements, strict=True):
        residency = residency_of(setting, design.form, design.tile, placement, capacity_bytes)
        if isinstance(residency, str):
            return None
        final.append(design.with_placement(placement, residency, clock_hz))
    busy = [sum(column) for column in zip(*(_busy(setting, design) for design in final), strict=True)]
    return Plan(
        designs=tuple(final),
        beside=True,
        latency_s=max(*busy, *(design.latency_s for design in final)),
        energy_j=sum(design.energy_j for design in final),
    )
