"""ISOs and payloads: files and sticks that anybody may have made or changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from inputs import apply_changes, changes_of_bytes

from flotta.images.errors import ImageError
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.reset import reset
from flotta.images.personalise.show import show
from flotta.images.personalise.sources import open_source
from flotta.images.personalise.verify import verify
from flotta.images.settings.medium import parse_settings
from flotta.payload.device_files import make_files
from flotta.payload.tree import PayloadError, pack, unpack
from small_iso import fleet, make_base

Fuzz = Callable[..., None]
Changes = list[tuple[int, int, bytes]]
FIRST, LAST = 16 * 2048, 64 * 2048  # bytes


def test_isos(fuzz: Fuzz, tmp_path: Path) -> None:
    """Whatever an ISO says of itself, reading it ends with a result or a documented error."""
    base = make_base(tmp_path / "base.iso")
    settings = parse_settings(fleet().settings())
    path = tmp_path / "changed.iso"
    with open_source(BaseFile(base)) as source:
        personalise(source, Output(path, settings))
    whole = path.read_bytes()
    # Descriptors, directories and catalogue: all that leads to anything is here.
    head = whole[FIRST:LAST]

    def check(changes: Changes) -> None:
        changed = apply_changes(head, changes)[: len(head)].ljust(len(head), b"\0")
        path.write_bytes(whole[:FIRST] + changed + whole[LAST:])
        assert all(answer(look, path).isprintable() for look in (show, verify, reset))

    fuzz(check, changes_of_bytes())


def answer(look: Callable[[Path], object], path: Path) -> str:
    """Return the sentence of a refusal, "" for a result."""
    try:
        look(path)
    except ImageError as error:
        return str(error)
    return ""


def test_payloads(fuzz: Fuzz) -> None:
    """No path leads out of the payload, and nothing is larger than what was read."""
    files = make_files(parse_settings(fleet().settings()).personalisation)
    whole = pack(b"{}", files, 0)

    def check(changes: Changes) -> None:
        data = apply_changes(whole, changes)
        try:
            payload = unpack(data)
        except PayloadError:
            return
        for file in payload.files if payload else ():
            assert file.path.startswith("/")
            assert ".." not in file.path.split("/")
            assert len(file.content) <= len(data)

    fuzz(check, changes_of_bytes())
