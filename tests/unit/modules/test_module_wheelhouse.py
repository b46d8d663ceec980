"""The module wheelhouse: an archive is named after what is asked for, and collected once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from module_run import loaded, run

ABOUT = {"python_version": "3.11", "architecture": "aarch64"}


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locked requirements that no index can meet."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    path = tmp_path / "locked.txt"
    path.write_text(f"no-such-wheel==1.0 --hash=sha256:{'0' * 64}\n")
    return path


def test_an_archive_that_is_there_is_kept(tmp_path: Path, requirements: Path) -> None:
    wanted = {"requirements": [str(requirements)], "path": str(tmp_path / "cache"), **ABOUT}
    answer = run("wheelhouse", check_mode=True, **wanted)
    assert answer["changed"]
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").mkdir()
    Path(answer["archive"]).touch()
    again = run("wheelhouse", **wanted)
    assert (again["changed"], again["archive"]) == (False, answer["archive"])


def test_a_failure_of_pip_names_the_host_and_whose_settings_were_used(
    tmp_path: Path, requirements: Path
) -> None:
    cache = tmp_path / "cache"
    answer = run("wheelhouse", requirements=[str(requirements)], path=str(cache), **ABOUT)
    assert answer["failed"]
    assert answer["msg"].startswith("pip could not download the wheels for Python 3.11 on aarch64.")
    assert "your pip settings (pip config list)" in answer["msg"]
    assert "no-such-wheel" in answer["msg"]
    assert os.listdir(cache) == []


def test_the_name_follows_from_the_requirements_and_the_host(requirements: Path) -> None:
    name = loaded("wheelhouse").content_name
    first = name([str(requirements)], "3.11", "x86_64", "2.36")
    assert first == name([str(requirements)], "3.11", "x86_64", "2.36")
    assert first != name([str(requirements)], "3.13", "x86_64", "2.36")
    requirements.write_text("other")
    assert first != name([str(requirements)], "3.11", "x86_64", "2.36")


def test_wheels_for_a_newer_c_library_are_not_asked_for() -> None:
    tags = loaded("wheelhouse").platform_tags("x86_64", "2.28")
    assert tags[0] == "manylinux_2_28_x86_64"
    assert "manylinux_2_5_x86_64" in tags
    assert "manylinux_2_29_x86_64" not in tags


def test_pip_is_told_the_host_it_collects_for() -> None:
    command = loaded("wheelhouse").download_command(
        "python3", ["a.txt"], "out", "3.13", ["linux_x"]
    )
    words = " ".join(command)
    assert "--require-hashes --only-binary :all: --dest out" in words
    assert "--python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none" in words
    assert words.endswith("--platform linux_x --requirement a.txt")


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"architecture": "armv7l"}, "There are no wheels for armv7l."),
        ({"architecture": "riscv64"}, "have wheels for x86_64 and aarch64 only."),
        ({"libc_version": ""}, "libc_version is ''; use the version of the GNU C library (glibc)"),
        ({"libc_version": "musl"}, "Alpine Linux with musl, are not supported"),
        ({"python_version": "3"}, "use major and minor version in quotes, such as '3.11'"),
        ({"requirements": ["/nowhere/locked.txt"]}, "/nowhere/locked.txt: No such file"),
        ({"path": "/proc/nowhere"}, "that you may write to /proc/nowhere"),
    ],
)
def test_what_cannot_be_downloaded_is_a_sentence(
    tmp_path: Path, requirements: Path, about: dict[str, Any], sentence: str
) -> None:
    wanted = {"requirements": [str(requirements)], "path": str(tmp_path / "cache"), **ABOUT}
    answer = run("wheelhouse", **(wanted | about))
    assert answer["failed"]
    assert sentence in answer["msg"]
    assert "no-such-wheel" not in answer["msg"]


def test_archives_that_nobody_uses_and_remains_of_failed_runs_are_removed(
    tmp_path: Path, requirements: Path
) -> None:
    cache = tmp_path / "cache"
    wanted = {"requirements": [str(requirements)], "path": str(cache), **ABOUT}
    used = Path(run("wheelhouse", check_mode=True, **wanted)["archive"]).name
    old = {
        "wheelhouse-1.tar",
        "wheelhouse-1.tar.lock",
        "wheelhouse-2.tar.partial",
        used,
        "mine.tar",
    }
    (cache / "wheelhouse-x.partial").mkdir(parents=True)
    for name in (*old, "wheelhouse-x.partial"):
        (cache / name).touch()
        os.utime(cache / name, (0, 0))
    (cache / "wheelhouse-3.tar").touch()
    assert not run("wheelhouse", **wanted)["changed"]
    assert set(os.listdir(cache)) == {used, "mine.tar", "wheelhouse-3.tar"}
    assert (cache / used).stat().st_mtime > 0
