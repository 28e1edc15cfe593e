"""What an NPU with PIM cannot run is said with its place, what is wrong and what to do; the command ends with 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.cli import main
from attnsim.errors import AttnSimError
from attnsim.mapping.infeasible import Infeasible
from attnsim.pipeline import Request, Run, simulate

MODEL = ["--model", "gpt3-7b", "--hardware", "neupims"]
HEADS = ["--cascade", "attention_3pass", "--hardware", "neupims", "--extent", "B=4", "--extent", "H=2"]
HEADS += ["--extent", "P=1", "--extent", "M=64"]
ALPACA = ["--trace", "alpaca", "--batch", "8"]
LAYER = [*MODEL, "--scope", "layer"]

BAD = {
    "a head that does not tile a row": (
        [*HEADS, "--extent", "E=96", "--extent", "F=96"],
        ["neupims.yaml:20: memory.row: heads of 96 elements do not tile a row of 512", "take heads of 16, 32, 64, 128"],
    ),
    "a row that is read before it is open": (
        [*MODEL, *ALPACA, "--set", "hardware.memory.timing.rcd=40 ns"],
        ["--set hardware.memory.timing.rcd=40 ns: memory.timing.rcd", "memory.timing.rcd is above memory.timing.ras"],
    ),
    "two halves of one request": (
        [*LAYER, "--mapping", "concurrent_subbatch", "--trace", "alpaca", "--batch", "1"],
        [
            "concurrent_subbatch.yaml:",
            "attention.sub_batches: a batch of 1 cannot be cut into 2 sub-batches",
            "--batch",
        ],
    ),
    "more row buffers than there are": (
        [*MODEL, *ALPACA, "--mapping", "concurrent", "--set", "hardware.pim.row_buffers=1"],
        ["concurrent.yaml:", "uses 2 row buffers of a bank, and neupims has one", "use blocked"],
    ),
    "a kernel of GPUs": (
        [*MODEL, *ALPACA, "--mapping", "vllm_fa3_prefill"],
        ["vllm_fa3_prefill.yaml:", "neupims is an NPU with PIM, and this mapping is written for gpu_tile", "npu_only"],
    ),
    "a schedule of NPUs on a GPU": (
        ["--cascade", "attention_3pass", "--hardware", "h100_sxm", "--mapping", "concurrent"]
        + [f"--extent={rank}=64" for rank in "BHPMEF"],
        ["concurrent.yaml:", "h100_sxm is a GPU, and this mapping is written for npu_pim"],
    ),
    "one product in the banks": (
        [*MODEL, *ALPACA, "--mapping", "concurrent", "--set", "mapping.attention.score=array"],
        ["one product runs in the banks and one on the arrays", "place both at pim, or both at array"],
    ),
    "two sub-batches on the arrays": (
        [*LAYER, *ALPACA, "--mapping", "npu_only", "--set", "mapping.attention.sub_batches=2"],
        ["attention.sub_batches: two sub-batches share the arrays", "or take 1"],
    ),
    "no time between refreshes": (
        [*MODEL, *ALPACA, "--set", "hardware.pim.level=channel"],
        # 32 banks in turn with 32 steps of 2 ns: 160 + 90 + 14 + 2048 + 6, and 1950 less 251.
        ["memory.timing.refi: a tile is begun with 2318 ns left", "refreshes leave 1699 ns"],
    ),
    "a cascade without two products": (
        ["--cascade", "encoder_layer", "--hardware", "neupims", "--extent", "B=1", "--extent", "H=1", "--extent", "P=8"]
        + [f"--extent={rank}=64" for rank in "MEFDS"],
        ["for.cascade: encoder_layer has 8 products among other Einsums", "take attention of two products"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_message_and_exit_code_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, said = BAD[name]
    assert main(["run", *arguments]) == 2
    shown = capsys.readouterr()
    assert [part for part in said if part not in shown.err] == [], shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_trace_with_a_channel_that_the_device_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("seq_len,ch_idx\n5,40\n7,1\n", encoding="utf-8")
    assert main(["run", *MODEL, "--mapping", "concurrent", "--trace", str(trace)]) == 2
    said = "trace.ch_idx: channel 40 is named, and neupims has channels 0 to 31; name channels of the device, or none"
    assert said in capsys.readouterr().err


def test_keys_and_values_beyond_the_memory_do_not_fit_and_the_gap_is_told() -> None:
    asked = Request(model="gpt3-7b", hardware="neupims", mapping="concurrent", phase="decode", seq_len=2**20)
    found = simulate(asked)
    assert isinstance(found, Infeasible)
    # 256 sequences of 2^20 tokens with 8 of 32 heads, K and V of 128 words of 2 bytes: 2^40 bytes in 2^35.
    assert (found.demand_bytes, found.capacity_bytes) == (2**40, 2**35)
    assert f"{2**40 - 2**35:,} B too many" in str(found)
    assert "take shorter sequences or a smaller --batch" in str(found)


def test_keys_and_values_beyond_one_channel_do_not_fit_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("seq_len,ch_idx\n" + "300000,5\n" * 2 + "5,1\n", encoding="utf-8")
    arguments = ["run", *MODEL, "--mapping", "concurrent", "--trace", str(trace)]
    # 600,000 tokens of 8 heads, 4096 bytes each, in 1 GiB.
    assert main(arguments) == 2
    assert "does not fit channel 5: needs 2,457,600,000 B" in capsys.readouterr().err


SHIPPED = Path(__file__).parents[4].joinpath("hwspecs", "npu_pim", "neupims.yaml")
EXTENTS = {"B": 4, "H": 2, "E": 128, "F": 128, "P": 1, "M": 64}


def test_hardware_without_multipliers_in_its_banks_runs_on_its_arrays_only(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    plain = tmp_path / "plain.yaml"
    plain.write_text(text[: text.index("\npim:")] + "\n", encoding="utf-8")
    found = simulate(Request(cascade="attention_3pass", hardware=str(plain), extents=EXTENTS))
    assert isinstance(found, Run)
    assert found.plan.mappings["attention_3pass"].name == "npu_only"
    asked = Request(cascade="attention_3pass", hardware=str(plain), mapping="concurrent", extents=EXTENTS)
    with pytest.raises(AttnSimError, match="neupims has no multipliers in its banks; use npu_only, or hardware with"):
        simulate(asked)


@pytest.mark.parametrize(("buffers", "mapping"), [(1, "blocked"), (2, "concurrent")])
def test_without_a_mapping_the_banks_are_used_with_the_row_buffers_that_they_have(
    buffers: int, mapping: str, tmp_path: Path
) -> None:
    text = SHIPPED.read_text(encoding="utf-8").replace("default_mapping: concurrent", "")
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace("row_buffers: 2", f"row_buffers: {buffers}"), encoding="utf-8")
    found = simulate(Request(cascade="attention_3pass", hardware=str(mine), extents=EXTENTS))
    assert isinstance(found, Run)
    assert found.plan.mappings["attention_3pass"].name == mapping
