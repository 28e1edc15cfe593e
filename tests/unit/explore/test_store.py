"""Results that survive: processes killed at any moment, full disks, and folders that are not for this study."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from attnsim.errors import AttnSimError
from attnsim.explore import store as store_module
from attnsim.explore.evaluate import Judged
from attnsim.explore.store import Store, frames_of, parts_of
from attnsim.explore.sweep import sweep
from attnsim.specs.study import Study

Tiny = Callable[..., Study]
MakeStudy = Callable[..., Path]
STUB = Path(__file__).with_name("stub_study.py")
FEASIBLE = Judged(values=(1.0, 2.0), infeasible="")


def rows_of(folder: Path) -> bytes:
    """Every row, in order of their numbers, as text."""
    return pl.concat(list(frames_of(folder))).sort("design").write_csv().encode()


def started(study: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(STUB), str(study), str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(study: Path, out: Path, *options: str) -> None:
    process = started(study, out, *options)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


def test_a_study_killed_at_any_moment_ends_with_the_same_rows(make_study: MakeStudy, tmp_path: Path) -> None:
    many = {"from": "16 MiB", "to": "64 MiB", "steps": 40}
    vary = {"hardware.memories.global_buffer.capacity": many, "batch": list(range(1, 9))}
    study = make_study(vary=vary)
    finish(study, tmp_path / "whole", "--batch-size", "7")
    chance = random.Random(7)
    out = tmp_path / "killed"
    for turn in range(3):
        process = started(study, out, "--batch-size", str(chance.randint(3, 9)), *(["--resume"] if turn else []))
        assert process.stdout is not None
        for _ in range(chance.randint(1, 6)):
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.communicate()
    finish(study, out, "--resume", "--batch-size", "5")
    assert rows_of(out) == rows_of(tmp_path / "whole")
    assert not list(out.glob(".part-*"))


def test_the_order_of_batches_and_their_size_do_not_matter(tiny: Tiny, judged_by: Callable, tmp_path: Path) -> None:
    judged_by(lambda design: FEASIBLE)
    sweep(tiny(), tmp_path / "a", batch=5)
    sweep(tiny(), tmp_path / "b", batch=32)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


def test_two_runs_cannot_write_to_one_folder(tiny: Tiny, tmp_path: Path) -> None:
    with Store(tmp_path, tiny(), resume=True), pytest.raises(AttnSimError, match="another run is writing"):
        Store(tmp_path, tiny(), resume=True).__enter__()


def test_results_are_not_overwritten_unless_they_are_to_be_taken_up(
    tiny: Tiny, judged_by: Callable, tmp_path: Path
) -> None:
    judged_by(lambda design: FEASIBLE)
    sweep(tiny(), tmp_path / "out")
    with pytest.raises(AttnSimError, match="give --resume, or another --out"):
        sweep(tiny(), tmp_path / "out")
    assert sweep(tiny(), tmp_path / "out", resume=True).fresh == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "other"}, "holds the results of study tiny, not of other"),
        ({"minimize": ["latency_s"]}, "made with something else: study.minimize;"),
        ({"base": {"hardware": "fusemax"}}, "made with something else: study.base, model bert;"),
    ],
)
def test_the_folder_of_another_study_is_refused(
    tiny: Tiny, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with Store(tmp_path / "out", tiny(), resume=False):
        pass
    with pytest.raises(AttnSimError) as caught:
        Store(tmp_path / "out", tiny(**changes), resume=True).__enter__()
    assert told in str(caught.value)


def test_a_spec_that_changed_is_named(tiny: Tiny, tmp_path: Path) -> None:
    from attnsim.specs.library import find

    own = tmp_path / "mine.yaml"
    own.write_bytes(find("hardware", "fusemax").read_bytes())
    base = {"hardware": str(own), "mapping": "cascade", "model": "bert"}
    with Store(tmp_path / "out", tiny(base=base), resume=False):
        pass
    own.write_text(own.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    with pytest.raises(AttnSimError) as caught:
        Store(tmp_path / "out", tiny(base=base), resume=True).__enter__()
    assert f"was made with something else: hardware {own};" in str(caught.value)


def test_another_budget_is_no_other_study_and_is_kept(tiny: Tiny, tmp_path: Path) -> None:
    for budget in (5, 9):
        with Store(tmp_path / "out", tiny(sampler="random", budget=budget), resume=True):
            pass
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["spec"]["budget"] == 9


def test_a_full_disk_is_told_and_the_study_can_go_on(
    tiny: Tiny, judged_by: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(lambda design: FEASIBLE)
    write = store_module._write_bytes

    def full(path: Path, data: bytes) -> None:
        if path.name.startswith(".part-000000000016"):
            path.write_bytes(data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, data)

    monkeypatch.setattr(store_module, "_write_bytes", full)
    with pytest.raises(AttnSimError) as caught:
        sweep(tiny(), tmp_path / "out", batch=8)
    assert "cannot be written: No space left on device; what was done before is kept; make room" in str(caught.value)
    assert len(parts_of(tmp_path / "out")) == 2
    assert not list((tmp_path / "out").glob(".part-*"))
    monkeypatch.setattr(store_module, "_write_bytes", write)
    assert sweep(tiny(), tmp_path / "out", batch=8, resume=True).fresh == 16


def test_a_file_that_may_not_grow_is_told_by_the_command(make_study: MakeStudy, tmp_path: Path) -> None:
    limited = f"ulimit -f 1; exec {sys.executable} {STUB} {make_study()} {tmp_path / 'out'}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "cannot be written: File too large; what was done before is kept" in done.stderr
    assert "Traceback" not in done.stderr
    finish(make_study(), tmp_path / "out", "--resume")


def test_a_part_that_cannot_be_read_is_named(tiny: Tiny, judged_by: Callable, tmp_path: Path) -> None:
    judged_by(lambda design: FEASIBLE)
    sweep(tiny(), tmp_path / "out", batch=16)
    part = parts_of(tmp_path / "out")[1]
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(AttnSimError) as caught:
        sweep(tiny(), tmp_path / "out", resume=True)
    assert str(caught.value).startswith(f"{part}: cannot be read: ")
    assert str(caught.value).endswith("; delete it, and go on with --resume")
    part.unlink()
    assert sweep(tiny(), tmp_path / "out", resume=True).fresh == 16


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_manifest_that_cannot_be_read_is_named(tiny: Tiny, tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(AttnSimError, match=r"manifest\.json: its manifest cannot be read; run the study again"):
        Store(tmp_path, tiny(), resume=True).__enter__()


def test_results_without_a_manifest_are_not_taken_up(tiny: Tiny, judged_by: Callable, tmp_path: Path) -> None:
    judged_by(lambda design: FEASIBLE)
    sweep(tiny(), tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(AttnSimError, match="no manifest that says of what"):
        sweep(tiny(), tmp_path / "out", resume=True)
