"""`attnsim explore`: run a study; `attnsim pareto` and `attnsim best` read what it wrote."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnsim.cli.answer import Answer
from attnsim.errors import AttnSimError, Problem

if TYPE_CHECKING:
    from attnsim.explore.sweep import Progress, Watch
    from attnsim.specs.study import Study

EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143
StudyArgument = Annotated[str, typer.Argument(help="study, by name or path")]
FolderArgument = Annotated[Path, typer.Argument(help="the folder that `attnsim explore` wrote")]
OutOption = Annotated[Path | None, typer.Option("--out", help="results folder; <study>-results if left out")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="go on with what is in the folder")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="print the size of the space and the time it takes")]
ProcessesOption = Annotated[int, typer.Option("--processes", min=1, max=1024, help="processes of this machine")]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", help="Dask scheduler, such as tcp://host:8786; needs attnsim[cluster]")
]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, max=10**6, help="designs that are written at once")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="override a value of the study, such as budget=200"),
]
StorageOption = Annotated[
    str | None, typer.Option("--storage", help="database of a search: a URL; SQLite in the folder if left out")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]
ObjectivesOption = Annotated[
    str | None, typer.Option("--objectives", help="some of the study's objectives, with commas; all if left out")
]
PageOption = Annotated[
    Path | None, typer.Option("--page", help="write a page with figures to this folder instead, all objectives on it")
]


def explore(
    study: StudyArgument,
    out: OutOption = None,
    resume: ResumeOption = False,
    dry_run: DryRunOption = False,
    processes: ProcessesOption = 1,
    scheduler: SchedulerOption = None,
    storage: StorageOption = None,
    batch_size: BatchOption = 512,
    set_: SetOption = None,
    json: JsonOption = False,
) -> Answer:
    """Evaluate the designs of a study, write them down as they come, and print the front."""
    from attnsim.explore.notes import notes_of
    from attnsim.explore.run import dry_run as estimate
    from attnsim.explore.run import run_study
    from attnsim.specs.overrides import parse_override
    from attnsim.specs.study import load_study

    loaded = load_study(study, [parse_override(text) for text in set_ or ()])
    sys.stderr.write("".join(f"note: {note}\n" for note in notes_of(loaded)))
    if dry_run:
        return Answer(text=_estimate(loaded, estimate(loaded)))
    folder = out or Path(f"{loaded.name}-results")
    try:
        with _terminated_as_interrupted(), _progress(loaded) as watch:
            run_study(
                loaded,
                folder,
                processes=processes,
                scheduler=scheduler,
                storage=storage,
                resume=resume,
                batch=batch_size,
                watch=watch,
            )
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"interrupted: what is done lies in {folder}; go on with --resume\n")
        code = EXIT_TERMINATED if isinstance(interrupt, _Terminated) else EXIT_INTERRUPTED
        return Answer(text=_shown_so_far(folder, json), exit_code=code)
    return Answer(text=_shown(folder, json))


def pareto(
    folder: FolderArgument, objectives: ObjectivesOption = None, page: PageOption = None, json: JsonOption = False
) -> Answer:
    """Print the front of a study: the designs that no other one beats."""
    from attnsim.cli.explore_table import front_json, front_table
    from attnsim.explore.results import read_results, require_front
    from attnsim.results import json_text

    names = tuple(name.strip() for name in objectives.split(",")) if objectives else ()
    results = read_results(folder, names)
    require_front(results)
    if page is not None:
        return _page(results.study, folder, page)
    return Answer(text=json_text(front_json(results)) if json else front_table(results, folder))


def best(
    folder: FolderArgument,
    minimize: Annotated[str | None, typer.Option("--by", help="objective; the study's first if left out")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="how many designs")] = 1,
    out: Annotated[Path, typer.Option("--out", help="folder for the files")] = Path("best"),
) -> Answer:
    """Write the best designs of a study as hardware and mapping YAML that `attnsim run` takes as they are."""
    from attnsim.explore.designs import write_design
    from attnsim.explore.results import best_rows, read_results, require_front

    results = read_results(folder)
    require_front(results)
    lines = []
    for row in best_rows(results, minimize, count):
        files, commands = write_design(results.study, row, out)
        told = ", ".join(f"{name} {row[name]:.6g}" for name in results.study.objectives)
        lines += [f"design {row['design']}: {told}", *(f"  {one}" for one in (*files, *commands))]
    return Answer(text="".join(f"{line}\n" for line in lines))


def _page(study: Study, folder: Path, out: Path) -> Answer:
    """Write the page of a results folder."""
    from attnsim.report.registry import report_of
    from attnsim.report.study import tables_of
    from attnsim.report.write import write_tables

    written = write_tables(report_of(study.name, study.title), tables_of(folder), out)
    return Answer(text="".join(f"{path}\n" for path in written))


def _shown(folder: Path, as_json: bool) -> str:
    from attnsim.cli.explore_table import front_json, front_table
    from attnsim.explore.results import read_results, require_front
    from attnsim.results import json_text

    results = read_results(folder)
    if results.designs:
        require_front(results)
    return json_text(front_json(results)) if as_json else front_table(results, folder)


def _shown_so_far(folder: Path, as_json: bool) -> str:
    """The front of a study that was interrupted; nothing if there is none yet."""
    try:
        return _shown(folder, as_json)
    except AttnSimError:
        return ""


class _Terminated(KeyboardInterrupt):
    """A polite kill, as batch systems send it at the end of the time that they give."""


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end a study as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_signal: int, _frame: object) -> None:
    raise _Terminated


def _estimate(study: Study, found: tuple[int, float | None]) -> str:
    from attnsim.cli.tables import seconds

    size, each_s = found
    if each_s is None:
        raise AttnSimError(
            Problem(path="--dry-run", what=f"none of the designs of {study.name} that were tried is feasible")
        )
    return f"{study.name}: {size:,} designs, about {seconds(each_s * size)} on one core\n"


@contextmanager
def _progress(study: Study) -> Iterator[Watch]:
    """A line on a terminal: what is done, rate, time left, infeasible designs and the size of the front."""
    if not sys.stderr.isatty():
        from attnsim.explore.sweep import unwatched

        yield unwatched
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(study.name, total=None, told="")

        def watch(progress: Progress) -> None:
            told = f"{progress.per_second:,.0f}/s, {progress.designs - progress.feasible:,} infeasible"
            told += f", front {len(progress.front.numbers)}"
            bars.update(task, completed=progress.done, total=progress.total, told=told)

        yield watch
