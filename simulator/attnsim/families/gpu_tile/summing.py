"""Results that a tensor-parallel group adds up: an all-reduce on the link of the GPU after the step that made them.

Step x GPU -> Collective -> phase. Each GPU of the group has a part of the sum of every element of the step's output
(Shoeybi et al., Megatron-LM, 2019, section 3). Libraries exchange them in 16 bits.
"""

from __future__ import annotations

import math

from attnsim.analysis.sizes import bind_sizes
from attnsim.components.collectives import Collective, add_collective, add_link, collective
from attnsim.einsum.shapes import tensor_ranks
from attnsim.engine.fold import FoldedProgram
from attnsim.engine.phases import ProgramPhase, TimedProgram
from attnsim.errors import SpecError
from attnsim.specs.gpu_tile import GpuTile
from attnsim.specs.link import require_link
from attnsim.specs.spec import problem_at
from attnsim.taskgraph import GraphBuilder, TaskGraph
from attnsim.workload import Step

LINK = "link"
NAME = "all_reduce"
_BYTES = 2
"""Of an element: results come in 16 bits whatever the type of the operands."""


def summed(step: Step, gpu: GpuTile) -> Collective | None:
    """The all-reduce of a step's results; None if there is nothing to add up.

    Raises SpecError for a GPU that names no link, or one that does not exist.
    """
    if step.summed_over < 2:
        return None
    if gpu.link is None:
        what = f"{gpu.name} names no link, and {step.name} adds up the results of {step.summed_over} of them"
        remedy = "add `link:`, one of `attnsim list link`, or run with --tensor-parallel 1"
        raise SpecError(problem_at(gpu, "", what, remedy))
    return collective(require_link(gpu.link, gpu), "all_reduce", _BYTES * _output_words(step), step.summed_over)


def summing_phase(step: str, done: Collective) -> ProgramPhase:
    """The all-reduce as a phase of its own: what comes next needs the sums."""

    def build(_: tuple[int, ...]) -> TaskGraph:
        graph = GraphBuilder()
        add_collective(graph, add_link(graph, done.bandwidth_bytes_per_s, LINK), done, label=step)
        return graph.build()

    program = FoldedProgram(trips=(), build=build, tasks=lambda _: 2)
    return ProgramPhase(step=step, name=NAME, programs=(TimedProgram(program=program),))


def _output_words(step: Step) -> int:
    """Elements of all tensors that a step writes for others."""
    extents = bind_sizes(step.cascade, step.extents).extents
    ranks = tensor_ranks(step.cascade)
    batch = math.prod(extents[rank] for rank in step.cascade.batch)
    return batch * sum(math.prod(extents[rank] for rank in ranks[name]) for name in step.cascade.outputs)
