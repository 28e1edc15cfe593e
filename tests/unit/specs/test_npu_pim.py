"""NPUs with PIM and their schedules: the shipped one agrees with its sources and itself, wrong files are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import SpecError
from attnsim.specs.hardware import load_hardware
from attnsim.specs.library import data_root
from attnsim.specs.load import load_spec, load_text
from attnsim.specs.npu_pim import NpuPim, npu_pim_problems
from attnsim.specs.npu_schedule import Schedule, schedule_problems

FILE = data_root() / "hwspecs" / "npu_pim" / "neupims.yaml"
MAPPINGS = {path.stem: path for path in sorted((data_root() / "workloads" / "mappings" / "npu_pim").glob("*.yaml"))}

SCHEDULE = """\
name: mine
family: npu_pim
for: {cascade: attention_3pass, hardware: neupims}
attention: {score: pim, value: pim, sub_batches: 2}
"""


def complaint(old: str, new: str) -> str:
    """What is said about the shipped hardware after a change of one place."""
    text = FILE.read_text(encoding="utf-8")
    assert text.count(old) == 1
    with pytest.raises(SpecError) as caught:
        load_text(text.replace(old, new), NpuPim, "f.yaml", npu_pim_problems)
    return str(caught.value)


def test_the_shipped_device_has_the_peaks_of_its_paper() -> None:
    device = load_hardware("neupims")
    assert isinstance(device, NpuPim)
    arrays, memory, pim = device.arrays, device.memory, device.pim
    assert pim is not None
    # 8 arrays of 128 x 128 at 1 GHz; 32 channels of 32 GB/s; in each of their 32 banks 16 words a 2 ns.
    assert 2 * arrays.count * arrays.rows * arrays.columns * device.clock_hz == 262.144e12
    assert memory.bandwidth_bytes_per_s == memory.channels * 32e9
    assert memory.banks_per_channel == 32
    in_banks = memory.channels * memory.banks_per_channel * pim.multipliers * device.word_bytes / pim.step_s
    assert in_banks == pytest.approx(16 * memory.bandwidth_bytes_per_s)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rcd: 14 ns", "rcd: 35 ns", ("f.yaml:22: memory.timing.rcd: memory.timing.rcd is above memory.timing.ras",)),
        ("rfc: 260 ns", "rfc: 2 us", ("memory.timing.rfc is above memory.timing.refi",)),
        ("burst: 64 B", "burst: 2 KiB", ("f.yaml:21: memory.burst: memory.burst is above memory.row",)),
        (
            "multipliers: 16",
            "multipliers: 24",
            ("f.yaml:36: pim.multipliers: a row of 1024", "steps of 48 bytes"),
        ),
        (
            "banks_per_activate: 4",
            "banks_per_activate: 5",
            ("pim.banks_per_activate: 32 banks are not opened by commands of 5 in each rank", "give a divisor"),
        ),
        (
            "buffer: 1 KiB",
            "buffer: 512 B",
            ("pim.buffer: the global buffer of 512 bytes is smaller than a row of 1024",),
        ),
        ("step: 2 ns", "step: 0 ns", ("pim.step: a step takes no time; give the time of a compute command",)),
        (
            "dataflow: input_stationary",
            "dataflow: row_stationary",
            ("arrays.dataflow: 'row_stationary' is not one of",),
        ),
        ("row_buffers: 2", "row_buffers: 3", ("pim.row_buffers:",)),
        ("row_buffers: 2", "row_buffers: 2\n  command_bus: none", ("pim.command_bus: 'none' is not one of",)),
    ],
)
def test_a_device_that_cannot_be_is_refused_with_its_place(old: str, new: str, said: tuple[str, ...]) -> None:
    message = complaint(old, new)
    assert [part for part in said if part not in message] == [], message


def test_a_device_may_have_no_multipliers_in_its_banks() -> None:
    text = FILE.read_text(encoding="utf-8")
    plain = load_text(text[: text.index("\npim:")], NpuPim, "f.yaml", npu_pim_problems)
    assert plain.pim is None
    assert plain.default_mapping is None


@pytest.mark.parametrize(("name", "path"), MAPPINGS.items())
def test_a_shipped_schedule_is_free_of_contradictions(name: str, path: Path) -> None:
    schedule = load_spec(path, Schedule, check=schedule_problems)
    assert schedule.name == name
    assert schedule.source


def test_two_sub_batches_need_a_product_in_the_banks() -> None:
    assert load_text(SCHEDULE, Schedule, check=schedule_problems).attention.sub_batches == 2
    with pytest.raises(SpecError) as caught:
        load_text(SCHEDULE.replace(": pim,", ": array,"), Schedule, "f.yaml", schedule_problems)
    assert str(caught.value) == (
        "f.yaml:4: attention.sub_batches: two sub-batches share the arrays, which leaves nothing to overlap; "
        "compute a product in the banks, or take 1"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("score: pim", "score: npu", "f.yaml:4: attention.score: 'npu' is not one of the choices"),
        ("sub_batches: 2", "sub_batches: 3", "f.yaml:4: attention.sub_batches:"),
        ("sub_batches: 2", "subbatches: 2", "f.yaml:4: attention: unknown key 'subbatches'; did you mean sub_batches?"),
    ],
)
def test_a_wrong_schedule_is_refused_with_line_path_and_remedy(old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(SCHEDULE.replace(old, new), Schedule, "f.yaml", schedule_problems)
    assert said in str(caught.value)
