"""Searches: what every sampler keeps to, being taken up again, and machines that search together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import polars as pl
import pytest

from attnsim.errors import AttnSimError
from attnsim.explore.evaluate import Judged
from attnsim.explore.results import design_of, read_results
from attnsim.explore.run import run_study
from attnsim.explore.search import search
from attnsim.explore.space import Space
from attnsim.explore.store import frames_of
from attnsim.explore.sweep import Progress
from attnsim.specs.study import Study

Tiny = Callable[..., Study]
STUB = Path(__file__).with_name("stub_study.py")
SAMPLERS = ("random", "sobol", "nsga2", "nsga3", "tpe")
BUFFER, BANDWIDTH = "hardware.memories.global_buffer.capacity", "hardware.memories.dram.bandwidth"
MIXED: dict[str, object] = {
    "hardware.clock": {"from": "0.5 GHz", "to": "2 GHz", "log": True},
    "batch": {"from": 1, "to": 64, "whole": True},
    BUFFER: {"from": "1 MiB", "to": "64 MiB", "factor": 2},
    "mapping": ["cascade", "unfused"],
    "hardware.arrays.array_2d.shape": [[64, 64], [128, 128]],
}


def rule(design: dict[str, object]) -> Judged:
    """Objectives that differ from design to design; small buffers do not fit."""
    if design.get(BUFFER) == "1 MiB":
        return Judged(values=(None, None), infeasible="does not fit global_buffer")
    one = sum((place + 1) * sum(map(ord, str(value))) for place, value in enumerate(design.values()))
    return Judged(values=(float(one % 101), float(one % 37)), infeasible="")


def table(folder: Path) -> pl.DataFrame:
    return pl.concat(list(frames_of(folder))).sort("design")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_keeps_to_its_budget_its_ranges_and_its_seed(
    tiny: Tiny, judged_by: Callable, tmp_path: Path, sampler: str
) -> None:
    judged_by(rule)
    study = tiny(vary=MIXED, only={"batch": {"mapping": ["cascade"]}}, sampler=sampler, budget=30)
    first = search(study, tmp_path / "a", batch=8)
    again = search(study, tmp_path / "b", batch=8)
    other = search(study.model_copy(update={"seed": 1}), tmp_path / "c", batch=8)
    assert (first.done, first.designs, other.designs) == (30, 30, 30)
    rows = table(tmp_path / "a")
    assert rows.equals(table(tmp_path / "b"))
    assert not rows.equals(table(tmp_path / "c"))
    assert rows.select(*MIXED).n_unique() == 30
    assert first.front.numbers.tolist() == again.front.numbers.tolist()
    clocks = [float(text.split()[0]) for text in rows["hardware.clock"]]
    assert 0.5 <= min(clocks) < 0.8 < 1.2 < max(clocks) <= 2
    assert set(rows.filter(rows["mapping"] == "unfused")["batch"]) == {"1"}
    assert {int(text) for text in rows["batch"]} <= set(range(1, 65))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_design_is_judged_twice_and_a_space_that_is_exhausted_ends_the_search(
    tiny: Tiny, judged_by: Callable, tmp_path: Path, sampler: str
) -> None:
    seen: list[str] = []

    def note(design: dict[str, object]) -> Judged:
        seen.append(str(design))
        return rule(design)

    judged_by(note)
    vary = {"batch": [1, 2, 3], BUFFER: ["1 MiB", "2 MiB"], "mapping": ["cascade", "unfused"]}
    progress = search(tiny(vary=vary, sampler=sampler, budget=50), tmp_path / "out", batch=4)
    assert progress.designs == len(seen) == len(set(seen)) == 12


def test_designs_of_a_search_are_read_back(tiny: Tiny, judged_by: Callable, tmp_path: Path) -> None:
    judged: list[object] = []

    def note(design: dict[str, object]) -> Judged:
        judged.append(dict(design))
        return rule(design)

    judged_by(note)
    study = tiny(vary=MIXED, sampler="random", budget=20)
    search(study, tmp_path / "out")
    assert [design_of(study, row) for row in table(tmp_path / "out").to_dicts()] == judged
    assert Space(study).runs(design_of(study, read_results(tmp_path / "out").front[0]))


def test_samplers_are_told_objectives_and_by_how_much_bounds_are_broken(
    tiny: Tiny, judged_by: Callable, tmp_path: Path
) -> None:
    judged_by(lambda design: Judged(values=(3.0, 8.0), infeasible="bound: latency_s <= 2"))
    study = tiny(sampler="tpe", budget=3, subject_to=["latency_s <= 2", "energy_j.total >= 4"])
    search(study, tmp_path / "out")
    kept = optuna.load_study(study_name="tiny", storage=f"sqlite:///{tmp_path / 'out' / 'search.db'}")
    assert [trial.values for trial in kept.trials if trial.values] == [[3, 8]] * 3
    assert kept.trials[0].constraints == {"judged": 0, "latency_s <= 2": 0.5, "energy_j.total >= 4": -1}
    kept._storage.remove_session()


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_a_search_finds_what_is_best_where_chance_does_not(
    tiny: Tiny, judged_by: Callable, tmp_path: Path, sampler: str
) -> None:
    def near(design: dict[str, object]) -> Judged:
        far = abs(float(str(design["batch"])) - 700) / 1000 + abs(float(str(design["seq_len"])) - 300) / 1000
        fits = float(str(design["batch"])) >= 650
        return Judged(values=(far, far), infeasible="" if fits else "bound: batch")

    judged_by(near)
    thousand = {"from": 1, "to": 1000, "steps": 1000}
    vary = {"batch": thousand, "seq_len": thousand}
    best = {}
    for name in (sampler, "random"):
        progress = search(tiny(vary=vary, sampler=name, budget=160), tmp_path / name)
        best[name] = float(progress.front.values.min())
    assert best[sampler] < best["random"]


@pytest.mark.parametrize("shared", [False, True])
def test_an_interrupted_search_goes_on(tiny: Tiny, judged_by: Callable, tmp_path: Path, shared: bool) -> None:
    study, out = tiny(vary=MIXED, sampler="nsga2", budget=40), tmp_path / "out"
    url = f"sqlite:///{tmp_path / 'shared.db'}" if shared else None
    count = 0

    def stops(design: dict[str, object]) -> Judged:
        nonlocal count
        count += 1
        if count == 20:
            raise KeyboardInterrupt
        return rule(design)

    judged_by(stops)
    with pytest.raises(KeyboardInterrupt):
        search(study, out, batch=6, storage=url)
    written = table(out).height
    assert 0 < written < 20
    progress = search(study, out, batch=6, resume=True, storage=url)
    assert (progress.designs, progress.fresh) == (40, 40 - written)
    assert table(out)["design"].n_unique() == 40
    kept = optuna.load_study(study_name="tiny", storage=url or f"sqlite:///{out / 'search.db'}")
    assert {trial.state.name for trial in kept.trials} <= {"COMPLETE", "FAIL"}
    kept._storage.remove_session()


def test_a_search_killed_at_any_moment_ends_with_the_rows_of_one_that_ran_through(
    make_study: Callable[..., Path], tmp_path: Path
) -> None:
    study = make_study(vary=MIXED, sampler="random", budget=90)
    options = ["--batch-size", "7"]
    for turn in range(4):
        process = started(study, tmp_path / "killed", None, *options, *(["--resume"] if turn else []))
        assert process.stdout is not None
        if turn < 3:
            process.stdout.readline()
            time.sleep(0.05 * turn)
            process.kill()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    whole = started(study, tmp_path / "whole", None, *options)
    assert whole.communicate(timeout=60)[1] == ""
    assert table(tmp_path / "killed").equals(table(tmp_path / "whole"))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_was_interrupted_tries_what_it_would_have_tried(
    tiny: Tiny, judged_by: Callable, tmp_path: Path, sampler: str
) -> None:
    study = tiny(vary=MIXED, sampler=sampler, budget=40)
    judged_by(rule)
    search(study, tmp_path / "whole", batch=5)
    for stop in (11, 23):
        with pytest.raises(KeyboardInterrupt):
            search(study, tmp_path / "out", batch=5, resume=True, watch=_stopping_at(stop))
    search(study, tmp_path / "out", batch=5, resume=True)
    assert table(tmp_path / "out").equals(table(tmp_path / "whole"))


def _stopping_at(done: int) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        if progress.done >= done:
            raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize("lost", ["search.db", "part", "half of the parts"])
def test_a_search_goes_on_from_its_parts_or_from_its_database(
    tiny: Tiny, judged_by: Callable, tmp_path: Path, lost: str
) -> None:
    judged_by(rule)
    study, out = tiny(vary=MIXED, sampler="random", budget=20), tmp_path / "out"
    search(study, out, batch=4)
    before = table(out)
    names = [lost] if lost == "search.db" else sorted(path.name for path in out.glob("part-*"))
    for name in names[:: 2 if lost.startswith("half") else 1]:
        (out / name).unlink()
    assert search(study, out, resume=True).fresh == 0
    assert table(out).equals(before)
    more = tiny(vary=MIXED, sampler="random", budget=25)
    assert search(more, out, resume=True).fresh == 5
    assert table(out).filter(pl.col("design") <= before["design"].max()).equals(before)


def test_a_database_of_other_designs_is_refused(tiny: Tiny, judged_by: Callable, tmp_path: Path) -> None:
    judged_by(rule)
    study = tiny(vary=MIXED, sampler="random", budget=6)
    search(study, tmp_path / "b", storage=f"sqlite:///{tmp_path / 'other.db'}", batch=2)
    search(study.model_copy(update={"seed": 3}), tmp_path / "c")
    with pytest.raises(AttnSimError, match=r"that was made with something else: study\.seed; rename the study"):
        search(study, tmp_path / "d", storage=f"sqlite:///{tmp_path / 'c' / 'search.db'}")
    with pytest.raises(AttnSimError, match="is another design than that of the results folder"):
        search(study, tmp_path / "b", storage=f"sqlite:///{_shifted(study, tmp_path)}", resume=True)


def _shifted(study: Study, tmp_path: Path) -> Path:
    """A database of the same study whose first trials are others."""
    from attnsim.explore.trials import opened_trials

    (tmp_path / "e").mkdir()
    with opened_trials(study, tmp_path / "e", f"sqlite:///{tmp_path / 'e' / 'search.db'}") as trials:
        for _ in range(8):
            trials.ask(optuna.samplers.RandomSampler(seed=99))
    return tmp_path / "e" / "search.db"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "nonsense: --storage: cannot be opened: "),
        ("sqlite:////nowhere/at/all.db", "--storage: cannot be opened: unable to open database file"),
        ("postgresql://me:secret@127.0.0.1:1/x", "postgresql://me:***@127.0.0.1:1/x: --storage: cannot be opened: "),
        ("unknown://host/x", "cannot be opened: "),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(
    tiny: Tiny, tmp_path: Path, url: str, told: str
) -> None:
    with pytest.raises(AttnSimError) as caught:
        search(tiny(sampler="random", budget=3), tmp_path / "out", storage=url)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_sampler_gp_names_what_it_needs(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(AttnSimError, match=r"needs PyTorch; pip install 'attnsim\[gp\]', or set another sampler"):
        search(tiny(sampler="gp", budget=3), tmp_path / "out")


def test_processes_search_as_well(tiny: Tiny, tmp_path: Path) -> None:
    def watch(progress: Progress) -> None:
        seen.append(progress.done)

    seen: list[int] = []
    progress = run_study(tiny(sampler="nsga2", budget=14), tmp_path / "out", processes=2, batch=4, watch=watch)
    assert progress.designs == table(tmp_path / "out").height == 14
    assert seen == sorted(seen)


def started(study: Path, out: Path, url: str | None, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(STUB), str(study), str(out), *(["--storage", url] if url else []), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server, where one is installed; of an SQLite file elsewhere."""
    found = shutil.which("initdb") and shutil.which("postgres")
    if not found:
        yield f"sqlite:///{folder / 'shared.db'}"
        return
    data = Path(f"/tmp/attnsim-postgres-{os.getpid()}")
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*as_user, "initdb", "-D", str(data), "-A", "trust", "-U", "me"], check=True, **quiet)  # type: ignore[call-overload]
    address = ["-k", str(data), "-c", "listen_addresses="]
    server = subprocess.Popen([*as_user, "postgres", "-D", str(data), *address], **quiet)  # type: ignore[call-overload]
    try:
        _await_answer(data)
        yield f"postgresql://me@/postgres?host={data}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(data)


def _await_answer(data: Path) -> None:
    import psycopg

    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        try:
            psycopg.connect(f"host={data} user=me dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return


def test_machines_that_share_a_database_search_together_and_each_ends_with_all_rows(
    make_study: Callable[..., Path], tmp_path: Path
) -> None:
    study = make_study(vary=MIXED, sampler="nsga2", budget=30)
    with database(tmp_path) as url:
        machines = [started(study, tmp_path / name, url, "--batch-size", "3") for name in ("a", "b")]
        for machine in machines:
            _, errors = machine.communicate(timeout=100)
            assert machine.returncode == 0, errors
        for name in ("a", "b"):
            done = started(study, tmp_path / name, url, "--resume")
            _, errors = done.communicate(timeout=60)
            assert done.returncode == 0, errors
    rows = table(tmp_path / "a")
    assert rows.equals(table(tmp_path / "b"))
    assert rows.select(*MIXED).n_unique() == rows.height == 30
