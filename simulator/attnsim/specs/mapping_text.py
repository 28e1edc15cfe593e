"""A mapping as the text of its YAML file: what a search found, in the form that `attnsim run --mapping` reads."""

from __future__ import annotations

import yaml

from attnsim.specs.mapping import Mapping

_WIDTH = 120


def mapping_text(mapping: Mapping) -> str:
    """YAML of a mapping; what is at its default is left out."""
    document = mapping.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    ordered = {"name": mapping.name, "family": mapping.family, **document}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=None)
