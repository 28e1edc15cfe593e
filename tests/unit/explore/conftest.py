"""What tests of exploration share: a study that is cheap, judged without a simulation where that is not the matter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from attnsim.explore import search, sweep
from attnsim.explore.evaluate import Judged
from attnsim.explore.space import Design, Space
from attnsim.specs.study import Study, load_study

TINY: dict[str, object] = {
    "name": "tiny",
    "source": "made for tests",
    "base": {"hardware": "fusemax", "mapping": "cascade", "model": "bert", "batch": 1, "seq_len": 1024},
    "vary": {
        "hardware.memories.global_buffer.capacity": {"from": "16 MiB", "to": "64 MiB", "steps": 4},
        "hardware.memories.dram.bandwidth": {"from": "200 GB/s", "to": "1600 GB/s", "factor": 2},
        "mapping": ["cascade", "unfused"],
    },
    "minimize": ["latency_s", "energy_j.total"],
}
MakeStudy = Callable[..., Path]
Stub = Callable[[Callable[[Design], Judged]], None]


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """`make_study(budget=5)` writes the study with changes (None leaves a key out); its path."""

    def make(**changes: object) -> Path:
        document = {key: value for key, value in {**TINY, **changes}.items() if value is not None}
        path = tmp_path / f"{document['name']}.yaml"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return make


@pytest.fixture
def tiny(make_study: MakeStudy) -> Callable[..., Study]:
    """`tiny(budget=5)` is the study with changes."""
    return lambda **changes: load_study(str(make_study(**changes)))


@pytest.fixture
def judged_by(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """`judged_by(rule)` has designs judged by a rule in place of a simulation, in this process."""

    def use(rule: Callable[[Design], Judged]) -> None:
        def judge(_space: Space, designs: Sequence[Design]) -> list[Judged]:
            return [rule(design) for design in designs]

        monkeypatch.setattr(sweep, "judge", judge)
        monkeypatch.setattr(search, "judge", judge)

    return use
