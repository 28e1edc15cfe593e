"""What the steps of a layer take on one device of a pool: each step simulated alone, and remembered by its shape.

From a model divided over the devices of a group to seconds and joules of a step for so many tokens, of attention for so
many sequences of so many keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from attnsim.errors import AttnSimError, Problem
from attnsim.mapping.infeasible import Infeasible
from attnsim.metrics import Metrics, Trust
from attnsim.pipeline import Plan, Request, Run, make_plan, simulate_plan
from attnsim.serving.grid import bracket
from attnsim.specs.system import Kernels, Pool
from attnsim.workload import Step

ATTENTION = "attention"
QUERY = "q_projection"
"""Name of the step that makes queries, where a model has one of its own."""
WRITE = "cache_write"
"""Name of the phase that writes new keys and values."""
STATIC = "static"
TOKENS_PER_OCTAVE = 4
WHOLE = frozenset({"npu_pim"})
"""Families whose steps overlap inside a layer, so that a layer is simulated as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Time of a step in seconds, and joules above idle of one device; None where the hardware does not give them.

    compute_s, memory_s: what its arithmetic and its bytes take at least, at the peak of the device.
    """

    seconds: float
    joule: float | None
    compute_s: float = 0.0
    memory_s: float = 0.0

    def plus(self, other: Cost) -> Cost:
        """Both, one after the other."""
        return self.mixed(1.0, other, 1.0)

    def mixed(self, share: float, other: Cost, other_share: float) -> Cost:
        """The sum of a share of each."""
        known = self.joule is not None and other.joule is not None
        return Cost(
            seconds=share * self.seconds + other_share * other.seconds,
            joule=share * (self.joule or 0.0) + other_share * (other.joule or 0.0) if known else None,
            compute_s=share * self.compute_s + other_share * other.compute_s,
            memory_s=share * self.memory_s + other_share * other.memory_s,
        )


NOTHING = Cost(seconds=0.0, joule=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Steps of a layer that follow each other on a device without waiting for another.

    reduced: elements of a token's result that have to be added up over the group afterwards; 0 for none.
    """

    name: str
    steps: tuple[str, ...]
    reduced: int = 0


class Device:
    """Costs on one of `tensor_parallel` devices of a pool. Raises AttnSimError for what the device cannot run."""

    def __init__(
        self, model: str, pool: Pool, tensor_parallel: int, kernels: Kernels, overrides: Sequence[str] = ()
    ) -> None:
        self._request = Request(
            model=model,
            hardware=pool.hardware,
            mapping=pool.mapping,
            scope="layer",
            phase="decode",
            seq_len=1,
            batch=1,
            tensor_parallel=tensor_parallel,
            overrides=tuple(overrides),
            cold=kernels.caches == "cold",
        )
        self._kernels = kernels
        self._made: dict[tuple[object, ...], Cost] = {}
        self.trust: dict[tuple[str, str], Trust] = {}
        self.static_w = 0.0
        self.plan = make_plan(self._request)
        self.whole = self.plan.hardware.family in WHOLE

    @cached_property
    def before(self) -> tuple[Segment, ...]:
        """Segments before attention: up to the queries, and the rest; one if queries are not made on their own."""
        names = [step.name for step in self._steps]
        ahead = names[: names.index(ATTENTION)]
        cut = ahead.index(QUERY) + 1 if QUERY in ahead else len(ahead)
        parts = [("queries", ahead[:cut]), ("keys and values", ahead[cut:])]
        return tuple(Segment(name=name, steps=tuple(steps)) for name, steps in parts if steps)

    @cached_property
    def after(self) -> tuple[Segment, ...]:
        """Segments after attention, each up to a result that has to be added up."""
        found: list[Segment] = []
        steps: list[str] = []
        names = [step.name for step in self._steps]
        for step in self._steps[names.index(ATTENTION) + 1 :]:
            steps.append(step.name)
            if step.summed_over > 1:
                found.append(Segment(name=step.name, steps=tuple(steps), reduced=_columns(step)))
                steps = []
        if steps:
            found.append(Segment(name=steps[-1], steps=tuple(steps)))
        return tuple(found)

    @cached_property
    def _knows_past(self) -> bool:
        """Whether the cascade of attention masks what comes later; one that does not computes all pairs."""
        attention = next(step for step in self._steps if step.name == ATTENTION)
        names = {rank for rank, _ in attention.cascade.ranks} | {name for name, _ in attention.cascade.constants}
        return "PAST" in names

    @property
    def _steps(self) -> tuple[Step, ...]:
        return self.plan.workload.steps

    def segment(self, segment: Segment, tokens: float) -> Cost:
        """The steps of a segment for so many tokens: between shapes that are simulated, in proportion."""
        if tokens <= 0:
            return NOTHING
        low, high, share = bracket(tokens, TOKENS_PER_OCTAVE)
        first = self._at(segment, low)
        return first if share == 0 else first.mixed(1 - share, self._at(segment, high), share)

    def _at(self, segment: Segment, tokens: int) -> Cost:
        cost = NOTHING
        for name in segment.steps:
            cost = cost.plus(self.step(name, tokens))
        return cost

    def step(self, name: str, tokens: int) -> Cost:
        """A step other than attention, for so many tokens."""
        return self._remember(("step", name, tokens), lambda: self._only(name, replace(self._request, batch=tokens)))

    def head(self, tokens: float) -> Cost:
        """What follows the last layer, for so many tokens; nothing for a model that does not say it."""
        low, high, share = bracket(max(tokens, 1), TOKENS_PER_OCTAVE)
        return self._head(low).mixed(1 - share, self._head(high), share)

    def _head(self, tokens: int) -> Cost:
        def make() -> Cost:
            request = replace(self._request, scope="head", batch=tokens)
            return self._cost(simulate_plan(_alone(make_plan(request))))

        return self._remember(("head", tokens), make)

    def decode(self, sequences: int, keys: int) -> Cost:
        """Attention of one new token of each of so many sequences of `keys` tokens, the new ones included."""
        key = ("decode", sequences, keys)
        return self._remember(
            key, lambda: self._only(ATTENTION, replace(self._request, batch=sequences, seq_len=max(keys, 1)))
        )

    def decode_older(self, sequences: int, keys: int) -> Cost:
        """Attention of the new tokens to older ones, whose keys and values are written already."""
        request = replace(self._request, batch=sequences, seq_len=max(keys, 1))
        key = ("older", sequences, keys)
        return self._remember(key, lambda: self._only(ATTENTION, request, without=WRITE))

    def prefill(self, tokens: int, keys: int) -> Cost:
        """Attention of so many new tokens, each of which sees `keys` others in the mean.

        They are those of one sequence with a past where keys are many, else of as many sequences without one as make
        that mean.
        """
        past = round(keys - (tokens + 1) / 2)
        if past >= 0:
            shape = (1, tokens, past)
        else:
            length = max(1, min(tokens, round(2 * keys) - 1))
            shape = (max(1, round(tokens / length)), length, 0)

        def make() -> Cost:
            sequences, queries, before = shape
            extents = {"P": queries, "M": before + queries, **({"PAST": before} if self._knows_past else {})}
            request = replace(
                self._request, batch=sequences, seq_len=before + queries, phase="prefill", extents=extents
            )
            return self._only(ATTENTION, request)

        return self._remember(("prefill", *shape), make)

    def layer(self, sequences: int, keys: int) -> Cost:
        """A whole decoder layer for one new token of each sequence, sums over the group included."""
        request = replace(self._request, batch=sequences, seq_len=max(keys, 1))
        return self._remember(("layer", sequences, keys), lambda: self._cost(simulate_plan(make_plan(request))))

    def _only(self, name: str, request: Request, without: str = "") -> Cost:
        """One step of a layer, if need be without one of its phases; sums over the group are left to the system.

        What is known of the error of steps that do not run here is not asked for.
        """
        plan = make_plan(request)
        steps = tuple(replace(step, summed_over=1) for step in plan.workload.steps if step.name == name)
        mappings = {step: own for step, own in plan.mappings.items() if step == name}
        alone = replace(plan, workload=replace(plan.workload, steps=steps), mappings=mappings)
        return self._cost(simulate_plan(alone), without)

    def _remember(self, key: tuple[object, ...], make: Callable[[], Cost]) -> Cost:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _cost(self, result: Run | Infeasible, without: str = "") -> Cost:
        if isinstance(result, Infeasible):
            raise AttnSimError(Problem(path=self.plan.hardware.name, what=str(result)))
        for one in result.trust:
            self.trust.setdefault((one.step, one.mapping), one)
        metrics = result.metrics
        self.static_w = float(metrics.energy_j.get(STATIC, 0.0)) / metrics.latency_s
        seconds = metrics.latency_s - sum(phase.latency_s for phase in metrics.phases if phase.name == without)
        if self._kernels.times == "ideal":
            seconds = ideal_s(metrics, self._kernels)
        known = {name: joule for name, joule in metrics.energy_j.items() if name != STATIC}
        bounds = metrics.bounds_s
        return Cost(
            seconds=float(seconds),
            joule=float(sum(known.values())) if known else None,
            compute_s=float(max((bound for name, bound in bounds.items() if name not in _MEMORIES), default=0.0)),
            memory_s=float(max((bound for name, bound in bounds.items() if name in _MEMORIES), default=0.0)),
        )


def ideal_s(metrics: Metrics, kernels: Kernels) -> float:
    """The largest lower bound of a step in seconds, each stretched by the share of it that kernels reach."""
    stretched = [
        bound / (kernels.memory if name in _MEMORIES else kernels.compute) for name, bound in metrics.bounds_s.items()
    ]
    return float(max(stretched, default=0.0))


_MEMORIES = frozenset({"dram", "memory", "l2", "hbm"})


def _alone(plan: Plan) -> Plan:
    steps = tuple(replace(step, summed_over=1) for step in plan.workload.steps)
    return replace(plan, workload=replace(plan.workload, steps=steps))


def _columns(step: Step) -> int:
    """Elements of a step's result for one token: all extents of its outputs but those of tokens."""
    return math.prod(size for rank, size in step.extents.items() if rank in ("N", "D"))
