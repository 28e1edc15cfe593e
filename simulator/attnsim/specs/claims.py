"""Claim files: what `validation/<dataset>/claims.yaml` may say: statements that a run of attnsim must reproduce.

A claim compares one metric of one run, or of a run for each row of a data file, with values from a source, and says how
far they may be apart. Three kinds are kept apart: `measured` on silicon, `published` in a paper, or another `model`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from attnsim.errors import Problem
from attnsim.specs.library import find
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.spec import FileSpec, Source, Spec, Text, problem_at

Kind = Literal["measured", "published", "model"]
Setting = str | int | float
OVER = "over."
"""What a setting of a case begins with that is meant for the second run."""


class Requests(Spec):
    """Requests of different lengths by name, drawn with `seed`, or of a CSV file beside the claim file.

    With a system, requests that are served over time: `count` of them, all of the trace if left out; at the trace's own
    times, or all at once (`saturated`).
    """

    trace: Text
    seed: NonNegativeInt = 0
    count: PositiveInt | None = None
    saturated: bool = False


class RunRequest(Spec):
    """A run by its inputs, as the command line names them; what is left out keeps its default.

    `extents` gives sizes of ranks, which win over the model's. `set` holds overrides by path, such as
    `hardware.clock: 1 GHz`. With a `system`, `requests` are served on it, or one steady iteration is simulated of
    `batch` requests of `seq_len` tokens.
    """

    system: Text | None = None
    model: Text | None = None
    cascade: Text | None = None
    hardware: Text | None = None
    mapping: Text | None = None
    scope: Literal["attention", "layer", "head", "model"] | None = None
    seq_len: PositiveInt | None = None
    batch: PositiveInt | None = None
    phase: Literal["prefill", "decode"] | None = None
    requests: Requests | None = None
    tensor_parallel: PositiveInt | None = None
    pipeline_parallel: PositiveInt | None = None
    fill_drain: Literal["ideal", "modeled"] | None = None
    register_file_energy: Literal["artifact", "full"] | None = None
    extents: dict[str, PositiveInt] = Field(default_factory=dict)
    set: dict[str, Setting] = Field(default_factory=dict)


class Rows(Spec):
    """Rows of a CSV file beside the claim file, one run each.

    value: the column to compare with, in the SI unit of the metric.
    run: key of the run -> the column that holds it; if left out, every column named like one (model, extents.M ...).
    An empty field leaves its key as it is.
    series: columns; rows that agree in all of them make one series, as a curve of a figure does.
    where: column -> the only value (or values) to take, so that one file can serve several claims.
    A column `source`, if there is one, says where each value comes from.
    """

    file: Text
    value: Text = "value"
    run: dict[str, Text] = Field(default_factory=dict)
    series: list[Text] = Field(default_factory=list)
    where: dict[str, Setting | list[Setting]] = Field(default_factory=dict)


class Tolerance(Spec):
    """How far ours may be from the source: `relative` to the source's value, `absolute` in the metric's unit; either
    suffices when both are given. `mean_relative` is for whole series: the mean of the relative errors, without their
    signs, over the points of each series; single points are then not judged."""

    relative: NonNegativeFloat | None = None
    absolute: NonNegativeFloat | None = None
    mean_relative: NonNegativeFloat | None = None


class Claim(Spec):
    """One statement to reproduce.

    metric: path in the run's JSON, such as `latency_s` or `utilization.array_2d`; `{column}` in it stands for the value
    of that column in each row. `analysis.passes.M` is the number of passes that the run's cascade makes over rank M.
    value or data: what the source says.
    over: a second run; the claim is then about a ratio, `metric of run / metric of over`, or the inverse when `inverse`
    is true (a speedup is the latency of `over` divided by the latency of `run`).
    less: a second run whose metric is taken off that of `run`; a layer less its attention is its linear parts.
    plus: a second run whose metric is added to that of `run`; a step of training is a forward and a backward kernel.
    vary: run key -> values, `requests.seed` and `extents.M` too; cases: settings that go together, those that begin
    with `over.` for the second run. With `mean`, the claim is about the arithmetic mean over all combinations of the
    two, with `extreme` about the smallest or largest of them.
    side: the source gives a bound only; ours may be anything `at_most` or `at_least` that far.
    """

    name: Text
    statement: Text
    source: Source | None = None
    kind: Kind | None = None
    metric: Text
    run: RunRequest = Field(default_factory=RunRequest)
    over: RunRequest | None = None
    less: RunRequest | None = None
    plus: RunRequest | None = None
    inverse: bool = False
    vary: dict[str, list[Setting]] = Field(default_factory=dict)
    cases: list[dict[str, Setting]] = Field(default_factory=list)
    mean: bool = False
    extreme: Literal["smallest", "largest"] | None = None
    side: Literal["at_most", "at_least"] | None = None
    value: float | None = None
    data: Rows | None = None
    tolerance: Tolerance
    notes: str = ""


class Claims(FileSpec):
    """The claims of one dataset; `source` and `kind` hold for every claim that does not name its own."""

    name: Text
    title: str = ""
    source: Source = Field(examples=["paper, year, figure"], description="where the claimed values come from")
    kind: Kind
    notes: str = ""
    run: RunRequest = Field(default_factory=RunRequest)
    claims: list[Claim] = Field(min_length=1)


def load_claims(name: str, overrides: Sequence[Override] = ()) -> Claims:
    """Read the claims of a dataset by name or path; raises SpecError or UnknownNameError."""
    return load_spec(find("validation", name), Claims, overrides, claims_problems)


def claims_problems(claims: Claims) -> list[Problem]:
    """Contradictions inside a claim file: a name used twice, a claim without a value or with two, without tolerance, a
    data file that is not there."""
    counts = Counter(claim.name for claim in claims.claims)
    folder = Path(claims._origin.folder)
    return [
        problem_at(claims, f"claims.{position}.{key}", what, remedy)
        for position, claim in enumerate(claims.claims)
        for key, what, remedy in _problems(claim, counts, folder)
    ]


def _problems(claim: Claim, counts: Counter[str], folder: Path) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if counts[claim.name] > 1:
        found.append(("name", f"the name {claim.name!r} is used {counts[claim.name]} times", "give each its own"))
    if (claim.value is None) == (claim.data is None):
        amount = "no value" if claim.value is None else "both `value` and `data`"
        found.append(("value", f"has {amount}", "give `value`, or `data` with a file and a column"))
    seconds = [key for key in ("over", "less", "plus") if getattr(claim, key) is not None]
    if len(seconds) > 1:
        what = f"stands beside `{seconds[0]}`"
        found.append((seconds[1], what, "a claim is about a ratio, a difference or a sum, not two of them"))
    if claim.data is not None and (claim.mean or claim.extreme):
        found.append(("mean", "stands beside `data`", "a mean or extreme is over `vary` and has one `value`"))
    if claim.mean and claim.extreme:
        found.append(("extreme", "stands beside `mean`", "a claim is about one of the two"))
    if claim.over is None and any(key.startswith(OVER) for case in claim.cases for key in case):
        found.append(("cases", "set something of `over`, which there is none of", "write over: {} too"))
    if claim.data is not None and not (folder / claim.data.file).is_file():
        found.append(("data.file", f"there is no file {claim.data.file!r}", "it lies beside the claim file"))
    return [*found, *_tolerance_problems(claim)]


def _tolerance_problems(claim: Claim) -> list[tuple[str, str, str]]:
    tolerance = claim.tolerance
    single = tolerance.relative is not None or tolerance.absolute is not None
    if not single and tolerance.mean_relative is None:
        return [("tolerance", "is empty", "write for example {relative: 1e-3}")]
    if tolerance.mean_relative is None:
        return []
    if single:
        what = "judges single points and their mean"
        return [("tolerance", what, "give `mean_relative`, or `relative` and `absolute`")]
    if claim.data is None:
        return [("tolerance.mean_relative", "has no series", "give `data`, or `relative`")]
    return []
