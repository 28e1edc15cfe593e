"""Links against held-out timings of collectives: as good as validation/links/README.md says.

Needs the package of timings, which `make setup` installs.
"""

from __future__ import annotations

import re

import pytest

from attnsim.calibrate.links import GPUS_OF
from attnsim.measured.package import find_package
from attnsim.measured_validation.links import OURS, TARGET_MAPE, JudgedLinks, judge_links, score_of
from attnsim.specs.library import data_root

PAGE = (data_root() / "validation" / "links" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def judged() -> JudgedLinks:
    return judge_links(find_package(), unseen=False)


def test_the_mean_error_over_all_held_out_rows_is_within_the_target(judged: JudgedLinks) -> None:
    assert judged.held_out.height > 2000
    assert judged.met
    ours, constants = judged.scores[OURS].mape, judged.scores["alpha_beta_ms"].mape
    assert ours <= TARGET_MAPE
    assert ours < constants / 3


@pytest.mark.parametrize("link", GPUS_OF)
def test_a_link_is_as_far_off_as_the_page_says(link: str, judged: JudgedLinks) -> None:
    (told,) = re.findall(rf"^\| `{link}` \| \d+ \| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", PAGE, re.MULTILINE)
    rows = judged.held_out.filter(judged.held_out["gpu"].is_in(GPUS_OF[link]))
    scores = score_of(rows)
    assert (str(scores.rows), f"{100 * scores.mape:.1f}", f"{100 * scores.median_ape:.1f}") == told
