"""Finding specs by name: shipped ones anywhere, the user's own only by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from attnsim.errors import UnknownNameError
from attnsim.specs.library import KINDS, Kind, data_root, find, is_path, names, shipped_files, shown_path


def test_the_names_that_scripts_rely_on_are_there() -> None:
    assert {"fusemax", "flat"} <= set(names("hardware"))
    assert {"unfused", "flat", "cascade", "architecture", "binding"} <= set(names("mapping"))
    assert {"bert", "trxl", "t5", "xlm"} <= set(names("model"))


def test_a_name_is_found_whatever_the_current_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bert").write_text("not this one", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert find("model", "bert") == data_root() / "workloads" / "models" / "bert.yaml"


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_shipped_files_of_a_kind_have_one_name(kind: Kind) -> None:
    folders = {"mapping": "workloads/mappings"}
    everything = list((data_root() / folders[kind]).rglob("*.yaml")) if kind in folders else list(shipped_files(kind))
    assert len(everything) == len(shipped_files(kind))


def test_every_file_of_hwspecs_is_of_one_kind() -> None:
    listed = [len(shipped_files(kind)) for kind in ("hardware", "link", "system")]
    assert sum(listed) == len(list((data_root() / "hwspecs").rglob("*.yaml")))


def test_a_path_of_the_users_own_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert find("model", "mine.yaml") == Path("mine.yaml")
    assert find("model", f"{tmp_path}/mine.yaml") == tmp_path / "mine.yaml"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("hardware", "fusmax", "there is no hardware 'fusmax'; did you mean fusemax?"),
        ("model", "BERT", "there is no model 'BERT'; did you mean bert?"),
        ("model", "", "there is no model ''; known: bert, gpt3-13b,"),
        ("mapping", "../binding.yaml", "there is no file '../binding.yaml'; give the path of a YAML file"),
        ("model", "folder/", "folder is a folder, not a model file"),
        ("model", "folder/mine.yml", "there is no file 'folder/mine.yml'; did you mean folder/mine.yaml?"),
        ("model", "x\0/y", "there is no file 'x\\x00/y'"),
        ("model", "long" * 1000, "..."),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    kind: Kind, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError) as caught:
        find(kind, name)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("name", "path"), [("fusemax", False), ("a/b", True), ("b.yaml", True), ("b.yml", True)])
def test_a_slash_or_a_yaml_ending_makes_a_path(name: str, path: bool) -> None:
    assert is_path(name) is path


def test_messages_show_shipped_files_from_the_data_root_on() -> None:
    assert shown_path(find("model", "bert")) == "workloads/models/bert.yaml"
    assert shown_path(Path("mine.yaml")) == "mine.yaml"
