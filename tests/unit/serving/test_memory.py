"""What fits: weights and keys and values of published models, by hand, and what is said when they do not."""

from __future__ import annotations

import pytest

from attnsim.errors import AttnSimError
from attnsim.serving.machine import Machine, make_machine, read_system
from attnsim.serving.memory import Memory

# Parameters of a layer, of the head and of the embedding, from the shapes that the papers print; 2 bytes each.
LLAMA3_70B = (8192 * (64 * 128 + 2 * 8 * 128) + 64 * 128 * 8192 + 8192 * 2 * 28672 + 28672 * 8192, 80, 8192 * 128256)
LLAMA_65B = (4 * 8192 * 8192 + 3 * 8192 * 22016, 80, 8192 * 32000)
LLAMA_33B = (4 * 6656 * 6656 + 3 * 6656 * 17920, 60, 6656 * 32000)


def machine(system: str, model: str, *overrides: str) -> Machine:
    return make_machine(read_system(system, overrides), model)


def memory(system: str, model: str, *overrides: str) -> Memory:
    return machine(system, model, *overrides).memory


@pytest.mark.parametrize(
    ("model", "parameters", "token_bytes"),
    [
        ("llama3_70b", LLAMA3_70B, 2 * 80 * 2 * 8 * 128),
        ("llama_65b", LLAMA_65B, 2 * 80 * 2 * 64 * 128),
        ("llama_33b", LLAMA_33B, 2 * 60 * 2 * 52 * 128),
    ],
)
def test_weights_and_tokens_have_the_bytes_of_the_published_shapes(
    model: str, parameters: tuple[int, int, int], token_bytes: int
) -> None:
    layer, layers, head = parameters
    found = memory("h100_x4", model)
    assert found.weights_bytes == 2 * (layer * layers + 2 * head)
    assert found.read_bytes == 2 * (layer * layers + head)
    assert found.token_bytes == token_bytes


def test_published_sizes_of_models_come_out() -> None:
    # 70.6, 65.3 and 32.5 billion parameters; Lamina, arXiv 2405.01814, table 3: 137.5, 130.1 and 64.7 GB.
    billions = {"llama3_70b": 70.55, "llama_65b": 65.28, "llama_33b": 32.53}
    for model, count in billions.items():
        assert memory("h100_x4", model).weights_bytes / 2e9 == pytest.approx(count, rel=0.001)


def test_a_token_of_llama3_70b_takes_327680_bytes_and_80_gb_hold_29_8_requests_of_8192() -> None:
    one = ("system.pools.memory.devices=1", "system.pools.memory.memory=80 GB", "system.kv.use=1.0")
    found = memory("lamina", "llama3_70b", *one)
    assert found.token_bytes == 327_680
    assert found.kv_bytes == 80e9
    assert found.kv_bytes / found.token_bytes / 8192 == pytest.approx(29.80, abs=0.005)
    assert found.pages == int(80e9 // (327_680 * 16))
    assert found.tokens == found.pages * 16


def test_keys_and_values_take_what_the_weights_leave() -> None:
    found = memory("h100_x4", "llama3_70b", "system.kv.reserved=1 GB")
    assert found.kv_bytes == pytest.approx(4 * (0.9 * 80 * 2**30 - 1e9) - found.weights_bytes)
    pipeline = memory("h100_x4", "llama3_70b", "system.layers.tensor_parallel=2", "system.layers.pipeline_parallel=2")
    # Each stage keeps a table of the embedding and of the head.
    assert pipeline.kv_bytes == pytest.approx(4 * 0.9 * 80 * 2**30 - found.weights_bytes - 2 * 2 * 8192 * 128256)


def test_memory_devices_hold_keys_and_values_only() -> None:
    found = memory("lamina", "llama3_70b")
    assert found.kv_bytes == pytest.approx(4 * 0.9 * 96e9)
    assert found.parts == 1
    assert memory("lamina", "llama3_70b", "system.attention.partition=requests").parts == 4


def test_a_sequence_takes_whole_pages() -> None:
    found = memory("h100_x4", "llama3_70b", "system.kv.page=10")
    assert [found.pages_for(tokens) for tokens in (1, 10, 11, 20)] == [1, 1, 2, 2]


def test_a_swapped_token_goes_over_the_links_of_all_devices_that_hold_it() -> None:
    swap = ("system.kv.preemption=swap", "system.kv.host_link=50 GB/s")
    assert memory("h100_x4", "llama3_70b", *swap).swap_ps_per_token == pytest.approx(327_680 / (4 * 50e9) * 1e12)


def test_weights_that_do_not_fit_are_told_with_the_gap_and_what_would_do() -> None:
    with pytest.raises(AttnSimError) as caught:
        _ = memory("h100_x4", "llama3_70b", "system.layers.tensor_parallel=1", "system.pools.gpus.devices=1")
    # 141.1 GB of weights against 0.9 x 80 GiB = 77.31 GB.
    assert str(caught.value) == (
        "h100_x4: llama3_70b does not fit pool gpus: each device holds 141.1 GB of weights and has 77.31 GB for them, "
        "63.8 GB too few; share the layers among at least 2 such devices, or raise kv.use"
    )


def test_less_than_a_page_is_told() -> None:
    with pytest.raises(AttnSimError, match="are left for keys and values, less than a page of 1000000 tokens takes;"):
        _ = memory("h100_x4", "llama3_70b", "system.kv.page=1000000")


@pytest.mark.parametrize(
    ("system", "model", "overrides", "said"),
    [
        ("lamina", "llama3_70b", ["system.pools.memory.devices=3"], "8 heads .* divided by 3 devices"),
        ("lamina", "llama_33b", ["system.pools.memory.devices=8"], "52 heads .* divided by 8 devices"),
        (
            "h100_x4",
            "llama3_70b",
            ["system.layers.tensor_parallel=3", "system.pools.gpus.devices=3"],
            "ranks.H: 8 is not divided by 3 devices",
        ),
    ],
)
def test_heads_that_do_not_divide_are_told(system: str, model: str, overrides: list[str], said: str) -> None:
    with pytest.raises(AttnSimError, match=said):
        machine(system, model, *overrides)


def test_requests_of_any_number_of_heads_spread_over_any_number_of_devices() -> None:
    by_requests = ("system.pools.memory.devices=3", "system.attention.partition=requests")
    assert memory("lamina", "llama3_70b", *by_requests).parts == 3


def test_a_device_has_the_memory_that_its_pool_says() -> None:
    usual = memory("lamina", "llama3_70b").kv_bytes
    assert memory("lamina", "llama3_70b", "system.pools.memory.memory=48 GB").kv_bytes == pytest.approx(usual / 2)
