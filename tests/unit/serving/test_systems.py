"""Every shipped system serves a model that fits it, keeps count of its tokens, and is in the table of its README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attnsim.errors import AttnSimError
from attnsim.serving.outcome import Outcome
from attnsim.serving.simulate import ServeRequest, Setup, serve
from attnsim.specs.library import names, shipped_files

LARGEST = {
    "attacc_x8": "gpt3-175b",
    "h100_rtx3090x4": "llama_33b",
    "lamina_33b": "llama_33b",
    "lamina_staggered_33b": "llama_33b",
    "lamina_vllm_x2": "llama_33b",
    "neupims_x4": "gpt3-7b",
    "v6e_x1": "llama3_8b",
}
"""Models that systems are meant for; llama3_70b for all others."""
SERVED = {"attacc_x8": "gpt3-7b", "lamina_staggered_33b": "llama_33b", "neupims_x4": "gpt3-7b"}
"""Models that are served here; llama3_8b, which has fewer layers, for all others."""
REQUESTS = [(16 + number % 4, 1 + number % 5) for number in range(20)]
TOKENS = sum(generated for _, generated in REQUESTS)


def listed() -> dict[str, str]:
    """Prices of the systems as the table of the README has them."""
    text = (shipped_files("system")["lamina"].parent / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", text, re.MULTILINE))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty short requests, one each millisecond."""
    path = tmp_path_factory.mktemp("trace") / "short.csv"
    rows = [f"{number / 1000},{prompt},{generated}" for number, (prompt, generated) in enumerate(REQUESTS)]
    path.write_text("\n".join(["arrival_s,prompt_tokens,generated_tokens", *rows]) + "\n")
    return path


@pytest.mark.parametrize("name", names("system"))
def test_a_shipped_system_holds_the_model_that_it_is_meant_for(name: str) -> None:
    memory = Setup(name, LARGEST.get(name, "llama3_70b")).memory
    assert memory.tokens > 16384


@pytest.mark.parametrize("name", names("system"))
def test_a_shipped_system_serves_requests_and_makes_all_their_tokens(name: str, trace: Path) -> None:
    found = Outcome(serve(ServeRequest(system=name, model=SERVED.get(name, "llama3_8b"), trace=str(trace))))
    assert found.ended.all()
    assert found.tokens == TOKENS
    assert (found.latency >= found.ttft).all()
    assert found.utilization
    assert max(found.utilization.values()) <= 1 + 1e-9
    assert {server.free for server in found.served.servers} == {found.served.machine.memory.pages}
    price = found.price_usd_per_hour
    assert listed()[name] == ("not for rent" if price is None else f"{price:.2f}")


def test_the_readme_lists_every_system() -> None:
    assert sorted(listed()) == sorted(names("system"))


@pytest.mark.parametrize(
    ("system", "model", "overrides", "message"),
    [
        ("v6e_x1", "llama3_70b", (), "at least 5 such devices"),
        ("h100x2_rtx3090x8", "llama_33b", (), "52 heads of keys and values are not divided by 8 devices of memory"),
        ("v6e_x1", "llama3_8b", ("system.pools.chips.hardware=fusemax",), "fusemax does not say how much memory"),
        ("neupims_x8", "llama3_8b", ("system.prefill.mode=chunked",), "neupims is simulated for decoding only"),
        ("lamina", "llama3_8b", ("system.pools.memory.hardware=neupims",), "attention cannot go elsewhere"),
    ],
)
def test_a_model_that_a_system_cannot_serve_is_refused_with_the_reason(
    system: str, model: str, overrides: tuple[str, ...], message: str, trace: Path
) -> None:
    with pytest.raises(AttnSimError, match=message):
        serve(ServeRequest(system=system, model=model, trace=str(trace), overrides=overrides))
