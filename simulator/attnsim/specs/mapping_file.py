"""What every mapping file says, whatever the hardware: its name and source, and the cascades that it is written for."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from attnsim.specs.spec import FileSpec, Spec, Text


class Target(Spec):
    """The cascade that a mapping is written for and the hardware that it runs on when none is named.

    also: other cascades that the mapping can run as it is. grouped: the one among them to take in place of `cascade`
    for a model whose query heads share keys and values in groups (its rank G is above 1).
    """

    cascade: str
    grouped: str | None = None
    hardware: str | None = None
    also: list[str] = Field(default_factory=list)


class MappingFile(FileSpec):
    """A mapping file. companions: cascade -> mapping for the other steps of a layer."""

    model_config = ConfigDict(populate_by_name=True)

    name: Text
    title: str = ""
    source: str = ""
    notes: str = ""
    target: Target = Field(alias="for")
    companions: dict[str, str] = Field(default_factory=dict)
