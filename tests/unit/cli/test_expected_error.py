"""`attnsim compare` says beside each number how far off its mappings were on measured rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attnsim.cli.compare_table import compare_table, expected_error
from attnsim.metrics import Trust
from attnsim.pipeline import Request, Run, simulate

DECODE = Request(model="llama3_70b", hardware="h100_sxm", phase="decode", seq_len=1024)


def known(step: str, mape: float | None) -> Trust:
    return Trust(step=step, mapping="some", mape=mape, median=mape, rows=100)


def run_of(request: Request) -> Run:
    run = simulate(request)
    assert isinstance(run, Run)
    return run


@pytest.mark.parametrize(
    ("trust", "shown"),
    [
        ((), ""),
        ((known("attention", 0.063),), "6.3 %"),
        ((known("attention", 0.04), known("ffn_down", 0.09)), "9 %"),
        ((known("attention", 0.04), known("ffn_down", None)), "not measured"),
    ],
    ids=["nothing to tell", "one step", "the worst step", "a step that nobody measured"],
)
def test_the_largest_error_of_all_steps_is_shown(trust: tuple[Trust, ...], shown: str) -> None:
    assert expected_error(replace(run_of(DECODE), trust=trust)) == shown


def test_the_column_is_there_only_where_a_family_tells_errors() -> None:
    gpu, array = run_of(DECODE), run_of(Request(model="bert", seq_len=1024, mapping="binding"))
    assert "expected error" in compare_table([(DECODE, gpu)])
    assert "expected error" not in compare_table([(Request(), array)])
