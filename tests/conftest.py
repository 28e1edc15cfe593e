"""What every test shares: deterministic Hypothesis, golden texts that `pytest --update-golden` rewrites, and serving
with times that the test chooses.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import patch

import hypothesis
import pytest

if TYPE_CHECKING:
    from attnsim.serving.simulate import Served

GOLDEN = Path(__file__).parent / "golden"

hypothesis.settings.register_profile("attnsim", derandomize=True, deadline=None, database=None, max_examples=50)
hypothesis.settings.load_profile("attnsim")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`."""
    parser.addoption("--update-golden", action="store_true", help="write what the code prints now over tests/golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden("analysis/gemm.txt", text)` fails unless the text is that of the file in tests/golden."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.is_file(), f"tests/golden/{name} does not exist; write it with: pytest --update-golden"
        assert text == path.read_text(encoding="utf-8"), f"differs from tests/golden/{name}"

    return check


Asked = tuple[int, int, int]
"""A request: when it comes (ps), its prompt and how many tokens it generates."""


@pytest.fixture(scope="session")
def serve_stub() -> Callable[..., Served]:
    """`serve_stub([(0, 10, 3)], period=lambda decode, tokens, prefill, seen: 1000)` serves without hardware.

    pages, page, parts: memory of each of `replicas` servers; prefill, kv, schedule: blocks of the system file; what
    else is given goes to `ServeRequest`. A separate prefill has `copies` and takes `prompt_period(prompt)`.
    """
    return _serve_stub


def _serve_stub(
    asked: Sequence[Asked],
    period: Callable[[int, int, int, int], int] = lambda decode, tokens, prefill, seen: 1000,
    pages: int = 1000,
    page: int = 4,
    parts: int = 1,
    replicas: int = 1,
    prefill: dict[str, object] | None = None,
    kv: dict[str, object] | None = None,
    schedule: dict[str, object] | None = None,
    copies: int = 1,
    prompt_period: Callable[[int], int] = lambda prompt: 100 * prompt,
    swap_ps_per_token: float = 0.0,
    **request: object,
) -> Served:
    import numpy as np

    from attnsim.requests import ArrivalTrace
    from attnsim.serving import simulate
    from attnsim.serving.asked import ServeRequest
    from attnsim.serving.memory import Memory
    from attnsim.specs.system import System

    pool = {"hardware": "none", "devices": 1, "price_usd_per_hour": 1.0}
    told = {"pools": {"gpus": pool, "prompts": pool}, "kv": kv or {}}
    told |= {"layers": {"pool": "gpus", "replicas": replicas}, "prefill": prefill or {"mode": "removed"}}
    told |= {"name": "stub", "family": "offload", "source": "this test", "schedule": schedule or {}}
    system = System.model_validate(told)
    memory = Memory(
        weights_bytes=1.0,
        read_bytes=1.0,
        token_bytes=1,
        kv_bytes=float(pages * page),
        page=page,
        pages=pages,
        swap_ps_per_token=swap_ps_per_token,
        parts=parts,
    )
    layers = SimpleNamespace(replicas=copies, pool="prompts")
    own = SimpleNamespace(layers=layers, pools=system.pools)
    prompts = SimpleNamespace(system=own, tensor_parallel=1, memory=memory, device=_device())
    separate = system.prefill.mode == "separate"
    machine = SimpleNamespace(memory=memory, memory_devices=0, tensor_parallel=1, device=_device())
    machine.system = machine.model = system
    setup = SimpleNamespace(
        system=system,
        machine=machine,
        costs=_costs(period),
        prefill=(prompts, _costs(lambda decode, tokens, prompt, seen: prompt_period(prompt))) if separate else None,
        memory=memory,
    )
    times, prompt, generated = (np.array(column, np.int64) for column in zip(*asked, strict=True))
    trace = ArrivalTrace(name="stub", arrival_ps=times, prompt=prompt, generated=generated)
    named = ServeRequest(system="lamina", model="llama3_70b", trace="stub", **request)
    with patch.object(simulate, "load_arrivals", lambda *_, **__: trace):
        return simulate.serve_on(setup, named)


def _costs(period: Callable[[int, int, int, int], int]) -> SimpleNamespace:
    from attnsim.serving.costs import Check, Spent

    return SimpleNamespace(
        period_ps=lambda decode, tokens, prefill=0, seen=0: period(decode, tokens, prefill, seen),
        forget_use=lambda: None,
        batches=1,
        simulated=0,
        spent=lambda: Spent(busy_ps={}, joule=None),
        check=lambda: Check(mean=0.0, largest=0.0, shapes=0),
    )


def _device() -> SimpleNamespace:
    return SimpleNamespace(plan=SimpleNamespace(hardware=SimpleNamespace(name="none")), static_w=0.0, trust={})


CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


@pytest.fixture
def require_page(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[Path, str], None]:
    """A check that the commands of a page print what its console blocks say, beside the files that it gives.

    The kind is the word that marks a file: a block of YAML begins with `# kind: name`. `--update-golden` writes what
    the commands print now.
    """
    from attnsim.cli import main

    def replay(block: str) -> str:
        told = ""
        for command in (line for line in block.splitlines() if line.startswith("$ attnsim ")):
            main(shlex.split(command)[2:])
            shown = capsys.readouterr()
            told += f"{command}\n{shown.out}{shown.err}"
        return f"```console\n{told}```"

    def check(path: Path, kind: str) -> None:
        page = path.read_text(encoding="utf-8")
        for name, text in re.findall(rf"```yaml\n# {kind}: (\S+)\n(.*?)```", page, re.DOTALL):
            (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        replayed = CONSOLE.sub(lambda match: replay(match[1]), page)
        if request.config.getoption("--update-golden"):
            path.write_text(replayed, encoding="utf-8")
        assert replayed == path.read_text(encoding="utf-8")

    return check
