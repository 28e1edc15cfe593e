"""Laws that attention in the banks obeys whatever the lengths, sizes and mapping."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.engine.phases import run_phases
from attnsim.families.npu_pim.account import account
from attnsim.families.npu_pim.bind import bind
from attnsim.families.npu_pim.bound import BoundWorkload, Heads
from attnsim.families.npu_pim.counts import count
from attnsim.families.npu_pim.lower import lower
from attnsim.requests import DecodeRequest
from attnsim.specs.cascade import load_cascade
from attnsim.specs.hardware import load_hardware
from attnsim.specs.library import names
from attnsim.specs.mapping import load_mapping
from attnsim.specs.npu_pim import NpuPim
from attnsim.specs.npu_schedule import Schedule
from attnsim.workload import Workload, cascade_step

DEVICES = names("hardware")
MAPPINGS = ("concurrent", "blocked", "npu_only")
# Every phase ends on a whole picosecond, and each task may be rounded by half of one.
ROUNDED_S = 1e-12 * 600

lengths = st.lists(st.integers(1, 1500), min_size=1, max_size=12)
heads = st.integers(1, 6)
groups = st.sampled_from([1, 2, 4])
dims = st.sampled_from([64, 128])
levels = st.sampled_from(["bank", "group"])
few = settings(max_examples=25)


def is_npu(name: str) -> bool:
    return load_hardware(name).family == "npu_pim"


@cache
def device(channels: int = 4, level: str = "bank", name: str = "neupims") -> NpuPim:
    """Hardware with few channels, and banks that may share multipliers."""
    shipped = load_hardware(name)
    assert isinstance(shipped, NpuPim)
    pim = shipped.pim.model_copy(update={"level": level}) if shipped.pim and name == "neupims" else shipped.pim
    memory = shipped.memory.model_copy(update={"channels": channels})
    return shipped.model_copy(update={"memory": memory, "pim": pim})


@cache
def schedule(name: str, **changed: str) -> Schedule:
    loaded = load_mapping(name)
    assert isinstance(loaded, Schedule)
    return loaded.model_copy(update={"attention": loaded.attention.model_copy(update=changed)})


def bound(
    keys: list[int], heads: int, group: int, dim: int, mapping: Schedule, on: NpuPim | None = None
) -> BoundWorkload:
    extents = {"B": len(keys), "H": heads, "G": group, "E": dim, "F": dim, "P": 1, "M": max(keys)}
    step = cascade_step("attention", load_cascade("grouped_query_attention"), extents)
    requests = tuple(DecodeRequest(keys=k) for k in keys)
    found = bind(Workload(label="", steps=(step,), requests=requests), on or device(), {"attention": mapping})
    assert isinstance(found, BoundWorkload)
    return found


def latency_s(of: BoundWorkload) -> float:
    return run_phases(lower(of)).makespan_ps / 1e12


@given(keys=lengths, heads=heads, group=groups, dim=dims)
@few
def test_banks_multiply_at_least_the_keys_and_values_of_every_query(
    keys: list[int], heads: int, group: int, dim: int
) -> None:
    useful = 2 * sum(keys) * heads * group * dim
    for mapping in MAPPINGS:
        counts = count(bound(keys, heads, group, dim, schedule(mapping)))
        assert counts.array_macs + counts.bank_macs == useful
        assert counts.bank_bytes >= 2 * counts.bank_macs
        assert counts.activates == counts.tiles * device().memory.banks_per_channel


@given(keys=lengths, heads=heads, group=groups, dim=dims, mapping=st.sampled_from(MAPPINGS), level=levels)
@few
def test_nothing_is_faster_than_its_bounds_or_busier_than_all_the_time(
    keys: list[int], heads: int, group: int, dim: int, mapping: str, level: str
) -> None:
    require_bounds(bound(keys, heads, group, dim, schedule(mapping), device(level=level)))


@given(keys=lengths, heads=heads, group=groups, dim=dims, name=st.sampled_from([n for n in DEVICES if is_npu(n)]))
@few
def test_bounds_hold_for_every_shipped_device(keys: list[int], heads: int, group: int, dim: int, name: str) -> None:
    shipped = device(name=name)
    assert shipped.default_mapping is not None
    require_bounds(bound(keys, heads, group, dim, schedule(shipped.default_mapping), shipped))


def require_bounds(asked: BoundWorkload) -> None:
    accounting, timeline = account(asked), run_phases(lower(asked))
    latency_ps = timeline.makespan_ps
    assert latency_ps / 1e12 >= max(accounting.bounds_s.values()) - ROUNDED_S
    busy: dict[str, int] = {}
    for span in timeline.spans:
        for name, picoseconds in span.busy_ps.items():
            busy[name] = busy.get(name, 0) + picoseconds
    hidden = ("latency", "vectors")
    assert all(busy[name] <= latency_ps * (1 + 1e-9) for name in busy if name not in hidden)
    assert all(energy >= 0 for energy in accounting.energy_j.values())


@given(keys=lengths, heads=heads, group=groups, mapping=st.sampled_from(MAPPINGS))
@few
def test_requests_that_are_twice_as_long_take_no_less(keys: list[int], heads: int, group: int, mapping: str) -> None:
    # In turn, so that requests stay where they are.
    chosen = schedule(mapping, placement="round_robin")
    once, twice = (bound([k * by for k in keys], heads, group, 128, chosen) for by in (1, 2))
    assert latency_s(twice) >= latency_s(once)
    assert all(account(twice).energy_j[name] >= energy for name, energy in account(once).energy_j.items())


@given(
    keys=st.integers(1, 1500),
    batch=st.integers(1, 16),
    heads=heads,
    channels=st.integers(1, 6),
    more=st.integers(1, 6),
    mapping=st.sampled_from(("concurrent", "blocked")),
)
@few
def test_more_channels_take_no_longer_for_equal_requests(
    keys: int, batch: int, heads: int, channels: int, more: int, mapping: str
) -> None:
    # One command bus a channel: a host that serves all channels with one cannot tell how many there are.
    chosen = schedule(mapping, placement="round_robin", pim_command_issue="per_channel")
    few_channels, many = (bound([keys] * batch, heads, 1, 128, chosen, device(n)) for n in (channels, channels + more))
    assert latency_s(many) <= latency_s(few_channels)


@given(keys=lengths, heads=heads)
@few
def test_energy_of_the_banks_does_not_depend_on_where_requests_lie(keys: list[int], heads: int) -> None:
    found = [
        account(bound(keys, heads, 1, 128, schedule("concurrent", placement=h))) for h in ("round_robin", "min_load")
    ]
    for name in ("banks", "dram"):
        assert len({accounting.energy_j[name] for accounting in found}) == 1


@given(keys=lengths, heads=heads, group=groups)
@few
def test_attention_in_the_banks_is_one_problem_however_the_batch_is_ordered(
    keys: list[int], heads: int, group: int
) -> None:
    there, back = (bound(order, heads, group, 128, schedule("concurrent")) for order in (keys, keys[::-1]))
    assert count(there) == count(back)
    assert all(isinstance(work, Heads) for work in there.work)
