"""The module preflight: everything that is missing is named at once, with its remedy."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from module_run import loaded, run


def program(folder: Path, name: str, says: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_a_host_that_has_everything_passes() -> None:
    answer = run(
        "preflight",
        root=os.geteuid() == 0,
        python=sys.executable,
        architectures=[platform.machine()],
        glibc=True,
        commands=[{"name": "sh", "remedy": "Install a shell."}],
        space=[{"path": "/var/lib/nowhere/deep", "mebibytes": 1}],
        controller_time=time.time(),
    )
    assert (answer.get("failed"), answer["problems"]) == (None, [])


def test_everything_that_is_missing_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "podman", "podman version 3.4.4")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    module = loaded("preflight")
    monkeypatch.setattr(module, "BOOTED", str(tmp_path / "missing"))
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(module.platform, "machine", lambda: "armv7l")
    answer = run(
        "preflight",
        check_mode=True,
        root=True,
        systemd=True,
        python=str(tmp_path / "python3"),
        architectures=["x86_64", "aarch64"],
        commands=[
            {"name": "podman", "version": "4.3", "remedy": "Install podman."},
            {"name": "flotta-no-such-program", "remedy": "Install it."},
        ],
        space=[{"path": str(tmp_path), "mebibytes": 10**9}],
        controller_time=time.time() - 86400,
        files=["/x belongs to rhc."],
    )
    assert answer["failed"]
    texts = [
        "[root] The tasks do not run as root. Set ansible_user=root",
        "[systemd] systemd is not the init system",
        f"[python] {tmp_path}/python3 is missing or does not run. Install Python 3.11 or newer",
        "[architecture] The architecture of this host is armv7l. Wheels exist for x86_64 and aa",
        "[commands] podman is 3.4.4; flotta needs 4.3 or newer. Install podman.",
        "[commands] flotta-no-such-program is missing. Install it.",
        f"[space] The file system of {tmp_path} has ",
        "[clock] The clock of this host says ",
        "[files] /x belongs to rhc.",
    ]
    assert len(answer["problems"]) == len(texts)
    for problem, text in zip(answer["problems"], texts, strict=True):
        assert problem.startswith(text)
        assert problem in answer["msg"]
    assert answer["msg"].startswith("9 requirements are not met, and nothing was changed:")


def test_a_python_is_judged_by_its_version_its_venv_and_its_c_library(tmp_path: Path) -> None:
    def problems(says: str) -> list[str]:
        path = program(tmp_path, "python3", says)
        found: list[str] = run("preflight", python=str(path), glibc=True)["problems"]
        return found

    assert problems('{"version": [3, 13], "venv": true, "libc": "glibc", "bits": 64}') == []
    (old,) = problems('{"version": [3, 9], "venv": true, "libc": "glibc", "bits": 64}')
    assert "is Python 3.9; flotta needs 3.11 or newer" in old
    bare, other = problems('{"version": [3, 12], "venv": false, "libc": "musl", "bits": 64}')
    assert "Install the package python3-venv" in bare
    assert other.startswith("[libc] The C library of this host is not glibc")


def test_a_32_bit_python_on_a_64_bit_kernel_is_named(tmp_path: Path) -> None:
    says = '{"version": [3, 11], "venv": true, "libc": "glibc", "bits": 32}'
    path = program(tmp_path, "python3", says)
    wanted = {"python": str(path), "architectures": [platform.machine()]}
    (problem,) = run("preflight", **wanted)["problems"]
    assert problem.startswith(f"[architecture] {path} is a 32-bit program")


def test_a_port_is_free_for_the_unit_that_already_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def problems(**wanted: Any) -> list[str]:
            ports = [{"port": port, "unit": "flotta-s3.service", **wanted}]
            found: list[str] = run("preflight", ports=ports)["problems"]
            return found

        (text,) = problems(remedy="set operator_s3_port to another port")
        assert text.startswith(f"[ports] TCP port {port} on 127.0.0.1 is used by ")
        assert "flotta-s3.service needs it. Stop that program, or set operator_s3_port" in text
        assert problems(address="127.0.0.2") == []
        assert problems(port=1) == []
        monkeypatch.setattr(
            loaded("preflight"), "find_process", lambda _: ("rclone", "flotta-s3.service")
        )
        assert problems() == []


def test_the_program_at_a_port_is_found_while_it_closes_other_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listdir = os.listdir

    def with_a_closed_file(path: str) -> list[str]:
        return ["1000000", *listdir(path)] if path.endswith("/fd") else listdir(path)

    monkeypatch.setattr(os, "listdir", with_a_closed_file)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = [{"port": server.getsockname()[1], "unit": "flotta-s3.service"}]
        (text,) = run("preflight", ports=ports)["problems"]
    name = Path("/proc/self/comm").read_text().strip()
    assert f"is used by {name}" in text


def test_a_port_that_is_closed_meanwhile_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports = [{"port": server.getsockname()[1], "unit": "flotta-s3.service"}]

        def close_first(_inode: str) -> tuple[str, str]:
            server.close()
            return "", ""

        monkeypatch.setattr(loaded("preflight"), "find_process", close_first)
        assert run("preflight", ports=ports)["problems"] == []


def test_space_is_not_asked_for_when_the_release_is_already_there(tmp_path: Path) -> None:
    note = tmp_path / "programs.json"
    note.write_text('{"digest": "abc", "extras": ["device"]}')
    space = {"path": str(tmp_path), "mebibytes": 10**9, "unless_file": str(note)}
    assert run("preflight", space=[{**space, "unless_text": '"abc"'}])["problems"] == []
    assert len(run("preflight", space=[{**space, "unless_text": '"def"'}])["problems"]) == 1
    for extra, problems in (("device", 0), ("control-plane", 1)):
        texts = ['"abc"', f'"{extra}"']
        answer = run("preflight", space=[{**space, "unless_text": texts}])
        assert len(answer["problems"]) == problems


def test_a_check_that_is_ignored_is_a_warning_and_others_are_not(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "python": str(tmp_path / "python3"),
        "space": [{"path": str(tmp_path), "mebibytes": 10**9}],
    }
    answer = run("preflight", ignore=["space"], **wanted)
    (problem,) = answer["problems"]
    assert problem.startswith("[python]")
    assert not run("preflight", ignore=["space", "python"], **wanted).get("failed")
    assert "There is no check spaces; the checks are" in run("preflight", ignore=["spaces"])["msg"]


def test_a_distribution_that_is_not_supported_is_told_which_ones_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "os-release"
    release.write_text('PRETTY_NAME="Slackware 15"\nID=slackware\n')
    module = loaded("preflight")
    read = module.read_distribution
    monkeypatch.setattr(module, "read_distribution", lambda: read(str(release)))
    wanted = {"supported": ["debian"], "supported_names": "Debian 12"}
    text = "Slackware 15 is not supported. Supported: Debian 12."
    assert text in run("preflight", python=str(tmp_path / "python"), **wanted)["msg"]
    release.write_text("ID=raspbian\nID_LIKE=debian\n")
    assert text not in run("preflight", python=str(tmp_path / "python"), **wanted)["msg"]
