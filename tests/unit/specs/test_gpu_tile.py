"""GPU specs: every shipped GPU agrees with its data sheet and with itself, and wrong files are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import SpecError
from attnsim.specs.gpu_tile import DATA_TYPES, GpuTile, check_gpu, tensor_peak_flop_per_s
from attnsim.specs.library import data_root
from attnsim.specs.load import load_spec, load_text
from attnsim.specs.provenance import sourced_numbers

FILES = {path.stem: path for path in sorted((data_root() / "hwspecs" / "gpu_tile").glob("*.yaml"))}

# Dense peaks in TFLOP/s (TOP/s) of NVIDIA's data sheets and whitepapers, halved where they print sparse ones.
DATA_SHEET_PEAKS = [
    ("a100_sxm", {"bf16": 312, "tf32": 156, "int8": 624, "int4": 1248}),
    ("a100_pcie", {"bf16": 312, "tf32": 156, "int8": 624, "int4": 1248}),
    ("h100_sxm", {"bf16": 989.4, "tf32": 494.7, "fp8": 1978.9, "int8": 1978.9}),
    ("h100_pcie", {"bf16": 756.5, "tf32": 378, "fp8": 1513, "int8": 1513}),
    ("h200_sxm", {"bf16": 989.4, "tf32": 494.7, "fp8": 1978.9, "int8": 1978.9}),
    ("h20", {"bf16": 148, "tf32": 74, "fp8": 296, "int8": 296}),
    ("b200_sxm", {"bf16": 2250, "fp8": 4500, "int8": 4500, "fp4": 9000}),
    ("l40s", {"bf16": 362.05, "tf32": 183, "fp8": 733, "int8": 733, "int4": 1466}),
    ("l20", {"bf16": 119.5, "tf32": 59.8, "fp8": 239, "int8": 239}),
    ("l4", {"bf16": 121, "tf32": 60, "fp8": 242.5, "int8": 242.5, "int4": 485}),
    ("rtx4090", {"fp16": 165.2, "fp16_acc16": 330.3, "fp8": 330.3, "fp8_acc16": 660.6, "int8": 660.6, "int4": 1321.2}),
    ("rtx3090", {"fp16": 71.2, "fp16_acc16": 142.3, "tf32": 35.6, "int8": 284.7, "int4": 569.3}),
    ("a6000", {"bf16": 154.8, "tf32": 77.4, "int8": 309.7, "int4": 619.4}),
    ("a10g", {"bf16": 70, "int8": 140, "int4": 280}),
    ("rtx_pro_6000_server", {"bf16": 467.8, "fp8": 935.6, "fp4": 1871.2}),
]

FP32_PEAKS = {
    "a100_sxm": 19.5,
    "h100_sxm": 66.9,
    "b200_sxm": 74.5,
    "l40s": 91.6,
    "l20": 59.8,
    "rtx4090": 82.6,
    "rtx3090": 35.6,
    "a6000": 38.7,
    "a10g": 35,
    "rtx_pro_6000_server": 120,
}
"""FP32 peaks in TFLOP/s of data sheets and whitepapers, which are at the boost clock."""

SAMPLE = """\
name: mine
family: gpu_tile
source: a notebook
architecture: sm90
sms: 4
clock: 1 GHz
boost_clock: 1.2 GHz
tensor:
  wgmma: {bf16: 4096, fp8: 8192}
  mma: {bf16: 2048}
exp_per_cycle: 16
fp32_per_cycle: 128
int32_per_cycle: 64
registers: 65536
max_registers_per_thread: 255
shared_memory: 228 KiB
shared_memory_per_cta: 227 KiB
shared_memory_reserved: 1 KiB
shared_bytes_per_cycle: 128
max_ctas: 32
max_threads: 2048
l2: {capacity: 50 MiB, bandwidth: 5 TB/s, source: a notebook}
dram: {kind: HBM3, capacity: 80 GiB, bandwidth: 3 TB/s, source: a notebook}
power: {board: 700 W, idle: 100 W, source: a notebook}
energy:
  tensor: {bf16: 0.4 pJ, fp8: 0.2 pJ}
  fp32: 6 pJ
  exp: 20 pJ
  registers: 1 pJ/byte
  shared: 2 pJ/byte
  l2: 30 pJ/byte
  dram: 11 pJ/bit
  source: a notebook
"""


def shipped(name: str) -> GpuTile:
    return load_spec(FILES[name], GpuTile, check=check_gpu)


def complaint(old: str, new: str) -> str:
    """What is said about the sample GPU after a change of one place."""
    assert SAMPLE.count(old) == 1
    with pytest.raises(SpecError) as caught:
        load_text(SAMPLE.replace(old, new), GpuTile, "f.yaml", check_gpu)
    return str(caught.value)


def test_the_table_of_peaks_names_every_shipped_gpu() -> None:
    assert sorted(name for name, _ in DATA_SHEET_PEAKS) == sorted(FILES)


@pytest.mark.parametrize(("name", "path"), FILES.items())
def test_a_shipped_gpu_is_free_of_contradictions_and_sourced(name: str, path: Path) -> None:
    gpu = load_spec(path, GpuTile, check=check_gpu)
    assert gpu.name == name
    assert gpu.notes
    numbers = sourced_numbers(gpu)
    assert len(numbers) > 30
    assert [n.path for n in numbers if not n.source] == []


@pytest.mark.parametrize(("name", "peaks"), DATA_SHEET_PEAKS)
def test_rates_times_sms_times_clock_give_the_peaks_of_the_data_sheet(name: str, peaks: dict[str, float]) -> None:
    gpu = shipped(name)
    computed = {kind: (tensor_peak_flop_per_s(gpu, kind) or 0) / 1e12 for kind in peaks}
    assert computed == pytest.approx(peaks, rel=0.015)


@pytest.mark.parametrize(("name", "peak"), FP32_PEAKS.items())
def test_fp32_lanes_give_the_fp32_peak_at_the_boost_clock(name: str, peak: float) -> None:
    gpu = shipped(name)
    assert 2 * gpu.fp32_per_cycle * gpu.sms * gpu.boost_clock_hz / 1e12 == pytest.approx(peak, rel=0.02)


@pytest.mark.parametrize("name", FILES)
def test_gpus_of_one_architecture_have_the_same_sm(name: str) -> None:
    own = {"name", "title", "source", "notes", "sms", "clock_hz", "boost_clock_hz", "tensor", "l2", "dram", "power"}
    own |= {"energy", "die_area_m2", "price_usd_per_hour", "default_mapping", "link"}
    gpu = shipped(name)
    siblings = [other for other in map(shipped, FILES) if other.architecture == gpu.architecture]
    assert all(other.model_dump(exclude=own) == gpu.model_dump(exclude=own) for other in siblings)


@pytest.mark.parametrize("name", FILES)
def test_streaming_and_idling_stay_within_the_power_of_the_board(name: str) -> None:
    gpu = shipped(name)
    per_byte_j = gpu.energy.dram_j_per_byte + gpu.energy.l2_j_per_byte
    streaming_w = per_byte_j * gpu.dram.bandwidth_bytes_per_s
    assert gpu.power.idle_w + streaming_w < 1.1 * gpu.power.board_w


def test_consumer_cards_and_their_kin_sum_half_precision_products_at_half_the_rate() -> None:
    halved = {
        name for name in FILES if shipped(name).tensor["mma"].get("fp16_acc16", 0) > shipped(name).tensor["mma"]["fp16"]
    }
    assert halved == {"rtx3090", "rtx4090"}


def test_the_sample_is_right_before_it_is_broken_and_units_are_si() -> None:
    gpu = load_text(SAMPLE, GpuTile, check=check_gpu)
    assert gpu.shared_memory_bytes == 228 * 1024
    assert gpu.energy.dram_j_per_byte == pytest.approx(88e-12)
    assert tensor_peak_flop_per_s(gpu, "bf16") == 4096 * 4 * 1e9
    assert tensor_peak_flop_per_s(gpu, "int4") is None
    assert set(gpu.energy.tensor_j) <= set(DATA_TYPES)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("boost_clock: 1.2 GHz", "boost_clock: 0.9 GHz", ("f.yaml:6: clock:", "clock is above boost_clock")),
        ("per_cta: 227 KiB", "per_cta: 229 KiB", ("f.yaml:17:", "shared_memory_per_cta is above shared_memory")),
        ("idle: 100 W", "idle: 800 W", ("f.yaml:24: power.idle:", "power.idle is above power.board")),
        ("bandwidth: 5 TB/s", "bandwidth: 2 TB/s", ("f.yaml:23: dram.bandwidth:", "above l2.bandwidth")),
        ("  wgmma: {bf16", "  tcgen05: {bf16", ("f.yaml:9: tensor.tcgen05:", "sm90 has no instruction 'tcgen05'")),
        ("  mma: {bf16: 2048}", "  # none", ("f.yaml:8: tensor:", "'mma' is missing")),
        ("mma: {bf16: 2048}", "mma: {bf61: 2048}", ("f.yaml:10: tensor.mma.bf61:", "did you mean bf16")),
        (", fp8: 0.2 pJ", "", ("energy.tensor: fp8 has a rate but no energy", "add `fp8: ... pJ` per FLOP")),
        ("architecture: sm90", "architecture: sm91", ("f.yaml:4: architecture:", "did you mean sm90")),
        ("sms: 4", "sms: 0", ("f.yaml:5: sms:", "greater than 0")),
        ("kind: HBM3,", "kind: HBM9,", ("f.yaml:23: dram.kind:", "did you mean")),
    ],
)
def test_a_gpu_that_cannot_be_is_refused_with_its_place(old: str, new: str, said: tuple[str, ...]) -> None:
    message = complaint(old, new)
    assert [part for part in said if part not in message] == [], message
