"""Model specs: what `workloads/models/<name>.yaml` may say: the extents of a transformer layer and its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field, PositiveInt

from attnsim.errors import AttnSimError, Problem, SpecError
from attnsim.specs.library import find
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at

_MOST_SHOWN = 64


class Step(Spec):
    """One step of a layer: a cascade and its extents, each a product of the model's ranks (`B*P`).

    A step without a cascade is the attention step: the mapping (or the user) says which cascade computes it.
    """

    name: Text
    cascade: str | None = None
    extents: dict[str, int | str] = Field(default_factory=dict)


class TensorParallel(Spec):
    """How a layer is divided over a group of devices, after Shoeybi et al., Megatron-LM, 2019, section 3.

    devices: of the group, unless a run says otherwise. ranks: those of which each device has an equal part; everything
    else every device has whole.
    """

    devices: PositiveInt
    ranks: list[Text] = Field(min_length=1)


class Model(FileSpec):
    """A transformer layer: `ranks` by letter, defaults for batch and sequence length, and the steps of one layer.

    B is the batch, P and M the query and key lengths; both are the sequence length unless the user says otherwise.
    `ranks` are those of the whole layer; with `tensor_parallel` a run is of one device of the group. layers: equal ones
    that follow each other; pipeline_parallel: stages that they are divided into, unless a run says otherwise.
    head: steps after the last layer, once for all layers, which make tokens of its output; embedding: elements of the
    table that turns tokens into the input of the first layer, a product of ranks such as `V*D`, where it is stored
    beside the head. Both count in serving only.
    """

    name: Text
    title: str = ""
    source: Source = Field(examples=["paper, year, section"], description="where the numbers come from")
    notes: str = ""
    batch: PositiveInt = 1
    seq_len: PositiveInt = 4096
    ranks: dict[str, PositiveInt]
    tensor_parallel: TensorParallel | None = None
    layers: PositiveInt | None = None
    pipeline_parallel: PositiveInt = 1
    layer: list[Step] = Field(default_factory=list)
    head: list[Step] = Field(default_factory=list)
    embedding: str | None = None


def load_model(name: str, overrides: Sequence[Override] = ()) -> Model:
    """Read a model by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    return load_spec(find("model", name), Model, overrides, model_problems)


def model_problems(model: Model) -> list[Problem]:
    """Contradictions inside a model: tensor parallelism of ranks that it lacks.

    Whether its devices divide them is looked at by `one_of`, once a run has said how many there are.
    """
    parallel = model.tensor_parallel
    if parallel is None:
        return []
    known = ", ".join(model.ranks)
    return [
        problem_at(model, f"tensor_parallel.ranks.{place}", f"the model has no rank {rank!r}", f"known: {known}")
        for place, rank in enumerate(parallel.ranks)
        if rank not in model.ranks
    ]


def devices_of(model: Model, asked: int | None) -> int:
    """Devices that share a layer: as many as asked for, or as the model says; 1 if it says nothing."""
    usual = model.tensor_parallel.devices if model.tensor_parallel is not None else 1
    return usual if asked is None else asked


def stages_of(model: Model, asked: int | None) -> tuple[int, int]:
    """Layers of a model, and the stages of devices that they are divided into: as many as asked for, or as it says.

    Raises SpecError for a model that does not say how many layers it has, and for stages that do not divide them.
    """
    if model.layers is None:
        what, remedy = f"{model.name} does not say how many layers it has", "write layers: 32 into it, or --scope layer"
        raise SpecError(problem_at(model, "layers", what, remedy))
    stages = model.pipeline_parallel if asked is None else asked
    if stages < 1 or model.layers % stages:
        fit = ", ".join(str(n) for n in range(1, model.layers + 1) if model.layers % n == 0)
        what = f"{model.layers} layers are not divided by {stages} stages"
        raise SpecError(problem_at(model, "layers", what, f"take {fit}"))
    return model.layers, stages


def one_of(model: Model, devices: int) -> Model:
    """The model as one of so many devices has it: divided ranks have their part, all else stays.

    Raises AttnSimError for fewer devices than one, a model that does not say what is divided, and a rank that the
    devices do not divide.
    """
    if devices < 1:
        what = f"{devices} is not a positive number"
        raise AttnSimError(Problem(path="--tensor-parallel", what=what, remedy="give a whole number of at least 1"))
    if devices == 1:
        return model
    parallel = model.tensor_parallel
    if parallel is None:
        what = f"{model.name} does not say which ranks tensor parallelism divides"
        remedy = f"leave --tensor-parallel out, or write tensor_parallel: {{devices: {devices}, ranks: [H, S]}} into it"
        raise SpecError(problem_at(model, "tensor_parallel", what, remedy))
    undivided = _undivided(model, parallel, devices)
    if undivided:
        raise SpecError(*undivided)
    parts = {rank: size // devices if rank in parallel.ranks else size for rank, size in model.ranks.items()}
    return model.model_copy(update={"ranks": parts})


def _undivided(model: Model, parallel: TensorParallel, devices: int) -> list[Problem]:
    """A problem for each rank that is divided over the devices with a rest."""
    whole = math.gcd(*(model.ranks[rank] for rank in parallel.ranks))
    fit = [str(n) for n in range(1, min(whole, _MOST_SHOWN) + 1) if whole % n == 0]
    return [
        problem_at(
            model,
            f"ranks.{rank}",
            f"{model.ranks[rank]} is not divided by {devices} devices of tensor parallelism",
            f"take {', '.join(fit)}",
        )
        for rank in dict.fromkeys(parallel.ranks)
        if model.ranks[rank] % devices
    ]
