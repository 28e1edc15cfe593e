"""Model specs: what `workloads/models/<name>.yaml` may say: the extents of a transformer layer and its steps."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, PositiveInt

from attnsim.specs.library import find
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.spec import FileSpec, Source, Spec, Text


class Step(Spec):
    """One step of a layer: a cascade and its extents, each a product of the model's ranks (`B*P`).

    A step without a cascade is the attention step: the mapping (or the user) says which cascade computes it.
    """

    name: Text
    cascade: str | None = None
    extents: dict[str, int | str] = Field(default_factory=dict)


class Model(FileSpec):
    """A transformer layer: `ranks` by letter, defaults for batch and sequence length, and the steps of one layer.

    B is the batch, P and M the query and key lengths; both are the sequence length unless the user says otherwise.
    """

    name: Text
    title: str = ""
    source: Source = Field(examples=["paper, year, section"], description="where the numbers come from")
    notes: str = ""
    batch: PositiveInt = 1
    seq_len: PositiveInt = 4096
    ranks: dict[str, PositiveInt]
    layer: list[Step] = Field(default_factory=list)


def load_model(name: str, overrides: Sequence[Override] = ()) -> Model:
    """Read a model by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    return load_spec(find("model", name), Model, overrides)
