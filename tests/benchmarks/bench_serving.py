"""How many requests a second `attnsim serve` simulates, with costs not yet known and known, beside Vidur.

Writes reports/performance/serving.md and serving.json. Processor time of one core, the least of several, to the whole
JSON answer: cold from the specs on, in a process that has compiled code loaded, and warm from the requests on.
ATTNSIM_VIDUR names the Python of an environment that has the package vidur; without it what was measured with it last
stays in the report.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attnsim.requests.arrivals import load_arrivals
from attnsim.results import json_text
from attnsim.serving.outcome import Outcome
from attnsim.serving.results import serving_json
from attnsim.serving.simulate import ServeRequest, Setup, serve_on
from attnsim.taskgraph import PS_PER_S

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
MODEL, REQUESTS, RATE = "llama3_70b", 5000, 6.0
SYSTEMS = {"lamina": "2 H100 with the layers, 4 H20 with attention", "h100_x4": "4 H100, prompts in chunks"}
TRACES = ("share-gpt", "azure-conv")
PEER_SYSTEM = "h100_x4"
REPEATS = 3
TARGET_PER_S, TARGET_RATIO = 1000, 3

Numbers = dict[str, float | str]


def main() -> None:
    """Measure on one core and write the report."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    _answer(Setup("lamina", MODEL), _request("lamina", "share-gpt"))
    numbers: Numbers = {}
    for system in SYSTEMS:
        for trace in TRACES:
            numbers |= measure(system, trace)
    python = os.environ.get("ATTNSIM_VIDUR")
    numbers |= compare(python) if python else last_comparison()
    REPORTS.mkdir(parents=True, exist_ok=True)
    kept = {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in numbers.items()}
    text = json.dumps(kept, indent=2, sort_keys=True) + "\n"
    (REPORTS / "serving.json").write_text(text, encoding="utf-8", newline="\n")
    (REPORTS / "serving.md").write_text(page(kept), encoding="utf-8", newline="\n")
    print(page(kept))  # noqa: T201
    if not python:
        print("Vidur was not run: ATTNSIM_VIDUR names no Python that has it.")  # noqa: T201


def measure(system: str, trace: str) -> Numbers:
    """Requests a second of one load, cold and warm, and of the whole command."""
    request = _request(system, trace)
    cold_s = []
    for _ in range(REPEATS):
        setup, took_s = _cold(request)
        cold_s.append(took_s)
    warm_s = [_answered_s(setup, request) for _ in range(REPEATS)]
    command = ["serve", "--system", system, "--model", MODEL, "--trace", trace]
    command += ["--requests", str(REQUESTS), "--rate", str(RATE), "--json"]
    command_s = min(_command_s([sys.executable, "-m", "attnsim", *command]) for _ in range(REPEATS))
    name = f"{system}_{trace}"
    return {
        f"{name}_cold_per_s": REQUESTS / min(cold_s),
        f"{name}_warm_per_s": REQUESTS / min(warm_s),
        f"{name}_command_s": command_s,
        f"{name}_shapes": float(setup.costs.simulated),
    }


def compare(python: str) -> Numbers:
    """Vidur and attnsim in turn on the same files of requests, the least of each."""
    numbers: Numbers = {"vidur_date": datetime.now(UTC).date().isoformat()}
    for trace in TRACES:
        with tempfile.TemporaryDirectory() as folder:
            numbers |= _compare(python, trace, _written(trace, Path(folder)))
    return numbers


def _compare(python: str, trace: str, file: Path) -> Numbers:
    request = ServeRequest(system=PEER_SYSTEM, model=MODEL, trace=str(file))
    cold_s, warm_s = [], []
    theirs: dict[str, list[dict[str, Any]]] = {"measured": [], "bare": []}
    for _ in range(REPEATS):
        setup, took_s = _cold(request)
        cold_s.append(took_s)
        warm_s.append(_answered_s(setup, request))
        sizes = (str(setup.system.prefill.tokens), str(setup.memory.pages))
        for mode, runs in theirs.items():
            runs.append(_vidur(python, file, *sizes, mode))
    served = serve_on(setup, request)
    last = theirs["bare"][-1]
    name = f"vidur_{trace}"
    return {
        "vidur_version": last["version"],
        f"{name}_ours_per_s": REQUESTS / min(warm_s),
        f"{name}_ours_cold_per_s": REQUESTS / min(cold_s),
        f"{name}_per_s": REQUESTS / min(run["run_s"] for run in theirs["measured"]),
        f"{name}_bare_per_s": REQUESTS / min(run["run_s"] for run in theirs["bare"]),
        f"{name}_iterations": float(last["iterations"]),
        f"{name}_simulated_s": last["simulated_s"],
        f"{name}_ours_iterations": float(sum(len(server.history.end_ps) for server in served.servers)),
        f"{name}_ours_simulated_s": Outcome(served).duration_s,
    }


def last_comparison() -> Numbers:
    """What the report holds of the last comparison; nothing if there was none."""
    file = REPORTS / "serving.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {name: value for name, value in known.items() if name.startswith("vidur_")}


def _request(system: str, trace: str) -> ServeRequest:
    return ServeRequest(system=system, model=MODEL, trace=trace, requests=REQUESTS, rate=RATE)


def _answer(setup: Setup, request: ServeRequest) -> None:
    json_text(serving_json(Outcome(serve_on(setup, request))))


def _cold(request: ServeRequest) -> tuple[Setup, float]:
    """A system whose shapes are all simulated now, and the seconds from its specs to the answer."""
    began = time.process_time()
    setup = Setup(request.system, request.model)
    _answer(setup, request)
    return setup, time.process_time() - began


def _answered_s(setup: Setup, request: ServeRequest) -> float:
    began = time.process_time()
    _answer(setup, request)
    return time.process_time() - began


def _command_s(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _written(trace: str, folder: Path) -> Path:
    """The requests as a file that both read."""
    drawn = load_arrivals(trace, requests=REQUESTS, seed=0, rate=RATE)
    columns = zip(drawn.arrival_ps.tolist(), drawn.prompt.tolist(), drawn.generated.tolist(), strict=True)
    rows = [f"{arrival_ps / PS_PER_S:.9f},{prompt},{generated}\n" for arrival_ps, prompt, generated in columns]
    file = folder / "requests.csv"
    file.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n" + "".join(rows), encoding="utf-8")
    return file


def _vidur(python: str, file: Path, *arguments: str) -> dict[str, Any]:
    command = [python, str(Path(__file__).with_name("peer_vidur.py")), str(file), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=file.parent)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def page(numbers: Numbers) -> str:
    """The report as markdown."""
    load = f"{MODEL}, {REQUESTS:,} requests, {RATE:g} a second"
    lines = [
        "# Speed of serving",
        "",
        f"Processor time of one core ({platform.machine()}); `make bench` measures it again. {load}.",
        "",
        "Requests a second, up to the JSON answer. Cold: the first run on a system, its shapes simulated on the way.",
        "Warm: a further one, as a search over batches or rates makes them. The aim is at least",
        f"{TARGET_PER_S:,}. The whole command is a process of its own, cold, by the clock on the wall.",
        "",
        "| system | requests of | shapes | cold | warm | whole command |",
        "|---|---|---:|---:|---:|---:|",
        *(_row(numbers, system, trace) for system in SYSTEMS for trace in TRACES),
    ]
    return "\n".join([*lines, "", *_peer_lines(numbers), ""])


def _row(numbers: Numbers, system: str, trace: str) -> str:
    shapes, cold, warm, command_s = (
        float(numbers[f"{system}_{trace}_{what}"]) for what in ("shapes", "cold_per_s", "warm_per_s", "command_s")
    )
    return f"| {SYSTEMS[system]} | {trace} | {shapes:,.0f} | {cold:,.0f} | {warm:,.0f} | {command_s:.2f} s |"


def _peer_lines(numbers: Numbers) -> list[str]:
    if "vidur_version" not in numbers:
        return ["Vidur was not run beside it yet: `ATTNSIM_VIDUR=<python that has vidur> make bench`."]
    return [
        "## Beside Vidur",
        "",
        f"Vidur {numbers['vidur_version']}, last run on {numbers['vidur_date']}, in turn with attnsim:",
        "the same file of requests on 4 H100 with tensor parallelism, Llama 3 70B, prompts in chunks, with as many",
        "tokens an iteration and pages of memory. Vidur has tables of times, in place of those that it trains, before",
        "its clock starts, so that attnsim warm is what compares with it; cold, shapes are simulated within the time.",
        "Vidur is shown with its measures of requests and batches, plots and trace off, and bare, with nothing written",
        f"down. The aim is {TARGET_RATIO} times its requests a second.",
        "",
        "| requests of | attnsim, warm | cold | Vidur | bare | warm to Vidur | warm to bare | cold to Vidur |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(_peer_row(numbers, trace) for trace in TRACES),
        "",
        "Both simulate about the same; what differs comes from their times of operations:",
        "",
        "| requests of | iterations, attnsim | Vidur | seconds simulated, attnsim | Vidur |",
        "|---|---:|---:|---:|---:|",
        *(_alike_row(numbers, trace) for trace in TRACES),
    ]


def _peer_row(numbers: Numbers, trace: str) -> str:
    warm, cold, measured, bare = (
        float(numbers[f"vidur_{trace}_{what}"]) for what in ("ours_per_s", "ours_cold_per_s", "per_s", "bare_per_s")
    )
    rates = f"{warm:,.0f} | {cold:,.0f} | {measured:,.0f} | {bare:,.0f}"
    return f"| {trace} | {rates} | {warm / measured:.1f} x | {warm / bare:.1f} x | {cold / measured:.1f} x |"


def _alike_row(numbers: Numbers, trace: str) -> str:
    names = ("ours_iterations", "iterations", "ours_simulated_s", "simulated_s")
    values = [float(numbers[f"vidur_{trace}_{name}"]) for name in names]
    return f"| {trace} | {' | '.join(f'{value:,.0f}' for value in values)} |"


if __name__ == "__main__":
    main()
