"""Loading speed: reading and checking all files of a run is a small part of a run."""

from __future__ import annotations

import subprocess
import sys
import time

from attnsim.specs.cascade import load_cascade
from attnsim.specs.hardware import load_hardware
from attnsim.specs.mapping import load_mapping
from attnsim.specs.model import load_model

SHOULD_STAY_AWAY = ("pint", "numba", "matplotlib", "jsonschema")


def load_all() -> None:
    load_hardware("fusemax")
    load_mapping("binding")
    load_model("bert")
    load_cascade("attention_1pass")


def test_the_files_of_a_run_load_in_60_ms_once_the_modules_are_imported() -> None:
    load_all()
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        load_all()
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.06


def test_loading_specs_imports_nothing_slow() -> None:
    program = (
        "import sys; from attnsim.specs.hardware import load_hardware; load_hardware('fusemax'); "
        f"print([name for name in {SHOULD_STAY_AWAY} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
