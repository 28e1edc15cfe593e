"""Objectives as people type them."""

from __future__ import annotations

import pytest

from attnsim.errors import AttnSimError
from attnsim.serving.slo import parse_slo


def test_limits_are_separated_by_commas_and_have_units() -> None:
    slo = parse_slo("ttft=2s, tbt = 60 ms,tpot=40ms,latency=1 min")
    assert slo.limits_s == (("ttft", 2.0), ("tbt", 0.06), ("tpot", 0.04), ("latency", 60.0))
    assert str(parse_slo("ttft=2s,tbt=60ms")) == "ttft 2000 ms, tbt 60 ms"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' limits nothing that is known; known: ttft, tbt, tpot, latency"),
        ("tftt=2s", "'tftt=2s' limits nothing that is known; did you mean ttft?"),
        ("ttft=2s,", "'' limits nothing that is known"),
        ("ttft=2s,ttft=3s", "ttft is limited twice; give it once"),
        ("ttft", "'' is not a time above zero; write for example ttft=60ms"),
        ("ttft=2", "'2' is not a time above zero"),
        ("ttft=0s", "'0s' is not a time above zero"),
        ("tbt=-1s", "'-1s' is not a time above zero"),
        ("tbt=3GB", "'3GB' is not a time above zero"),
        ("tbt=1e999s", "'1e999s' is not a time above zero"),
        ("tbt=nan s", "'nan s' is not a time above zero"),
        ("tbt=60=ms", "'60=ms' is not a time above zero"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(AttnSimError) as caught:
        parse_slo(text)
    assert str(caught.value).startswith(f"--slo: {said}")


def test_every_bad_limit_is_named() -> None:
    with pytest.raises(AttnSimError) as caught:
        parse_slo("ttft=2,tbx=1s,tpot=x")
    assert len(caught.value.problems) == 3
