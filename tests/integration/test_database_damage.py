"""Whatever byte of the database changes: it is noticed, or nothing that is served changed."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from flotta.apiserver.storage.database import ChangeRow, Database
from flotta.apiserver.storage.integrity import DatabaseError

OBJECTS = 60


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """Return a closed database with objects of several sizes and a history."""
    path = tmp_path / "made.db"
    database = Database(path)
    version = 0
    for turn in range(3):
        for number in range(OBJECTS):
            version += 1
            body = b'{"metadata":{"n":"%d-%d-%s"}}' % (turn, number, b"x" * (number * 37))
            before = b'{"metadata":{}}' if turn else None
            row = ChangeRow(
                version, "MODIFIED", "configmaps", "default", f"c{number}", body, before
            )
            database.write([row], 0)
    database.close()
    return path.read_bytes()


def read(path: Path) -> list[object] | None:
    """Return everything that would be served; None if the file is refused."""
    try:
        database = Database(path)
    except DatabaseError:
        return None
    try:
        rows = sorted(database.objects(), key=lambda row: str(row.name))
        list(database.changes())
        return [*rows]
    except (DatabaseError, sqlite3.DatabaseError):
        return None
    finally:
        database.close()


def check_flips(content: bytes, tmp_path: Path, flips: int, seed: int) -> None:
    sound = tmp_path / "sound.db"
    sound.write_bytes(content)
    wanted = read(sound)
    assert wanted is not None
    assert len(wanted) == OBJECTS
    chance = random.Random(seed)
    noticed = 0
    for flip in range(flips):
        changed = bytearray(content)
        place = chance.randrange(len(content))
        changed[place] ^= 1 << chance.randrange(8)
        path = tmp_path / f"flip{flip}.db"
        path.write_bytes(changed)
        found = read(path)
        assert found in (None, wanted), f"byte {place}"
        noticed += found is None
        for left in tmp_path.glob(f"flip{flip}.db*"):
            left.unlink()
    assert noticed > flips // 10


def test_a_changed_byte_is_never_served(content: bytes, tmp_path: Path) -> None:
    check_flips(content, tmp_path, 100, seed=1)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(10))
def test_many_changed_bytes_are_never_served(content: bytes, tmp_path: Path, seed: int) -> None:
    check_flips(content, tmp_path, 500, seed=100 + seed)


@pytest.mark.parametrize("pages", [0, 1, 3, 10])
def test_a_cut_file_is_refused(content: bytes, tmp_path: Path, pages: int) -> None:
    path = tmp_path / "cut.db"
    path.write_bytes(content[: pages * 4096])
    assert read(path) is None
