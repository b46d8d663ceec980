"""The console draws what changed, on every terminal that takes it, and survives the others."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotta.cli.live import main
from flotta.live.boot_report import BootReport, write_report
from flotta.live.console import service, terminals
from flotta.live.console.service import Console, render_now
from flotta.live.places import Places
from flotta.protocol.joining import JoiningStatus, Phase, encode_joining


class Terminal:
    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        self.path = Path(os.ttyname(self._slave))

    def read(self) -> str:
        """Return what came since the last time."""
        found = b""
        while select.select([self.master], [], [], 0)[0]:
            found += os.read(self.master, 65536)
        return found.decode()

    def close(self) -> None:
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path)
    write_report(found.report, BootReport(device_id="till-1", settings=True))
    found.joining.parent.mkdir(parents=True)
    return found


def write_joining(places: Places, phase: Phase) -> None:
    places.joining.write_bytes(encode_joining(JoiningStatus(phase=phase, reason="OtherKey")))


def test_it_draws_when_something_changes_and_only_then(places: Places, terminal: Terminal) -> None:
    console = Console(places, [terminal.path])
    console.refresh()
    assert "NO NETWORK" in terminal.read()
    console.refresh()
    assert terminal.read() == ""
    write_joining(places, Phase.REFUSED)
    console.refresh()
    drawn = terminal.read()
    assert "REFUSED" in drawn
    assert drawn.count("\x1b[H") == 1


def test_a_terminal_that_is_missing_or_stuck_keeps_no_other_waiting(
    places: Places, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "PATIENCE", 0.05)
    stuck = tmp_path / "stuck"
    os.mkfifo(stuck)
    reader = os.open(stuck, os.O_RDONLY | os.O_NONBLOCK)
    filler = os.open(stuck, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(filler, b"x" * 4096)
    console = Console(places, [tmp_path / "none", stuck, terminal.path])
    console.refresh()
    assert "NO NETWORK" in terminal.read()
    while select.select([reader], [], [], 0)[0]:
        os.read(reader, 65536)
    console.refresh()
    assert not select.select([reader], [], [], 0)[0]  # not asked again at once
    monkeypatch.setattr(service, "RETRY", 0.0)
    console.refresh()
    assert b"NO NETWORK" in os.read(reader, 65536)
    for handle in (reader, filler):
        os.close(handle)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff" * 100,
        b"x" * 1_000_000,
        b'{"format":1,"phase":"Waiting","message":7}',
        json.dumps({"phase": "Refused", "reason": "\x1b[2J", "message": "\r" * 900}).encode(),
    ],
)
def test_it_shows_something_whatever_the_files_hold(places: Places, content: bytes) -> None:
    places.report.write_bytes(content)
    places.joining.write_bytes(content)
    drawn = render_now(places)
    assert "flotta.edge" in drawn
    assert "\x1b" not in drawn
    places.report.unlink()
    places.joining.unlink()
    os.mkfifo(places.joining)
    assert "flotta.edge" in render_now(places)


def test_a_defect_of_the_screen_does_not_end_it(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> str:
        raise RuntimeError("defect")

    monkeypatch.setattr(service, "render", fail)
    assert render_now(places) == service.BROKEN


def test_without_a_terminal_the_screen_is_printed_once(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["console", "--root", str(places.root)])
    assert "NO NETWORK" in capsys.readouterr().out
