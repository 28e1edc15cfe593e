"""Pools of a system with the device that stands for each, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable

from attnsim.serving.device import Device
from attnsim.serving.machine import Machine
from attnsim.specs.system import Pool


def pools_of(machine: Machine, prefill: Machine | None = None) -> list[tuple[Pool, Device]]:
    """Each pool of a machine, and of the one that does prefill, with its device."""
    system = machine.system
    roles = [(system.layers.pool, machine.device)]
    if system.attention is not None:
        roles.append((system.attention.pool, machine.memory_device))
    if prefill is not None:
        roles.append((prefill.system.layers.pool, prefill.device))
    return [(system.pools[name], device) for name, device in roles]


def price_of(pools: Iterable[tuple[Pool, Device]]) -> float | None:
    """Dollars an hour of all devices; None where one has no price."""
    prices = [_price(pool, device) for pool, device in pools]
    known = [price for price in prices if price is not None]
    return sum(known) if len(known) == len(prices) else None


def _price(pool: Pool, device: Device) -> float | None:
    price = pool.price_usd_per_hour or device.plan.hardware.price_usd_per_hour
    return None if price is None else price * pool.devices
