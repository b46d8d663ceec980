"""Backups of the embedded control plane: archives that somebody else may have written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from inputs import apply_changes, changes_of_bytes

from flotta.apiserver.backup.archive import extract_files, read_contents
from flotta.apiserver.backup.contents import BackupError, Places, is_name
from flotta.apiserver.backup.create import create_backup
from flotta.apiserver.storage.database import ChangeRow, Database

Fuzz = Callable[..., None]


def test_archives(fuzz: Fuzz, tmp_path: Path) -> None:
    places = made(tmp_path / "source")
    archive, target = tmp_path / "backup.tar", tmp_path / "restored"
    create_backup(places, archive)
    whole = archive.read_bytes()
    target.mkdir()
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(target)}

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        archive.write_bytes(apply_changes(whole, changes))
        try:
            contents = read_contents(archive)
            names = contents.files()
            assert all(is_name(name) for name in names)
            targets = {name: target / name.replace("/", "-") for name in names}
            extract_files(archive, contents, targets)
        except (BackupError, OSError):
            pass
        assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(target)} == before
        for left in target.iterdir():
            left.unlink()

    fuzz(check, changes_of_bytes())


def made(folder: Path) -> Places:
    """Return a control plane with the files that a backup needs."""
    places = Places(
        folder / "state.db", folder / "pki", folder / "kubeconfig", folder / "keys", folder / "env"
    )
    for path in (places.pki, places.kubeconfigs, places.s3_keys):
        path.mkdir(parents=True)
    for name in ("ca.crt", "ca.key", "s3-ca.crt", "s3-ca.key"):
        (places.pki / name).write_bytes(name.encode())
    database = Database(places.database)
    row = ChangeRow(1, "ADDED", "configmaps", "default", "c", b'{"metadata":{}}', None)
    database.write([row], 0)
    database.close()
    return places
