"""docs/specs.md: every example is a file that is read, and the messages shown are those that come."""

from __future__ import annotations

import re

import pytest

from attnsim.errors import SpecError
from attnsim.specs.calibration import Calibration, calibration_problems
from attnsim.specs.claims import Claims, claims_problems
from attnsim.specs.gpu_tile import GpuTile, gpu_problems
from attnsim.specs.kernel import Kernel, kernel_problems
from attnsim.specs.library import data_root
from attnsim.specs.link import Link, link_problems
from attnsim.specs.load import load_text
from attnsim.specs.loop_nest import LoopNest, loop_nest_problems
from attnsim.specs.model import Model, model_problems
from attnsim.specs.spatial_array import SpatialArray, spatial_array_problems
from attnsim.specs.spec import FileSpec
from attnsim.specs.study import Study, study_problems
from attnsim.specs.system import System, system_problems
from attnsim.specs.trace import Trace, trace_problems

PAGE = (data_root() / "docs" / "specs.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n# (\w+)\n(.*?)```", PAGE, re.DOTALL)


def read(kind: str, text: str) -> FileSpec:
    match kind:
        case "hardware":
            return load_text(text, SpatialArray, "mine.yaml", spatial_array_problems)
        case "gpu":
            return load_text(text, GpuTile, "mine.yaml", gpu_problems)
        case "kernel":
            return load_text(text, Kernel, "mine.yaml", kernel_problems)
        case "calibration":
            return load_text(text, Calibration, "mine.yaml", calibration_problems)
        case "mapping":
            return load_text(text, LoopNest, "mine.yaml", loop_nest_problems)
        case "link":
            return load_text(text, Link, "mine.yaml", link_problems)
        case "system":
            return load_text(text, System, "mine.yaml", system_problems)
        case "claims":
            return load_text(text, Claims, "mine.yaml", claims_problems)
        case "trace":
            return load_text(text, Trace, "mine.yaml", trace_problems)
        case "study":
            return load_text(text, Study, "mine.yaml", study_problems)
        case _:
            return load_text(text, Model, "mine.yaml", model_problems)


@pytest.mark.parametrize(("kind", "text"), EXAMPLES, ids=[kind for kind, _ in EXAMPLES])
def test_an_example_of_the_page_is_read(kind: str, text: str) -> None:
    assert read(kind, text)


def test_there_is_an_example_of_every_kind_but_cascades() -> None:
    kinds = {
        "hardware",
        "link",
        "model",
        "mapping",
        "trace",
        "claims",
        "gpu",
        "kernel",
        "calibration",
        "system",
        "study",
    }
    assert {kind for kind, _ in EXAMPLES} == kinds


def test_the_messages_of_the_page_are_those_that_come() -> None:
    shown = [line for line in PAGE.splitlines() if line.startswith("mine.yaml:")]
    hardware = next(text for kind, text in EXAMPLES if kind == "hardware")
    broken = hardware.replace("500 MHz", "940").replace("[16, 16]", "[16, 0]").replace("bandwidth:", "bandwith:")
    with pytest.raises(SpecError) as caught:
        read("hardware", broken)
    assert [str(problem) for problem in caught.value.problems] == shown
