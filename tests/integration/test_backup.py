"""Backup and restore of the embedded control plane, with real processes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from edge_site import Device, edge_api, fleet_of

from contract.api import Api, config_map, core
from contract.engine import Engine
from flotta.apiserver.backup import restore
from flotta.apiserver.storage.checksums import checksum_row
from waiting import eventually

ADMIN = "AWS_ACCESS_KEY_ID=admin"
PLACES = ("state.db", "pki", "kubeconfig", "keys", "s3-admin.env")


class Machine:
    """An engine with the files of an embedded control plane."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.engine = Engine(folder)
        (folder / "keys").mkdir(mode=0o750)
        (folder / "keys" / "AKIA1.json").write_text('{"secret": "of-a-device"}')
        (folder / "keys" / "AKIA1.json").chmod(0o640)
        (folder / "s3-admin.env").write_text(ADMIN)
        (folder / "s3-admin.env").chmod(0o600)

    def run(self, command: str, archive: Path, *more: str) -> subprocess.CompletedProcess[str]:
        places = ["--database", str(self.engine.database)]
        places += ["--kubeconfig-dir", str(self.folder / "kubeconfig")]
        places += ["--s3-keys", str(self.folder / "keys")]
        places += ["--s3-admin-file", str(self.folder / "s3-admin.env")]
        return self.engine.command(command, str(archive), *places, *more)

    def state(self) -> dict[str, tuple[int, str]]:
        """Return mode and digest of every file of the control plane but the database's log."""
        found = [self.folder / name for name in PLACES]
        found += [path for name in ("pki", "kubeconfig", "keys") for path in self._in(name)]
        return {str(path.relative_to(self.folder)): describe(path) for path in found}

    def _in(self, name: str) -> list[Path]:
        return list((self.folder / name).iterdir())


def describe(path: Path) -> tuple[int, str]:
    status = path.stat()
    content = path.read_bytes() if path.is_file() else b""
    return stat.S_IMODE(status.st_mode), hashlib.sha256(content).hexdigest()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "old")
    yield machine
    machine.engine.stop()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Machine]:
    """Return a new machine, on which a control plane was installed and stopped."""
    machine = Machine(tmp_path / "new")
    machine.engine.start()
    machine.engine.stop()
    yield machine
    machine.engine.stop()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Return such a machine that no test changes."""
    machine = Machine(tmp_path_factory.mktemp("installed") / "new")
    machine.engine.start()
    machine.engine.stop()
    return machine


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup that tests only read."""
    folder = tmp_path_factory.mktemp("backup")
    machine = Machine(folder / "old")
    machine.engine.start()
    machine.engine.stop()
    done = machine.run("backup", folder / "fleet.tar")
    assert done.returncode == 0, done.stderr
    return folder / "fleet.tar"


async def test_a_device_goes_on_after_a_restore_on_another_machine(
    machine: Machine, other: Machine, tmp_path: Path
) -> None:
    archive = tmp_path / "fleet.tar"
    device = await back_up_with_a_device(machine, archive)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600

    done = other.run("restore", archive, "--force", "overwrite")
    assert done.returncode == 0, done.stderr
    wanted, restored = machine.state(), other.state()
    wanted.pop("state.db")
    assert restored.pop("state.db")[0] == 0o600
    assert restored == wanted
    other.engine.port = machine.engine.port  # a host of the same name
    other.engine.start()
    with edge_api(other.folder, other.engine.kubeconfig) as site:
        same = device.at(site)
        assert (await same.beat()).status == 200
        await eventually(lambda: gets_configuration(same))
        await same.close()


async def test_workloads_that_a_backup_does_not_know_stay_on_devices(
    machine: Machine, tmp_path: Path
) -> None:
    archive = tmp_path / "fleet.tar"
    device = await back_up_with_a_device(machine, archive)
    assert machine.run("restore", archive, "--force", "overwrite").returncode == 0
    machine.engine.start()

    with edge_api(machine.folder, machine.engine.kubeconfig) as site:
        same = device.at(site)
        newer = [{"name": "newer", "status": "Running"}]
        assert (await same.get("data")).json()["reason"] == "ConfigurationWithheld"
        assert (await same.beat(workloads=newer)).status == 200
        assert (await same.get("data")).json()["reason"] == "ConfigurationWithheld"
        assert (await same.beat(workloads=[])).status == 200
        await eventually(lambda: gets_configuration(same))
        await same.close()


async def back_up_with_a_device(machine: Machine, archive: Path) -> Device:
    """Back up while a device is served; return the device, and leave the engine stopped."""
    machine.engine.start()
    with edge_api(machine.folder, machine.engine.kubeconfig) as site:
        async with fleet_of(site) as fleet:
            device = await fleet.joined()
            assert (await device.beat()).status == 200
            done = machine.run("backup", archive)
            assert done.returncode == 0, done.stderr
            await device.close()
    machine.engine.stop()
    return device


async def gets_configuration(device: Device) -> bool:
    reply = await device.get("data")
    return reply.status == 200 and reply.json()["directive"] == "device"


def test_versions_continue_above_all_that_clients_know(machine: Machine, tmp_path: Path) -> None:
    archive = tmp_path / "fleet.tar"
    path = core("default", "configmaps")
    machine.engine.start()
    api = Api(machine.engine.kubeconfig("admin"))
    api.create(path, config_map("kept"))
    assert machine.run("backup", archive).returncode == 0
    lost = api.create(path, config_map("lost"))["metadata"]["resourceVersion"]
    machine.engine.stop()
    assert machine.run("restore", archive, "--force", "overwrite").returncode == 0
    machine.engine.start()
    names = {item["metadata"]["name"] for item in api.get(path).body["items"]}
    assert names >= {"kept"}
    assert "lost" not in names
    with api.watch(path, f"resourceVersion={lost}") as watch:
        assert watch.next()["object"]["code"] == 410
    new = api.create(path, config_map("new"))["metadata"]["resourceVersion"]
    assert int(new) > int(lost) + 1_000_000


def test_a_restore_needs_the_word_for_replacing_and_keeps_what_was_there(
    other: Machine, archive: Path
) -> None:
    before = other.state()
    for word in ((), ("--force", "yes")):
        done = other.run("restore", archive, *word)
        assert done.returncode == 1
        assert "--force overwrite" in done.stderr
        assert other.state() == before
    for _ in range(2):
        assert other.run("restore", archive, "--force", "overwrite").returncode == 0
    assert (other.folder / "pki.replaced" / "ca.key").exists()
    assert not list(other.folder.glob(".restore-*"))


def test_nothing_is_restored_under_a_running_server(other: Machine, archive: Path) -> None:
    other.engine.start()
    done = other.run("restore", archive, "--force", "overwrite")
    assert done.returncode == 1
    assert "stop it with `systemctl stop" in done.stderr
    api = Api(other.engine.kubeconfig("admin"))
    assert api.get("/api/v1/namespaces").status == 200


def test_a_damaged_database_is_not_backed_up(machine: Machine, tmp_path: Path) -> None:
    machine.engine.start()
    Api(machine.engine.kubeconfig("admin")).create(
        core("default", "configmaps"), config_map("c", {"a": "before"})
    )
    machine.engine.stop()
    machine.engine.change_stored("c", "before", "behind", honest=False)
    done = machine.run("backup", tmp_path / "fleet.tar")
    assert done.returncode == 1
    assert "nothing was written" in done.stderr
    assert not [path for path in tmp_path.iterdir() if "fleet.tar" in path.name]


def rewrite(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """Return what changes the list of an archive, whose digests then fit again."""

    def rewritten(archive: bytes) -> bytes:
        target = io.BytesIO()
        with (
            tarfile.open(fileobj=io.BytesIO(archive)) as old,
            tarfile.open(fileobj=target, mode="w") as new,
        ):
            files = {
                member.name: old.extractfile(member).read()  # type: ignore[union-attr]
                for member in old.getmembers()
            }
            contents = json.loads(files.pop("flotta-backup.json"))
            parts = {"contents": contents, "files": files}
            change(parts)
            add(new, "flotta-backup.json", json.dumps(contents).encode())
            for name, content in files.items():
                add(new, name, content)
        return target.getvalue()

    return rewritten


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def listed(name: str, content: bytes = b"x", **values: Any) -> Callable[[dict[str, Any]], None]:
    def change(parts: dict[str, Any]) -> None:
        digest = hashlib.sha256(content).hexdigest()
        entry = {"name": name, "mode": 0o600, "owner": "root", "group": "root"}
        entry |= {"size": len(content), "sha256": digest, **values}
        parts["contents"]["entries"].append(entry)
        parts["files"][name] = content

    return change


def unlisted(parts: dict[str, Any]) -> None:
    parts["files"]["pki/more.key"] = b"x"


def without_database(parts: dict[str, Any]) -> None:
    parts["files"].pop("database/state.db")


def foreign_database(parts: dict[str, Any]) -> None:
    replace_database(parts, b"not a database" * 1000)


def changed_database(statement: str) -> Callable[[dict[str, Any]], None]:
    def change(parts: dict[str, Any]) -> None:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(parts["files"]["database/state.db"])
            connection.create_function("checksum_row", -1, checksum_row)
            connection.executescript(statement)
            replace_database(parts, connection.serialize())

    return change


def device_with(body: str) -> str:
    key = "'edgedevices.management.project-flotta.io', 'default', 'd', 1"
    row = f"{key}, x'{body.encode().hex()}'"
    return f"INSERT INTO objects VALUES ({row}, checksum_row({row}))"  # noqa: S608


def replace_database(parts: dict[str, Any], content: bytes) -> None:
    parts["files"]["database/state.db"] = content
    for entry in parts["contents"]["entries"]:
        if entry["name"] == "database/state.db":
            entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def owned_by(name: str) -> Callable[[dict[str, Any]], None]:
    def change(parts: dict[str, Any]) -> None:
        parts["contents"]["entries"][0]["owner"] = name

    return change


def link(archive: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as new:
        member = tarfile.TarInfo("flotta-backup.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
        new.addfile(member)
    return target.getvalue() + archive


def long_header(archive: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as new:
        member = tarfile.TarInfo("x" * 5_000_000)
        new.addfile(member)
    return target.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(rewrite(listed("../outside")), id="parent"),
        pytest.param(rewrite(listed("/tmp/outside")), id="absolute"),
        pytest.param(rewrite(listed("pki/../../outside")), id="inner parent"),
        pytest.param(rewrite(listed("pki/a/b")), id="deeper"),
        pytest.param(rewrite(listed("pki/big.key", b"x" * 2_000_000)), id="large"),
        pytest.param(rewrite(listed("pki/a.key", size=1 << 50)), id="lies about the size"),
        pytest.param(rewrite(listed("pki/a.key", sha256="0" * 64)), id="wrong digest"),
        pytest.param(rewrite(listed("pki/ca.key")), id="twice"),
        pytest.param(rewrite(unlisted), id="not listed"),
        pytest.param(rewrite(without_database), id="no database"),
        pytest.param(rewrite(foreign_database), id="foreign database"),
        *(
            pytest.param(rewrite(changed_database(statement)), id=statement[:40])
            for statement in (
                "UPDATE counter SET version = 9223372036854775807",
                "UPDATE counter SET version = 9223372036854775807 - 1000000001",
                "UPDATE counter SET version = -1",
                "UPDATE counter SET version = 1e300",
                "DELETE FROM counter",
                "INSERT INTO counter SELECT * FROM counter",
                "CREATE TRIGGER t AFTER DELETE ON changes BEGIN DELETE FROM objects; END",
                "CREATE VIEW v AS SELECT * FROM objects",
                "CREATE TABLE more (a)",
                "PRAGMA user_version = 1",
                device_with("[]"),
                device_with('{"metadata":{"annotations":[]},"status":{"lastSeenTime":"x"}}'),
                device_with('{"metadata":{},"status":[1]}'),
                device_with("{" * 100_000),
            )
        ),
        pytest.param(rewrite(owned_by("flotta-\0")), id="owner with NUL"),
        pytest.param(link, id="link"),
        pytest.param(long_header, id="long header"),
        pytest.param(lambda archive: archive[: len(archive) // 2], id="cut"),
        pytest.param(lambda archive: archive[:700], id="cut list"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: os.urandom(100_000), id="foreign"),
    ],
)
def test_a_damaged_or_foreign_archive_changes_nothing(
    installed: Machine, archive: Path, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(change(archive.read_bytes()))
    folder = installed.folder.parent
    before, around = installed.state(), sorted(folder.rglob("*"))
    done = installed.run("restore", bad, "--force", "overwrite")
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("flotta-apiserver: ")
    assert "Traceback" not in done.stderr
    assert installed.state() == before
    assert sorted(folder.rglob("*")) == around


def test_a_changed_byte_is_noticed(installed: Machine, archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    bad = tmp_path / "bad.tar"
    database = content.index(b"SQLite format 3")
    for place in (600, database + 5000, len(content) - 15_000):
        changed = bytearray(content)
        changed[place] ^= 1
        bad.write_bytes(changed)
        assert installed.run("restore", bad, "--force", "overwrite").returncode == 1


def test_the_log_of_the_old_database_is_away_before_the_new_one_is_there(tmp_path: Path) -> None:
    place, staged = tmp_path / "state.db", tmp_path / "staged"
    for name in ("state.db", "state.db-wal", "state.db-shm", "state.db.version"):
        (tmp_path / name).write_text("old")
    with pytest.raises(FileNotFoundError):  # as if the power failed before the last step
        restore._put_in_place(restore._Move(staged, place))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "state.db.replaced",
        "state.db.replaced-shm",
        "state.db.replaced-wal",
        "state.db.replaced.version",
    ]
