"""The module configuration_files: files written together, each at once."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils import basic
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


def test_file_has_its_selinux_context_before_it_is_at_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double of SELinux: this machine has none."""
    given: list[list[str]] = []

    def note(_: object, partial: str, context: list[str], changed: bool) -> bool:
        assert (Path(partial).parent / "unit").exists() == ("old" in context)
        given.append(context)
        return changed

    module = basic.AnsibleModule
    monkeypatch.setattr(module, "selinux_enabled", lambda _: True)
    monkeypatch.setattr(module, "selinux_context", lambda *_: ["old"])
    monkeypatch.setattr(module, "selinux_default_context", lambda *_: ["default"])
    monkeypatch.setattr(module, "set_context_if_different", note)
    unit = {"path": str(tmp_path / "unit"), **ME}
    for content in ("1", "2", "2"):
        run("configuration_files", files=[{**unit, "content": content}])
    assert given == [["default"], ["old"]]


def test_nothing_of_a_secret_stays_where_selinux_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(95, "Operation not supported")

    module = basic.AnsibleModule
    monkeypatch.setattr(module, "selinux_enabled", lambda _: True)
    monkeypatch.setattr(module, "selinux_context", lambda *_: ["old"])
    monkeypatch.setattr(module, "selinux_default_context", lambda *_: ["default"])
    monkeypatch.setattr(basic, "selinux", SimpleNamespace(lsetfilecon=refuse), raising=False)
    answer = run("configuration_files", files=files(tmp_path)[1:])
    expected = f"Cannot write {tmp_path}/secret.env: invalid selinux context: [Errno 95]"
    assert answer["msg"].startswith(expected)
    assert os.listdir(tmp_path) == []


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


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"path": "relative"}, "relative is not an absolute path; begin it with /."),
        ({"mode": "u=rw"}, "has the mode 'u=rw'; use three or four octal digits in quotes"),
        ({"mode": "0999"}, "has the mode '0999'; use three or four octal digits in quotes"),
        ({"path": "{folder}"}, "{folder} is a directory; name a file"),
        ({"path": "/proc/nowhere/file"}, "Cannot write /proc/nowhere/file: "),
        ({"path": "{folder}/plain/file"}, "Cannot write {folder}/plain/file: "),
        ({"path": "/proc/self/file"}, "Check that each parent is a directory on a writable"),
    ],
)
def test_what_cannot_be_written_is_a_sentence_and_nothing_is_written(
    tmp_path: Path, wanted: dict[str, str], sentence: str
) -> None:
    (tmp_path / "plain").touch()
    path = wanted.get("path", "{folder}/file").format(folder=tmp_path)
    # A file that could be written comes first.
    given = [*files(tmp_path)[:1], {"content": "x", **ME, **wanted, "path": path}]
    answer = run("configuration_files", files=given)
    assert answer["failed"]
    assert sentence.format(folder=tmp_path) in answer["msg"]
    assert "Traceback" not in answer["msg"]
    if not path.startswith("/proc"):
        assert not (tmp_path / "deep").exists()


def test_secret_content_is_in_no_result_and_public_content_is(tmp_path: Path) -> None:
    wanted = files(tmp_path)
    first = run("configuration_files", files=wanted)
    wanted[1]["content"] = "KEY=next\n"
    second = run("configuration_files", files=wanted)
    answers = json.dumps([first, second])
    assert "KEY=" not in answers
    assert first["invocation"]["module_args"]["files"][0]["content"] == "[Unit]\n"
    assert first["diff"][0]["after"] == "[Unit]\n"


def test_content_that_was_secret_is_not_shown_when_it_becomes_public(tmp_path: Path) -> None:
    wanted = files(tmp_path)[1:]
    run("configuration_files", files=wanted)
    wanted[0] |= {"mode": "0644", "content": "nothing\n"}
    assert "KEY=" not in json.dumps(run("configuration_files", files=wanted))


def test_a_file_without_the_mark_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    own, foreign = tmp_path / "own", tmp_path / "foreign"
    own.write_text("# by flotta\nold\n")
    foreign.write_text("precious")
    for change in ({"content": "# by flotta\nnew\n"}, {}):
        wanted = [
            {"path": str(path), "mark": "by flotta", **ME, **change} for path in (own, foreign)
        ]
        answer = run("configuration_files", files=wanted)
        assert f"{foreign} exists and was not written by flotta" in answer["msg"]
        assert (own.read_text(), foreign.read_text()) == ("# by flotta\nold\n", "precious")
    assert run("configuration_files", files=wanted[:1])["changed"]
    assert not own.exists()
