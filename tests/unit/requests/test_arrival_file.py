"""Trace files with arrival times: every form is read, every way in which a file is refused names its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnsim.errors import AttnSimError
from attnsim.requests import load_arrivals
from attnsim.requests.arrival_file import read_arrivals

OWN = "arrival_s,prompt_tokens,generated_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
MOONCAKE = '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}'
TOKENS = "is no number of tokens; write a whole number from 1 to 2^40"
KNOWN = (
    "known: arrival_s,prompt_tokens,generated_tokens or TIMESTAMP,ContextTokens,GeneratedTokens"
    " or arrived_at,num_prefill_tokens,num_decode_tokens or timestamp,input_length,output_length"
)

# name and text of a file -> arrival in ps, prompt, generated
GOOD = {
    (".csv", OWN + "0.5,80,12\n0.5,7,1\n2,9,3\n"): ([0, 0, 1_500_000_000_000], [80, 7, 9], [12, 1, 3]),
    (".csv", "\ufeff arrival_s ,generated_tokens,prompt_tokens\r\n\r\n1e-3, 5 ,6.0\r\n0.001000001,5,6"): (
        [0, 1000],
        [6, 6],
        [5, 5],
    ),
    (
        ".csv",
        AZURE + "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319569,3180,8\n",
    ): ([0, 51_996_900_000], [4808, 3180], [10, 8]),
    (
        ".csv",
        AZURE + "2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-11T00:00:00Z,2399,6\n",
    ): ([0, 86_399_990_070_000_000], [2162, 2399], [5, 6]),
    (".csv", 'id,arrived_at,num_prefill_tokens,num_decode_tokens\n"a,b",0,374,44\nc,4.314579,396,109\n'): (
        [0, 4_314_579_000_000],
        [374, 396],
        [44, 109],
    ),
    (".jsonl", MOONCAKE + "\n\n" + MOONCAKE.replace("27482", "30535.5") + "\n"): (
        [0, 3_053_500_000_000],
        [6955, 6955],
        [52, 52],
    ),
    (
        ".jsonl",
        '{"TIMESTAMP": "2023-11-16 18:17:03", "ContextTokens": 2, "GeneratedTokens": 3, "timestamp": 1}',
    ): ([0], [2], [3]),
}

# text of a CSV file -> what is said behind its name
BAD = {
    "": [f": the file is empty; {KNOWN}"],
    "\n\n": [f": the file is empty; {KNOWN}"],
    OWN: [": there are no rows; write one request a row"],
    "0.5,80,12\n": [f":1: there are no columns 'arrival_s', 'prompt_tokens', 'generated_tokens'; {KNOWN}"],
    "TIMESTAMP,ContextTokens\n1,2\n": [f":1: there is no column 'GeneratedTokens'; {KNOWN}"],
    "arrival_s,prompt_tokens,generated_tokens,arrival_s\n": [
        ":1: the column 'arrival_s' stands there twice; leave one of them out"
    ],
    OWN + "0,5,6\n\n-1,5,6\nsoon,5,6\nnan,5,6\ninf,5,6\n,5,6\n": [
        ":4: arrival_s: '-1' is no time; write seconds, at least 0",
        ":5: arrival_s: 'soon' is no time; write seconds, at least 0",
        ":6: arrival_s: 'nan' is no time; write seconds, at least 0",
        ":7: arrival_s: 'inf' is no time; write seconds, at least 0",
        ":8: arrival_s: an empty field is no time; write seconds, at least 0",
    ],
    OWN + "0,0,6\n0,5.5,0\n0,many,-3\n0,nan," + "9" * 400 + "\n": [
        f":2: prompt_tokens: '0' {TOKENS}",
        f":3: prompt_tokens: '5.5' {TOKENS}",
        f":3: generated_tokens: '0' {TOKENS}",
        f":4: prompt_tokens: 'many' {TOKENS}",
        f":4: generated_tokens: '-3' {TOKENS}",
        f":5: prompt_tokens: 'nan' {TOKENS}",
        f":5: generated_tokens: '{'9' * 39}... {TOKENS}",
    ],
    OWN + "3,5,6\n2,5,6\n2.5,x,6\n3,5,6\n": [
        ":3: arrival_s: the request comes before the one above it; sort the rows by arrival_s",
        ":4: arrival_s: the request comes before the one above it; sort the rows by arrival_s",
        f":4: prompt_tokens: 'x' {TOKENS}",
    ],
    OWN + "0,5\n0,5,6,7\n0\n": [
        ":2: the row has 2 fields; write 3, as many as the first line has",
        ":3: the row has 4 fields; write 3, as many as the first line has",
        ":4: the row has 1 field; write 3, as many as the first line has",
    ],
    OWN + "0,5,6\n9000001,5,6\n": [
        ": the last request comes more than 9000000 s after the first; take a part of the file"
    ],
    OWN + "0,5,6\n" + "0,0,6\n" * 25: [
        *(f":{line}: prompt_tokens: '0' {TOKENS}" for line in range(3, 13)),
        ": 15 more problems; mend those above first",
    ],
    AZURE + "12.5,1,1\n2023-13-01 00:00:00,1,1\n2023-11-16 00:00:00+02:00,1,1\nnow,1,1\n": [
        f":{line}: TIMESTAMP: {value!r} is no time; write a date and time of day in UTC, as 2023-11-16 18:15:46.6805900"
        for line, value in enumerate(("12.5", "2023-13-01 00:00:00", "2023-11-16 00:00:00+02:00", "now"), start=2)
    ],
}

ROW = '{"timestamp": 1, "input_length": 2, "output_length": 3}\n'
OBJECT = 'write one object a line, as {"arrival_s": 0.5, "prompt_tokens": 80, "generated_tokens": 12}'
BAD_JSON = {
    "": [f": the file is empty; {KNOWN}"],
    "[1, 2]\n": [f":1: the line is no JSON object; {OBJECT}"],
    "{}\n": [f":1: there are no columns 'arrival_s', 'prompt_tokens', 'generated_tokens'; {KNOWN}"],
    '{"a": 1}\n': [f":1: there are no columns 'arrival_s', 'prompt_tokens', 'generated_tokens'; {KNOWN}"],
    ROW + "{\n" + '{"timestamp": 1, "input_length": 2}\n' + "3\n": [
        f":2: not JSON: Expecting property name enclosed in double quotes: line 2 column 1 (char 2); {OBJECT}",
        ":3: there is no 'output_length'; write timestamp, input_length, output_length",
        f":4: the line is no JSON object; {OBJECT}",
    ],
    ROW + ROW.replace("2,", "true,") + ROW.replace(": 1", ": null") + ROW.replace("2,", "NaN,"): [
        f":2: input_length: True {TOKENS}",
        ":3: timestamp: an empty field is no time; write milliseconds, at least 0",
        f":4: input_length: nan {TOKENS}",
    ],
    ROW + ROW.replace("2,", "[2],") + ROW.replace("3", "1e400"): [
        f":2: input_length: [2] {TOKENS}",
        f":3: output_length: inf {TOKENS}",
    ],
}


def written(folder: Path, ending: str, text: str) -> Path:
    path = folder / f"trace{ending}"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(AttnSimError) as caught:
        load_arrivals(str(path))
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


@pytest.mark.parametrize(("ending", "text"), GOOD, ids=lambda text: repr(text[:20]))
def test_the_rows_of_a_file_are_its_requests(ending: str, text: str, tmp_path: Path) -> None:
    found = load_arrivals(str(written(tmp_path, ending, text)))
    wanted = GOOD[ending, text]
    assert (found.arrival_ps.tolist(), found.prompt.tolist(), found.generated.tolist()) == wanted
    assert found.name == f"trace{ending}"


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:60]))
def test_what_is_wrong_with_a_csv_file_is_said_with_its_line(text: str, tmp_path: Path) -> None:
    assert problems(written(tmp_path, ".csv", text)) == BAD[text]


@pytest.mark.parametrize("text", BAD_JSON, ids=lambda text: repr(text[-60:]))
def test_what_is_wrong_with_json_lines_is_said_with_its_line(text: str, tmp_path: Path) -> None:
    assert problems(written(tmp_path, ".jsonl", text)) == BAD_JSON[text]


def test_nested_json_is_refused_and_not_followed(tmp_path: Path) -> None:
    [said] = problems(written(tmp_path, ".jsonl", ROW + "[" * 200_000 + "\n"))
    assert said.startswith(":2: not JSON: ")


FRAMES: dict[str, Callable[[], pl.DataFrame]] = {
    "milliseconds": lambda: pl.DataFrame({"timestamp": [5, 8], "input_length": [2, 3], "output_length": [4, 5]}),
    "dates without a zone": lambda: dated(datetime(2024, 5, 10, 0, 0, 1), datetime(2024, 5, 10, 0, 0, 1, 3000)),  # noqa: DTZ001
    "dates in UTC": lambda: dated(
        datetime(2024, 5, 10, tzinfo=UTC), datetime(2024, 5, 10, 0, 0, 0, 3000, tzinfo=UTC)
    ).with_columns(pl.col("TIMESTAMP").dt.convert_time_zone("Europe/Berlin")),
}


def dated(*times: datetime) -> pl.DataFrame:
    return pl.DataFrame({"TIMESTAMP": times, "ContextTokens": [2, 3], "GeneratedTokens": [4, 5], "model": ["a", "b"]})


@pytest.mark.parametrize("name", FRAMES)
def test_a_parquet_file_is_read_like_the_others(name: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    FRAMES[name]().write_parquet(path)
    found = load_arrivals(str(path))
    wanted = [0, 3_000_000_000], [2, 3], [4, 5]
    assert (found.arrival_ps.tolist(), found.prompt.tolist(), found.generated.tolist()) == wanted


def test_what_is_wrong_with_a_parquet_file_is_said_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    frame = {"arrival_s": [1.0, 0.5, None], "prompt_tokens": [1, 0, 1], "generated_tokens": ["a", "3", "4"]}
    pl.DataFrame(frame).write_parquet(path)
    assert problems(path) == [
        f": row 1: generated_tokens: 'a' {TOKENS}",
        ": row 2: arrival_s: the request comes before the one above it; sort the rows by arrival_s",
        f": row 2: prompt_tokens: 0 {TOKENS}",
        ": row 3: arrival_s: an empty field is no time; write seconds, at least 0",
    ]
    pl.DataFrame({"arrival_s": [1.0]}).write_parquet(path)
    assert problems(path) == [f": there are no columns 'prompt_tokens', 'generated_tokens'; {KNOWN}"]
    path.write_bytes(b"PAR1 and nothing else")
    [said] = problems(path)
    assert said.startswith(": not a Parquet file: ")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    remedy = "; give the path of a file that ends in .csv, .jsonl, .parquet"
    assert problems(tmp_path / "none.csv") == [f": there is no such file{remedy}"]
    (tmp_path / "folder.csv").mkdir()
    assert problems(tmp_path / "folder.csv") == [f": is a folder{remedy}"]
    assert problems(written(tmp_path, ".txt", OWN)) == [f": files ending in '.txt' are not read{remedy}"]
    assert problems(written(tmp_path, "", OWN)) == [f": the name has no ending{remedy}"]
    with pytest.raises(AttnSimError, match="File name too long"):
        load_arrivals(f"{tmp_path}/{'long' * 1000}.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(OWN.encode() + b"0,5,6\n\xff\xfe,1,2\n")
    assert problems(binary) == [":3: not text in UTF-8; save it in UTF-8"]
    [said] = problems(written(tmp_path, ".csv", OWN + "0,5," + "6" * 200_000 + "\n"))
    assert said.startswith(": it cannot be read: field larger than field limit")


def test_more_rows_than_can_be_held_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attnsim.requests.arrival_file.MOST_REQUESTS", 3)
    assert problems(written(tmp_path, ".csv", OWN + "0,1,1\n" * 4)) == [
        ": there are more than 3 rows; take fewer requests"
    ]


def test_the_first_rows_and_another_rate_can_be_asked_for(tmp_path: Path) -> None:
    path = str(written(tmp_path, ".csv", OWN + "0,1,1\n1,2,2\n4,3,3\n"))
    assert load_arrivals(path, requests=2).arrival_ps.tolist() == [0, 10**12]
    assert load_arrivals(path, rate=1.0).arrival_ps.tolist() == [0, 5 * 10**11, 2 * 10**12]
    assert load_arrivals(path, requests=2, rate=4.0).arrival_ps.tolist() == [0, 250 * 10**9]
    with pytest.raises(AttnSimError, match=r"--requests: trace\.csv has 3 requests, and 4 are asked for"):
        load_arrivals(path, requests=4)


ROWS = st.lists(
    st.tuples(st.integers(0, 4 * 10**15), st.integers(1, 2**40), st.integers(1, 2**40)), min_size=1, max_size=20
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_what_is_written_to_the_nanosecond_is_read_as_it_was(rows: list[tuple[int, int, int]], folder: Path) -> None:
    rows.sort(key=lambda row: row[0])
    texts = [(f"{time // 10**9}.{time % 10**9:09d}", prompt, generated) for time, prompt, generated in rows]
    csv_file = written(folder, ".csv", OWN + "".join(f"{a},{b},{c}\n" for a, b, c in texts))
    keys = OWN.strip().split(",")
    lines = (json.dumps(dict(zip(keys, (float(a), b, c), strict=True))) + "\n" for a, b, c in texts)
    for path in (csv_file, written(folder, ".jsonl", "".join(lines))):
        found = read_arrivals(path)
        assert found.arrival_ps.tolist() == [(time - rows[0][0]) * 1000 for time, _, _ in rows]
        assert np.column_stack([found.prompt, found.generated]).tolist() == [[b, c] for _, b, c in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")
