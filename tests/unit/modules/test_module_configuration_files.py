"""The module configuration_files: files written together, each at once."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from module_run import run

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


def files(folder: Path) -> list[dict[str, Any]]:
    return [
        {"path": str(folder / "deep/down/unit"), "content": "[Unit]\n", **ME},
        {"path": str(folder / "secret.env"), "content": "KEY=top\n", "mode": "0600", **ME},
    ]


def test_files_are_written_with_their_modes_and_left_alone(tmp_path: Path) -> None:
    wanted = files(tmp_path)
    first, again = (run("configuration_files", files=wanted) for _ in "ab")
    assert first["paths"] == [file["path"] for file in wanted]
    assert (again["changed"], again["paths"]) == (False, [])
    assert (tmp_path / "deep/down/unit").read_text() == "[Unit]\n"
    modes = [stat.S_IMODE(Path(file["path"]).stat().st_mode) for file in wanted]
    assert modes == [0o644, 0o600]
    assert sorted(os.listdir(tmp_path)) == ["deep", "secret.env"]


def test_a_mode_alone_is_a_change(tmp_path: Path) -> None:
    wanted = files(tmp_path)
    run("configuration_files", files=wanted)
    wanted[0]["mode"] = "0640"
    assert run("configuration_files", files=wanted)["paths"] == [wanted[0]["path"]]


def test_a_file_without_content_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    gone = [{"path": str(path)}]
    first, again = (run("configuration_files", files=gone) for _ in "ab")
    assert (first["changed"], again["changed"]) == (True, False)
    assert not path.exists()


def test_check_mode_shows_what_would_change_but_no_secret(tmp_path: Path) -> None:
    answer = run("configuration_files", check_mode=True, files=files(tmp_path))
    assert answer["changed"]
    unit, secret = answer["diff"]
    assert (unit["before"], unit["after"]) == ("", "[Unit]\n")
    assert secret["after"] == "(not shown: other users may not read this file)\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_owner_who_does_not_exist_is_named_unless_he_may_yet_come(
    tmp_path: Path, check_mode: bool
) -> None:
    path = str(tmp_path / "file")
    wanted = [{"path": path, "content": "", "owner": "nobody-of-this-name"}]
    answer = run("configuration_files", check_mode=check_mode, files=wanted)
    if check_mode:
        assert answer["paths"] == [path]
    else:
        assert answer["failed"]
        assert answer["msg"].startswith(f"Cannot write {path}: ")
        assert "nobody-of-this-name" in answer["msg"]
