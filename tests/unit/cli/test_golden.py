"""What people see, word for word; `pytest --update-golden` rewrites tests/golden/cli."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from attnsim.cli import main

SHOWN = {
    "run.txt": "run --model bert --seq-len 16K --batch 64 --mapping binding",
    "run_layer.txt": "run --model t5 --seq-len 1K --batch 64 --mapping flat --scope layer",
    "run_tensor_parallel.txt": "run --model gpt3-30b --hardware fusemax --phase decode --seq-len 1K --batch 64"
    " --scope layer",
    "compare.txt": "compare --model bert,xlm --seq-len 1K,1M --batch 64"
    " --mapping unfused,flat,cascade,architecture,binding",
    "compare_misfit.txt": "compare --model bert --seq-len 4K --mapping architecture,binding"
    " --set hardware.memories.global_buffer.capacity=64KiB",
    "list_model.txt": "list model",
}


@pytest.mark.parametrize(("name", "command"), SHOWN.items(), ids=SHOWN)
def test_a_command_prints_what_it_printed(
    name: str, command: str, golden: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) in (0, 2)
    golden(f"cli/{name}", f"$ attnsim {command}\n{capsys.readouterr().out}")
