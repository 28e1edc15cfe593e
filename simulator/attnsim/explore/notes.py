"""What a study should be told before it runs: values that stay where a reader would expect them to change."""

from __future__ import annotations

from attnsim.specs.hardware import load_hardware
from attnsim.specs.spatial_array import Memory, SpatialArray
from attnsim.specs.study import Study

_PREFIX, _CAPACITY = "hardware.memories.", ".capacity"
_OF_CAPACITY = ("read", "write", "area")


def notes_of(study: Study) -> tuple[str, ...]:
    """A line for each memory whose capacity a study changes while its energies or its area stay those of the file.

    Raises AttnSimError for hardware that cannot be read.
    """
    changed = [path for path in (*study.vary, *study.derive) if path.startswith(_PREFIX) and path.endswith(_CAPACITY)]
    given = study.vary.get("hardware")
    names = [str(name) for name in given] if isinstance(given, list) else [study.base.hardware or ""]
    found = [
        _note(study, name, path.removeprefix(_PREFIX).removesuffix(_CAPACITY))
        for name in names
        for path in changed
        if name
    ]
    return tuple(dict.fromkeys(note for note in found if note))


def _note(study: Study, hardware_name: str, memory_name: str) -> str:
    hardware = load_hardware(hardware_name)
    memory = hardware.memories.get(memory_name) if isinstance(hardware, SpatialArray) else None
    if memory is None:
        return ""
    kept = [name for name in _OF_CAPACITY if _stays(study, memory, f"{_PREFIX}{memory_name}.{name}", name)]
    if not kept:
        return ""
    what = f"{_PREFIX}{memory_name}{_CAPACITY} changes, but {', '.join(kept)} stay those of {hardware_name}"
    return f"{what}; derive them, or give them as {{value: ..., at: ..., exponent: ...}}"


def _stays(study: Study, memory: Memory, path: str, name: str) -> bool:
    """Whether a value of a memory stays as it is in the file, though it is known and is set nowhere."""
    value = getattr(memory, name)
    set_somewhere = path in study.vary or path in study.derive or path in study.base.set
    return isinstance(value, float) and not set_somewhere
