"""Bind a workload to an NPU with PIM under a schedule: Workload x Schedule x device -> BoundWorkload or Infeasible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from attnsim.analysis.ops import count_operations
from attnsim.analysis.presence import domains
from attnsim.analysis.sizes import bind_sizes
from attnsim.components.attention import (
    Ranks,
    attention_shape,
    matrix_products,
    product_ranks,
)
from attnsim.components.operations import point_operations
from attnsim.components.pim import fill_calendar, gemv_tile, tile_calendar
from attnsim.components.products import product_shape
from attnsim.einsum.ast import Cascade
from attnsim.einsum.shapes import tensor_ranks
from attnsim.errors import MappingError
from attnsim.families.npu_pim.arrays import Rules
from attnsim.families.npu_pim.banks import Placed
from attnsim.families.npu_pim.bound import BoundWorkload, Heads, Product, Stream
from attnsim.families.npu_pim.layout import Layout, layout_of, score_blocks, value_blocks
from attnsim.families.npu_pim.placement import place
from attnsim.mapping.infeasible import Infeasible
from attnsim.requests import DecodeRequest
from attnsim.specs.npu_pim import NpuPim, Pim
from attnsim.specs.npu_schedule import Schedule
from attnsim.specs.spec import problem_at
from attnsim.workload import Step, Workload


def bind(workload: Workload, device: NpuPim, schedules: Mapping[str, Schedule]) -> BoundWorkload | Infeasible:
    """Bind every step; the schedule of the attention step rules the others too."""
    main = next((schedules[s.name] for s in workload.steps if _has_heads(s)), schedules[workload.steps[0].name])
    work = tuple(_work(step, main, device) for step in workload.steps)
    heads = next((one for one in work if isinstance(one, Heads)), None)
    requests: tuple[Placed, ...] = ()
    if heads is not None:
        requests = _requests(main, workload, heads, device)
        misfit = _too_long(main, heads, requests, device, workload.layers)
        if misfit is None and workload.layers > 1:
            misfit = _too_much(main, heads, work, requests, device, workload)
        if misfit is not None:
            return misfit
        if heads.layout is not None and heads.pim is not None:
            _require_time_between_refreshes(heads, heads.layout, heads.pim, requests, device)
    chosen = main.attention
    if chosen.sub_batches > 1 and len(work) > 1 and len(requests) < chosen.sub_batches:
        what = f"a batch of {len(requests)} cannot be cut into {chosen.sub_batches} sub-batches"
        raise MappingError(problem_at(main, "attention.sub_batches", what, "take a larger --batch, or another mapping"))
    return BoundWorkload(
        device=device,
        work=work,
        requests=requests,
        rules=Rules(
            serial=chosen.serial_passes,
            spare_block=chosen.spare_block,
            stored=chosen.store_results,
            abreast=chosen.heads == "abreast",
        ),
        sub_batches=chosen.sub_batches if len(work) > 1 else 1,
        handed_over=workload.stages - 1,
    )


def _has_heads(step: Step) -> bool:
    return len(matrix_products(step.cascade)) == 2


def _work(step: Step, main: Schedule, device: NpuPim) -> Product | Stream | Heads:
    products = matrix_products(step.cascade)
    if len(products) == 2:
        return _heads(step, main, device)
    if len(products) == 1 == len(step.cascade.einsums):
        shape = product_shape(step.cascade, products[0], bind_sizes(step.cascade, step.extents).extents)
        if shape is not None:
            return Product(step=step.name, shape=shape, summed_over=step.summed_over)
    if products:
        number = "one product" if len(products) == 1 else f"{len(products)} products"
        what = f"{step.cascade.name} has {number} among other Einsums"
        remedy = "take attention of two products, a single product, or Einsums without one"
        raise MappingError(problem_at(main, "for.cascade", what, remedy))
    return _stream(step)


def _stream(step: Step) -> Stream:
    sizes = bind_sizes(step.cascade, step.extents)
    ranks = tensor_ranks(step.cascade)

    def words(tensor: str) -> float:
        return float(sizes.batch * math.prod(sizes.extents[rank] for rank in ranks[tensor]))

    done = count_operations(step.cascade, sizes, domains(step.cascade, sizes))
    return Stream(
        step=step.name,
        read_words=sum(words(tensor.name) for tensor in step.cascade.inputs),
        written_words=sum(words(tensor) for tensor in step.cascade.outputs),
        operations=float(sum(sum(one.operations.values()) for one in done)),
    )


def _heads(step: Step, main: Schedule, device: NpuPim) -> Heads:
    ranks = product_ranks(step.cascade)
    shape = attention_shape(step.cascade, ranks, step.extents)
    maps, reductions = _row_work(step.cascade, ranks)
    pim = _pim(main, device) if shape.queries == 1 else None
    layout = layout_of(shape, device, pim, main.attention.layout) if pim is not None else None
    if layout is not None and layout.shared:
        shape = replace(shape, batch=shape.batch * shape.kv_heads, kv_heads=1)
    return Heads(
        step=step.name,
        shape=shape,
        maps=maps,
        reductions=reductions,
        chosen=main.attention,
        layout=layout,
        pim=pim,
    )


def _row_work(cascade: Cascade, ranks: Ranks) -> tuple[int, int]:
    """Operations on each score, and reductions over a row of them, beside the two products."""
    maps = reductions = 0
    for einsum in cascade.einsums:
        if einsum in (ranks.score, ranks.value) or not set(einsum.iteration_ranks) & set(ranks.keys):
            continue
        taken = len(einsum.reductions)
        maps += len([name for name in point_operations(einsum) if name != "copy"]) - taken
        reductions += taken
    return maps, reductions


def _pim(main: Schedule, device: NpuPim) -> Pim | None:
    """The multipliers in the banks as a schedule uses them; None where it uses none."""
    chosen = main.attention
    if "pim" not in (chosen.score, chosen.value):
        return None
    if device.pim is None:
        what = f"{device.name} has no multipliers in its banks"
        raise MappingError(problem_at(main, "attention", what, "use npu_only, or hardware with pim"))
    if chosen.score != chosen.value:
        what = "one product runs in the banks and one on the arrays"
        raise MappingError(problem_at(main, "attention", what, "place both at pim, or both at array"))
    if chosen.row_buffers > device.pim.row_buffers:
        what = f"the schedule uses {chosen.row_buffers} row buffers of a bank, and {device.name} has one"
        raise MappingError(problem_at(main, "attention.row_buffers", what, "use blocked, or set pim.row_buffers: 2"))
    changed = {
        "row_buffers": chosen.row_buffers,
        "composite": device.pim.composite and chosen.row_buffers > 1,
        "command_issue": chosen.pim_command_issue or device.pim.command_issue,
    }
    return device.pim.model_copy(update=changed)


def _requests(main: Schedule, workload: Workload, heads: Heads, device: NpuPim) -> tuple[Placed, ...]:
    """What is placed: requests, or in a dense layout each head of them."""
    asked = workload.requests or (DecodeRequest(keys=heads.shape.keys),) * heads.shape.batch
    if workload.requests and heads.layout is not None and heads.layout.shared:
        asked = _each_head(main, asked, heads.shape.batch // len(asked))
    if heads.shape.queries == 1:
        asked = tuple(replace(request, keys=min(request.keys, heads.shape.window)) for request in asked)
    if heads.layout is None or heads.pim is None:
        return tuple(Placed(keys=request.keys, channel=0) for request in asked)
    return place(asked, heads.chosen, heads.shape, heads.layout, device, heads.pim)


def _each_head(main: Schedule, requests: Sequence[DecodeRequest], heads: int) -> tuple[DecodeRequest, ...]:
    """Each of so many heads of a request, where a head has a channel of its own."""
    if any(request.channel is not None for request in requests):
        what, remedy = "the trace puts a request on one channel", "leave ch_idx out of it, or take layout: request"
        raise MappingError(problem_at(main, "attention.layout", what, remedy))
    return tuple(request for request in requests for _ in range(heads))


def _require_time_between_refreshes(
    heads: Heads, layout: Layout, pim: Pim, requests: tuple[Placed, ...], device: NpuPim
) -> None:
    """MappingError where the controller would never begin a tile, or a fill, because a refresh comes before its end."""
    keys = max(request.keys for request in requests)
    kinds = {block.steps for blocks in (score_blocks, value_blocks) for block in blocks(layout, heads.shape, keys)}
    reserve_ps = max(gemv_tile(device.memory, pim, steps).reserve_ps for steps in kinds)
    calendars = {"tile": tile_calendar(device.memory, pim, reserve_ps), "fill": fill_calendar(device.memory, pim)}
    for name, calendar in calendars.items():
        if calendar.closed_ps + calendar.reserve_ps > calendar.period_ps:
            open_ns, needed_ns = (calendar.period_ps - calendar.closed_ps) / 1000, calendar.reserve_ps / 1000
            what = f"a {name} is begun with {needed_ns:.0f} ns left, and refreshes leave {max(0.0, open_ns):.0f} ns"
            remedy = "raise memory.timing.refi, or take faster tiles: shorter rows, a multiplier for each bank"
            raise MappingError(problem_at(device, "memory.timing.refi", what, remedy))


def _too_long(
    main: Schedule, heads: Heads, requests: tuple[Placed, ...], device: NpuPim, layers: int
) -> Infeasible | None:
    """Whether keys and values of all layers exceed the memory, or one channel of it.

    A stage of a pipeline has a part of the layers and as many batches: the same.
    """
    held: dict[int, float] = {}
    for request in requests:
        held[request.channel] = held.get(request.channel, 0.0) + layers * request.keys * _token_bytes(heads, device)
    room = device.memory.capacity_bytes
    if sum(held.values()) > room:
        return _misfit(main, heads.step, device.memory.kind, {"K and V": sum(held.values())}, room)
    if heads.pim is not None and max(held.values()) > room / device.memory.channels:
        fullest = max(held, key=lambda channel: held[channel])
        return _misfit(
            main, heads.step, f"channel {fullest}", {"K and V": held[fullest]}, room / device.memory.channels
        )
    return None


def _too_much(
    main: Schedule,
    heads: Heads,
    work: Sequence[Product | Stream | Heads],
    requests: tuple[Placed, ...],
    device: NpuPim,
    workload: Workload,
) -> Infeasible | None:
    """Whether weights, keys and values of a whole model exceed the memory of a device together."""
    weights = sum(one.shape.k * one.shape.n for one in work if isinstance(one, Product)) * device.word_bytes
    parts = {
        "K and V": workload.layers * sum(request.keys for request in requests) * _token_bytes(heads, device),
        "weights": weights * workload.layers / workload.stages,
    }
    room = device.memory.capacity_bytes
    return _misfit(main, heads.step, device.memory.kind, parts, room) if sum(parts.values()) > room else None


def _token_bytes(heads: Heads, device: NpuPim) -> float:
    """Bytes of K and V of a token in a layer."""
    return heads.shape.kv_heads * (heads.shape.qk_dim + heads.shape.v_dim) * device.word_bytes


def _misfit(main: Schedule, step: str, memory: str, parts: Mapping[str, float], room: float) -> Infeasible:
    ordered = sorted(((name, int(size)) for name, size in parts.items()), key=lambda part: -part[1])
    return Infeasible(
        mapping=main.name,
        phase=step,
        memory=memory,
        demand_bytes=sum(size for _, size in ordered),
        capacity_bytes=int(room),
        parts=tuple(ordered),
        levers=("take shorter sequences or a smaller --batch", "set hardware.memory.capacity"),
    )
