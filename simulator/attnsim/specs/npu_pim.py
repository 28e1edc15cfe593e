"""NPU and PIM specs: what `hwspecs/npu_pim/<name>.yaml` may say, as frozen typed nouns in SI units.

A device is a number of equal systolic arrays and vector units at one clock beside a DRAM of equal channels, whose banks
may have multipliers of their own. Times of the DRAM are those of JEDEC standards, under their names without the t.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from attnsim.errors import Problem
from attnsim.specs.quantity import Bits, Bytes, BytesPerSecond, Hertz, Joule, JoulePerByte, Second, SquareMetre, Watt
from attnsim.specs.spec import FileSpec, Fraction, Source, Spec, Text, problem_at

Share = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]
"""A number above 0, up to 1."""

Dataflow = Literal["weight_stationary", "output_stationary", "input_stationary"]


class Arrays(Spec):
    """Systolic arrays that work on one product together: each holds the same stationary tile, and what streams through
    is dealt out to them. overlapped: a new stationary tile is loaded while the one before is in use. efficiency: of
    their rate, that products reach.
    """

    count: PositiveInt
    rows: PositiveInt
    columns: PositiveInt
    dataflow: Dataflow = "weight_stationary"
    overlapped: bool = True
    efficiency: Share = 1.0
    source: Source | None = None


class Vectors(Spec):
    """Vector units. An operation takes a cycle on `lanes` elements, a sum or maximum over a vector as many more for its
    tree. hidden: work never waits for a unit, and streams are not slowed by their operations.
    """

    count: PositiveInt
    lanes: PositiveInt
    hidden: bool = False
    source: Source | None = None


class Timing(Spec):
    """Least times between commands of a DRAM (JEDEC): from the first named command to the second.

    rcd: activate to read; rp: precharge to activate; ras: activate to precharge; rtp: read to precharge; faw: four
    activates of a rank; ccd: read to read; cl: read to its data; rfc: length of a refresh; refi: from one refresh of a
    rank to the next; rtrs: what the data bus stands still between two ranks.
    """

    rcd_s: Second = Field(alias="rcd")
    rp_s: Second = Field(alias="rp")
    ras_s: Second = Field(alias="ras")
    rtp_s: Second = Field(alias="rtp")
    faw_s: Second = Field(alias="faw")
    ccd_s: Second = Field(alias="ccd")
    cl_s: Second = Field(alias="cl")
    rfc_s: Second = Field(alias="rfc")
    refi_s: Second = Field(alias="refi")
    rtrs_s: Second = Field(alias="rtrs", default=0.0)
    source: Source | None = None


class DramEnergy(Spec):
    """Energy of one command of a channel, and of a rank in the background.

    activate: of one bank; read and write: of one burst; compute: of one step of all banks; broadcast: of filling the
    global buffer; refresh: of one rank. active, idle: drawn by a rank with an open row, and without.
    """

    activate_j: Joule = Field(alias="activate")
    read_j: Joule = Field(alias="read")
    write_j: Joule = Field(alias="write")
    compute_j: Joule = Field(alias="compute")
    broadcast_j: Joule = Field(alias="broadcast")
    refresh_j: Joule = Field(alias="refresh")
    active_w: Watt = Field(alias="active")
    idle_w: Watt = Field(alias="idle")
    source: Source


class Memory(Spec):
    """The DRAM: equal channels of `ranks` with `groups` bank groups of `banks` each; a row of one bank holds `row`
    bytes, a read or write moves `burst` bytes. A command takes one cycle of `clock` on the channel's command bus.

    efficiency: of the bandwidth, that ordinary reads and writes reach; what refresh leaves unless given. refresh:
    whether the ranks of a channel are refreshed in turn, or the whole channel at once, which breaks off what its banks
    compute. area: of all dies.
    """

    kind: Text
    channels: PositiveInt
    capacity_bytes: Bytes = Field(alias="capacity")
    bandwidth_bytes_per_s: BytesPerSecond = Field(alias="bandwidth")
    clock_hz: Hertz = Field(alias="clock")
    ranks: PositiveInt
    groups: PositiveInt
    banks: PositiveInt
    row_bytes: Bytes = Field(alias="row")
    burst_bytes: Bytes = Field(alias="burst")
    efficiency: Share | None = None
    refresh: Literal["ranks", "channel"] = "ranks"
    timing: Timing
    energy: DramEnergy | None = None
    area_m2: SquareMetre | None = Field(alias="area", default=None)
    source: Source

    @property
    def banks_per_channel(self) -> int:
        """Banks of all ranks and groups of a channel."""
        return self.ranks * self.groups * self.banks


class Estimate(Spec):
    """What placement takes a tile and a fill of the global buffer for (NeuPIMs, ASPLOS 2024, algorithm 1)."""

    tile_s: Second = Field(alias="tile")
    fill_s: Second = Field(alias="fill")


class Pim(Spec):
    """Multipliers in the banks of each channel, which multiply an open row with what the global buffer holds.

    level: whether each bank has multipliers, each bank group, or each channel; what shares them takes turns.
    banks_per_unit: banks that share them, where it is another number than `level` says. multipliers: of one such unit,
    words a step; step: from one compute command to the next, of all units at once; pipeline: steps that fill the adder
    tree at least. row_buffers: 2 if ordinary reads have one of their own. composite: one command carries all steps and
    the read of their result. opening: how rows of all banks are opened: by commands for `banks_per_activate` each,
    under the four-activate window; by one command for all, as they are closed; or ahead, each bank while those before
    it have their turn at the multipliers. buffer: bytes of the global buffer; fill: time to write it. operands: come
    from a row of the DRAM, which has to be opened; from the host, in between; or from the host beside the compute, as
    results then go. command_issue: whether the host hands over one command a cycle to each channel, or one to the whole
    device. command_bus: shared with ordinary reads, which lose it to each command of PIM, or its own. estimate: for
    placement, as long as they take if left out. area_share: what PIM adds to the area of the DRAM.
    """

    level: Literal["bank", "group", "channel"] = "bank"
    banks_per_unit: PositiveInt | None = None
    multipliers: PositiveInt
    step_s: Second = Field(alias="step")
    pipeline: PositiveInt = 6
    row_buffers: Literal[1, 2] = 1
    composite: bool = False
    opening: Literal["groups", "all", "ahead"] = "groups"
    banks_per_activate: PositiveInt = 4
    buffer_bytes: Bytes = Field(alias="buffer")
    fill_s: Second = Field(alias="fill")
    operands: Literal["row", "host", "beside"] = "row"
    command_issue: Literal["per_channel", "per_device"] = "per_channel"
    command_bus: Literal["shared", "own"] = "shared"
    estimate: Estimate | None = None
    area_share: Fraction = 0.0
    source: Source


class NpuEnergy(Spec):
    """Energy of a multiply-accumulate of the arrays, of a vector operation, and of a byte of the scratchpad."""

    mac_j: Joule = Field(alias="mac")
    vector_j: Joule = Field(alias="vector")
    scratchpad_j_per_byte: JoulePerByte = Field(alias="scratchpad")
    source: Source


class Link(Spec):
    """What joins the devices of a tensor-parallel group. A collective has a step for each other device, in which every
    device sends its part at `bandwidth` after `latency`.
    """

    bandwidth_bytes_per_s: BytesPerSecond = Field(alias="bandwidth")
    latency_s: Second = Field(alias="latency")
    source: Source


class NpuPim(FileSpec):
    """An NPU on DRAM whose banks may compute. scratchpad: what one half of the double buffer holds; start: time from
    one step of a layer to the next, as a GPU takes to launch a kernel. compared: the dataset of `validation/` with runs
    of the device in another model.
    """

    name: Text
    family: Literal["npu_pim"]
    title: str = ""
    source: Source = Field(examples=["paper, year, section"], description="where the numbers come from")
    notes: str = ""
    clock_hz: Hertz = Field(alias="clock")
    word_bits: Bits = Field(alias="word")
    arrays: Arrays
    vectors: Vectors
    scratchpad_bytes: Bytes = Field(alias="scratchpad")
    memory: Memory
    pim: Pim | None = None
    energy: NpuEnergy | None = None
    link: Link | None = None
    start_s: Second = Field(alias="start", default=0.0)
    die_area_m2: SquareMetre | None = Field(alias="die_area", default=None)
    price_usd_per_hour: PositiveFloat | None = None
    default_mapping: str | None = None
    compared: Text | None = None

    @property
    def word_bytes(self) -> float:
        """Bytes of an operand."""
        return self.word_bits / 8


def npu_pim_problems(device: NpuPim) -> list[Problem]:
    """Contradictions inside a device: times, sizes and counts that cannot all be right."""
    timing, memory = device.memory.timing, device.memory
    ordered: tuple[tuple[str, float, str, float], ...] = (
        ("memory.timing.rcd", timing.rcd_s, "memory.timing.ras", timing.ras_s),
        ("memory.timing.rfc", timing.rfc_s, "memory.timing.refi", timing.refi_s / memory.ranks),
        ("memory.burst", memory.burst_bytes, "memory.row", memory.row_bytes),
    )
    found = [
        problem_at(device, low, f"{low} is above {high}", f"lower {low} or raise {high}")
        for low, small, high, large in ordered
        if small > large
    ]
    return found + (_pim_problems(device, device.pim) if device.pim else [])


def _pim_problems(device: NpuPim, pim: Pim) -> list[Problem]:
    memory = device.memory
    step_bytes = pim.multipliers * device.word_bytes
    wrong: Mapping[str, tuple[bool, str, str]] = {
        "pim.multipliers": (
            memory.row_bytes % step_bytes != 0,
            f"a row of {memory.row_bytes:.0f} bytes is no whole number of steps of {step_bytes:.0f} bytes",
            "give a power of two",
        ),
        "pim.banks_per_activate": (
            pim.opening == "groups" and memory.banks_per_channel % (pim.banks_per_activate * memory.ranks) != 0,
            f"{memory.banks_per_channel} banks are not opened by commands of {pim.banks_per_activate} in each rank",
            "give a divisor of the banks of a rank",
        ),
        "pim.banks_per_unit": (
            memory.banks_per_channel % (pim.banks_per_unit or 1) != 0,
            f"{memory.banks_per_channel} banks of a channel do not share units by {pim.banks_per_unit}",
            "give a divisor of the banks of a channel",
        ),
        "pim.buffer": (
            pim.buffer_bytes < memory.row_bytes,
            f"the global buffer of {pim.buffer_bytes:.0f} bytes is smaller than a row of {memory.row_bytes:.0f} bytes",
            "give it at least a row",
        ),
        "pim.step": (pim.step_s <= 0, "a step takes no time", "give the time of a compute command, such as 2 ns"),
    }
    return [problem_at(device, path, what, remedy) for path, (bad, what, remedy) in wrong.items() if bad]
