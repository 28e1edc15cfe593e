"""Trace files: what is read, and every way in which a file is refused, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import AttnSimError
from attnsim.requests import DecodeRequest, load_requests
from attnsim.requests.trace_file import read_trace

GOOD = {
    "seq_len\n5\n70\n": [(5, None), (70, None)],
    "seq_len,ch_idx\n5,3\n70,0\n": [(5, 3), (70, 0)],
    "\ufeffseq_len,ch_idx\r\n 5 , 3 \r\n\r\n70,0": [(5, 3), (70, 0)],
    "seq_len,ch_idx\n5,\n70,\n": [(5, None), (70, None)],
}

# text of a file -> what is said behind its name
BAD = {
    "": [": the file is empty; begin it with the line seq_len"],
    "seq_len\n": [": there are no rows; write the length of one request a row"],
    "5\n70\n": [":1: there is no column 'seq_len'; name the columns seq_len, or seq_len,ch_idx"],
    "seq_len,arrival\n5,0\n": [":1: unknown column 'arrival'; leave it out; known: seq_len, ch_idx"],
    "ch_idx,seq_len\n0,5\n": [":1: the columns are ch_idx,seq_len; write seq_len, or seq_len,ch_idx"],
    "seq_len\n5\n6.5\n-2\nlong\n0\n": [
        ":3: seq_len: '6.5' is not a whole number; write a whole number of at least 1",
        ":4: seq_len: -2 is below 1; write a whole number of at least 1",
        ":5: seq_len: 'long' is not a whole number; write a whole number of at least 1",
        ":6: seq_len: 0 is below 1; write a whole number of at least 1",
    ],
    "seq_len\n1099511627777\n" + "9" * 5000 + "\n": [
        ":2: seq_len: '1099511627777' is out of range; write a whole number of at least 1",
        f":3: seq_len: '{'9' * 40}...' is out of range; write a whole number of at least 1",
    ],
    "seq_len,ch_idx\n5,-1\n5,x\n": [
        ":2: ch_idx: -1 is below 0; write a whole number of at least 0",
        ":3: ch_idx: 'x' is not a whole number; write a whole number of at least 0",
    ],
    "seq_len,ch_idx\n5,0\n\n7,\n": [
        ":4: ch_idx: this row has no channel, and others have one; give every row a channel, or none"
    ],
    "seq_len\n5\n7,1\n": [":3: the row has 2 fields; write 1, as many as the first line has"],
    "seq_len,ch_idx\n5\n": [":2: the row has 1 field; write 2, as many as the first line has"],
}


def written(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("text", GOOD)
def test_the_rows_of_a_file_are_its_requests(text: str, tmp_path: Path) -> None:
    wanted = tuple(DecodeRequest(keys=keys, channel=channel) for keys, channel in GOOD[text])
    assert read_trace(written(tmp_path, text)) == wanted


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:30]))
def test_what_is_wrong_with_a_file_is_said_with_its_line(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(AttnSimError) as caught:
        read_trace(path)
    assert [str(problem) for problem in caught.value.problems] == [f"{path}{said}" for said in BAD[text]]


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AttnSimError, match="there is no such file"):
        read_trace(tmp_path / "none.csv")
    with pytest.raises(AttnSimError, match="is a folder"):
        read_trace(tmp_path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"seq_len\n\xff\xfe\n")
    with pytest.raises(AttnSimError, match="not a CSV file"):
        read_trace(binary)


def test_a_batch_is_the_first_rows_of_a_file_or_all(tmp_path: Path) -> None:
    path = str(written(tmp_path, "seq_len\n5\n6\n7\n"))

    def keys(batch: int | None) -> list[int]:
        return [request.keys for request in load_requests(path, batch=batch, usual_batch=64, seed=0)]

    assert keys(None) == keys(3) == [5, 6, 7]
    assert keys(2) == [5, 6]
    with pytest.raises(AttnSimError, match="the file has 3 requests, and the batch is 4; give --batch of at most 3"):
        keys(4)
