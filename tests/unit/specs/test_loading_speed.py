"""Loading speed: what reading a spec must not import."""

from __future__ import annotations

import subprocess
import sys

SHOULD_STAY_AWAY = ("pint", "numba", "matplotlib", "jsonschema")


def test_loading_specs_imports_nothing_slow() -> None:
    program = (
        "import sys; from attnsim.specs.hardware import load_hardware; load_hardware('fusemax'); "
        f"print([name for name in {SHOULD_STAY_AWAY} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
