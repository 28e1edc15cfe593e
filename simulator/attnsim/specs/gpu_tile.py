"""GPU specs: what `hwspecs/gpu_tile/<name>.yaml` may say, as frozen typed nouns in SI units.

A GPU is a number of equal streaming multiprocessors (SMs) at one clock, with the rates of their pipes per cycle and the
limits on the CTAs that fit, over a shared L2 and a DRAM. After the arithmetic-throughput and technical-specification
tables of the CUDA C++ Programming Guide and the data sheets of the GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from attnsim.errors import Problem
from attnsim.specs.library import is_path, names, suggest
from attnsim.specs.load import Check
from attnsim.specs.quantity import Bytes, BytesPerSecond, Hertz, Joule, JoulePerByte, SquareMetre, Watt
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at

Architecture = Literal["sm80", "sm86", "sm89", "sm90", "sm100", "sm120"]
"""Compute capability, which decides the instructions, the pipes and the limits of an SM."""

INSTRUCTIONS: Mapping[str, tuple[Architecture, ...]] = {
    "mma": ("sm80", "sm86", "sm89", "sm90", "sm100", "sm120"),
    "wgmma": ("sm90",),
    "tcgen05": ("sm100",),
}
"""Classes of tensor-core instructions with the architectures that have them (PTX ISA, `mma`, `wgmma`, `tcgen05`)."""

DATA_TYPES: Mapping[str, float] = {
    "fp16": 2,
    "fp16_acc16": 2,
    "bf16": 2,
    "tf32": 4,
    "fp8": 1,
    "fp8_acc16": 1,
    "int8": 1,
    "int4": 0.5,
    "fp4": 0.5,
}
"""Operand types of tensor cores with their bytes. Sums are kept in fp32 (int32 for integers), with `_acc16` in fp16."""


class CacheLevel(Spec):
    """The L2: capacity, and the bytes per second that all SMs together read from it on hits."""

    capacity_bytes: Bytes = Field(alias="capacity")
    bandwidth_bytes_per_s: BytesPerSecond = Field(alias="bandwidth")
    source: Source


class Dram(Spec):
    """The device memory with its peak bandwidth, both directions together."""

    kind: Literal["HBM2", "HBM2e", "HBM3", "HBM3e", "GDDR6", "GDDR6X", "GDDR7"]
    capacity_bytes: Bytes = Field(alias="capacity")
    bandwidth_bytes_per_s: BytesPerSecond = Field(alias="bandwidth")
    source: Source


class Power(Spec):
    """What the board may draw (its limit), and what it draws at full clocks before it moves or computes anything."""

    board_w: Watt = Field(alias="board")
    idle_w: Watt = Field(alias="idle")
    source: Source


class Energy(Spec):
    """Energy of one action above idle: per FLOP of a tensor core by type, per FLOP, exp and byte elsewhere.

    `tensor_j` includes what brings the operands from registers or shared memory into the tensor core; `registers`,
    `shared`, `l2` and `dram` count the bytes that a kernel moves itself at that level, and not the levels below it.
    """

    tensor_j: dict[str, Joule] = Field(alias="tensor", min_length=1)
    fp32_j: Joule = Field(alias="fp32")
    exp_j: Joule = Field(alias="exp")
    registers_j_per_byte: JoulePerByte = Field(alias="registers")
    shared_j_per_byte: JoulePerByte = Field(alias="shared")
    l2_j_per_byte: JoulePerByte = Field(alias="l2")
    dram_j_per_byte: JoulePerByte = Field(alias="dram")
    source: Source


class GpuTile(FileSpec):
    """A GPU whose kernels are grids of CTAs. Rates are per cycle and SM; a multiply-add counts as two FLOP.

    `tensor` gives FLOP by instruction class and data type, dense. `clock_hz` is the clock at which these rates give the
    peak of the data sheet; cards hold it or a lower one under load, as their power allows, and `boost_clock_hz` is the
    highest that they run. `exp_per_cycle` are results of the special function unit, `fp32_per_cycle` multiply-adds.
    A CTA takes `shared_memory_reserved_bytes` of shared memory beyond what it asks for. `link` names what joins several
    GPUs in a server, or the path of its file.
    """

    name: Text
    family: Literal["gpu_tile"]
    title: str = ""
    source: Source = Field(examples=["data sheet, year, table"], description="where the numbers come from")
    notes: str = ""
    architecture: Architecture
    sms: PositiveInt
    clock_hz: Hertz = Field(alias="clock")
    boost_clock_hz: Hertz = Field(alias="boost_clock")
    tensor: dict[str, dict[str, PositiveInt]] = Field(min_length=1)
    exp_per_cycle: PositiveInt
    fp32_per_cycle: PositiveInt
    int32_per_cycle: PositiveInt
    registers: PositiveInt
    max_registers_per_thread: PositiveInt
    shared_memory_bytes: Bytes = Field(alias="shared_memory")
    shared_memory_per_cta_bytes: Bytes = Field(alias="shared_memory_per_cta")
    shared_memory_reserved_bytes: Bytes = Field(alias="shared_memory_reserved")
    shared_bytes_per_cycle: PositiveInt
    max_ctas: PositiveInt
    max_threads: PositiveInt
    l2: CacheLevel
    dram: Dram
    power: Power
    energy: Energy
    link: Text | None = None
    die_area_m2: SquareMetre | None = Field(alias="die_area", default=None)
    price_usd_per_hour: PositiveFloat | None = None
    default_mapping: str | None = None


def tensor_peak_flop_per_s(gpu: GpuTile, data_type: str) -> float | None:
    """FLOP per second of all SMs in the fastest instruction class that takes a data type; None if the GPU lacks it."""
    rates = [by_type[data_type] for by_type in gpu.tensor.values() if data_type in by_type]
    return max(rates) * gpu.sms * gpu.clock_hz if rates else None


def gpu_problems(gpu: GpuTile) -> list[Problem]:
    """Contradictions inside a GPU: limits and rates that cannot both be right, names that no tensor core knows."""
    return [*_limits(gpu), *_tensor_problems(gpu), *_energy_problems(gpu), *_link_problems(gpu)]


check_gpu: Check[GpuTile] = gpu_problems
"""`gpu_problems` as the check that `load_spec` takes."""


def _limits(gpu: GpuTile) -> list[Problem]:
    """Pairs of fields of which the first may not be above the second."""
    ordered: tuple[tuple[str, float, str, float], ...] = (
        ("clock", gpu.clock_hz, "boost_clock", gpu.boost_clock_hz),
        ("shared_memory_per_cta", gpu.shared_memory_per_cta_bytes, "shared_memory", gpu.shared_memory_bytes),
        ("shared_memory_reserved", gpu.shared_memory_reserved_bytes, "shared_memory", gpu.shared_memory_bytes),
        ("max_registers_per_thread", gpu.max_registers_per_thread, "registers", gpu.registers),
        ("max_ctas", gpu.max_ctas, "max_threads", gpu.max_threads),
        ("exp_per_cycle", gpu.exp_per_cycle, "fp32_per_cycle", gpu.fp32_per_cycle),
        ("l2.capacity", gpu.l2.capacity_bytes, "dram.capacity", gpu.dram.capacity_bytes),
        ("dram.bandwidth", gpu.dram.bandwidth_bytes_per_s, "l2.bandwidth", gpu.l2.bandwidth_bytes_per_s),
        ("power.idle", gpu.power.idle_w, "power.board", gpu.power.board_w),
    )
    return [
        problem_at(gpu, low, f"{low} is above {high}", f"lower {low} or raise {high}")
        for low, small, high, large in ordered
        if small > large
    ]


def _tensor_problems(gpu: GpuTile) -> list[Problem]:
    """Instruction classes that the architecture lacks, a missing `mma`, and unknown data types."""
    usable = tuple(name for name, having in INSTRUCTIONS.items() if gpu.architecture in having)
    lacking = [
        problem_at(gpu, f"tensor.{name}", f"{gpu.architecture} has no instruction {name!r}", suggest(name, usable))
        for name in gpu.tensor
        if name not in usable
    ]
    if "mma" not in gpu.tensor:
        lacking.append(problem_at(gpu, "tensor", "'mma' is missing", "add `mma: {bf16: ...}`, which every GPU has"))
    unknown = [
        _unknown_type(gpu, f"tensor.{name}.{kind}", kind)
        for name, rates in gpu.tensor.items()
        for kind in rates
        if kind not in DATA_TYPES
    ]
    return lacking + unknown


def _energy_problems(gpu: GpuTile) -> list[Problem]:
    """Data types that have a tensor rate but no energy, and energies of unknown types."""
    rated = dict.fromkeys(kind for rates in gpu.tensor.values() for kind in rates if kind in DATA_TYPES)
    missing = [
        problem_at(gpu, "energy.tensor", f"{kind} has a rate but no energy", f"add `{kind}: ... pJ` per FLOP")
        for kind in rated
        if kind not in gpu.energy.tensor_j
    ]
    unknown = [
        _unknown_type(gpu, f"energy.tensor.{kind}", kind) for kind in gpu.energy.tensor_j if kind not in DATA_TYPES
    ]
    return missing + unknown


def _link_problems(gpu: GpuTile) -> list[Problem]:
    """A link that no shipped file describes; a path is looked at when a run needs it."""
    if gpu.link is None or is_path(gpu.link) or gpu.link in names("link"):
        return []
    return [problem_at(gpu, "link", f"there is no link {gpu.link!r}", suggest(gpu.link, names("link")))]


def _unknown_type(gpu: GpuTile, path: str, kind: str) -> Problem:
    return problem_at(gpu, path, f"no tensor core knows the data type {kind!r}", suggest(kind, tuple(DATA_TYPES)))
