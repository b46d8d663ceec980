"""What is in an area and does not belong there is found by `verify`, and said by `show`."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import open_iso
from flotta.images.personalise.medium import find_medium_area
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.reset import reset
from flotta.images.personalise.show import show
from flotta.images.personalise.sources import open_source
from flotta.images.personalise.verify import verify
from flotta.images.settings.medium import parse_settings
from flotta.payload.cpio import Entry, directory, read_archive, write_archive
from small_iso import fleet, make_base

WIFI = [{"ssid": "shop", "passphrase": "correct horse"}]
Change = Callable[[list[Entry]], Sequence[Entry]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base.iso")


@pytest.fixture
def medium(base: Path, tmp_path: Path) -> Path:
    path = tmp_path / "till.iso"
    with open_source(BaseFile(base)) as source:
        settings = parse_settings(fleet().settings(device_id="till-1", wifi=WIFI))
        personalise(source, Output(path, settings))
    return path


def change_area(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace what is in the area of a medium."""
    with open_iso(path) as iso:
        area = find_medium_area(iso)
        assert area is not None
        changed = change(iso.read_at(area.offset, area.size))
    assert len(changed) == area.size
    with path.open("r+b") as file:
        file.seek(area.offset)
        file.write(changed)


def change_entries(path: Path, change: Change) -> None:
    def write(data: bytes) -> bytes:
        return write_archive(change(list(read_archive(data)))).ljust(len(data), b"\0")

    change_area(path, write)


def edited(name: str, before: bytes, after: bytes) -> Change:
    """Return the change of the content of one entry."""

    def change(entries: list[Entry]) -> Sequence[Entry]:
        [found] = [entry for entry in entries if entry.name == name]
        assert before in found.content
        new = replace(found, content=found.content.replace(before, after))
        return [new if entry is found else entry for entry in entries]

    return change


def added(entry: Entry) -> Change:
    return lambda entries: [*entries, entry]


def require_damaged(path: Path, base: Path, problem: str) -> None:
    with pytest.raises(ImageError, match=problem) as caught:
        verify(path, BaseFile(base))
    assert caught.value.reason == "VerificationFailed"
    shown = show(path)
    assert (shown.area.state, shown.manifest) == ("damaged", None)
    assert problem in shown.area.problem


CONFIG = "flotta/root/etc/yggdrasil/config.toml"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (edited(CONFIG, b"edge.example", b"evil.example"), "config.toml is not the one"),
        (added(Entry("init", stat.S_IFREG | 0o755, 0, b"#!/bin/sh")), "/init does not belong"),
        (added(Entry("preseed.cfg", stat.S_IFREG | 0o600, 0, b"d-i")), "does not belong there"),
        (
            added(Entry("flotta/root/etc/passwd", stat.S_IFREG | 0o644, 0, b"x")),
            "/etc/passwd is not the one",
        ),
        (edited("flotta/root/var/lib/iwd/shop.psk", b"horse", b"house"), "content id"),
        (edited("flotta/manifest.json", b"till-1", b"till-2"), "content id"),
        (added(directory("etc", 0)), "not as flotta.edge writes it"),
        (lambda entries: [*entries, entries[-1]], "not as flotta.edge writes it"),
        (lambda entries: entries[:-1], "is not the one in the manifest"),
    ],
)
def test_a_changed_archive(change: Change, problem: str, medium: Path, base: Path) -> None:
    assert verify(medium, BaseFile(base)) is not None
    change_entries(medium, change)
    require_damaged(medium, base, problem)


def test_a_second_archive_which_the_kernel_would_unpack(medium: Path, base: Path) -> None:
    other = write_archive([Entry(CONFIG, stat.S_IFREG | 0o644, 0, b'server = "evil"')])

    def append(data: bytes) -> bytes:
        end = len(data.rstrip(b"\0")) + 4 & ~3
        return (data[: end + 512] + other).ljust(len(data), b"\0")

    change_area(medium, append)
    require_damaged(medium, base, "after the end of the archive")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: (bytes(512) + data)[: len(data)],  # the kernel skips leading zeros
        lambda data: bytes(4096) + data[4096:],  # a reset that was interrupted
    ],
)
def test_an_area_that_begins_with_zeros_is_not_free(
    change: Callable[[bytes], bytes], medium: Path, base: Path
) -> None:
    change_area(medium, change)
    require_damaged(medium, base, "no entry of an archive")
    assert reset(medium).changed
    assert medium.read_bytes() == base.read_bytes()


def test_a_seed_is_looked_at_like_an_iso(tmp_path: Path) -> None:
    path = tmp_path / "seed.img"
    with open_source(None) as source:
        personalise(source, Output(path, parse_settings(fleet().settings(wifi=WIFI))))
    assert verify(path) is not None
    change_entries(path, edited("flotta/root/var/lib/iwd/shop.psk", b"horse", b"house"))
    with pytest.raises(ImageError, match="content id"):
        verify(path)
