"""The release before starts on what this one has written, or on what `go-back` makes of it."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from former_release import run_former, unpack_former_release

from contract.engine import Engine
from flotta.apiserver.backup.contents import BackupError
from flotta.apiserver.backup.going_back import FORMER, go_back
from flotta.apiserver.storage.database import ChangeRow, Database
from flotta.apiserver.storage.former_copy import former_copy
from flotta.apiserver.storage.migrations import MIGRATIONS
from flotta.gateway.clock import Clock
from flotta.gateway.identity_store import IdentityStore
from flotta.identity.authority import Authority
from flotta.identity.requests import load_request
from flotta.protocol.models import Workload
from flotta.protocol.reasons.device_programs import INVALID_STORAGE
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, SECRET
from flotta.storage.access_keys import AccessKey
from flotta.storage.iam.users import Users
from flotta.storage.key_store import write_key
from flotta.sync.model import FileStat
from flotta.sync.state_db import FileRecord, StateDatabase
from flotta.worker.configuration_store import ConfigurationStore
from flotta.worker.events import EventQueue
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts

DEVICE = {
    "apiVersion": "management.project-flotta.io/v1alpha1",
    "kind": "EdgeDevice",
    "metadata": {"name": "till-1", "namespace": "default"},
    "spec": {},
}
SECRET_OBJECT = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "shop", "namespace": "default"},
    "data": {"password": "aHVudGVyMg=="},
}
GONE = {**SECRET_OBJECT, "metadata": {"name": "gone", "namespace": "default"}}
STAT = FileStat(5, 1, 2, 3)


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_former_release(tmp_path_factory.mktemp("former"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


async def objects_of(engine: Engine) -> tuple[Any, Any]:
    kubeconfig = engine.folder / "kubeconfig" / "admin.kubeconfig"
    async with await Client.connect(str(kubeconfig)) as client:
        device = await client.get(EDGE_DEVICE, "till-1", "default")
        secret = await client.get(SECRET, "shop", "default")
    return device["metadata"]["uid"], secret["data"]


async def test_the_resource_api_goes_back_with_all_its_objects_and_forward_again(
    engine: Engine, former: Path
) -> None:
    engine.start()
    kubeconfig = engine.folder / "kubeconfig" / "admin.kubeconfig"
    async with await Client.connect(str(kubeconfig)) as client:
        await client.create(EDGE_DEVICE, DEVICE)
        await client.create(SECRET, SECRET_OBJECT)
        gone = await client.create(SECRET, GONE)
        await client.delete(SECRET, "gone", "default")
    before = await objects_of(engine)
    engine.stop()

    assert "in the format of the release before" in engine.go_back()
    assert former_copy(engine.database, 2).exists()
    engine.environment = {"PYTHONPATH": str(former)}
    engine.start()
    assert await objects_of(engine) == before
    async with await Client.connect(str(kubeconfig)) as client:
        again = await client.create(SECRET, GONE)
    assert int(again["metadata"]["resourceVersion"]) > int(gone["metadata"]["resourceVersion"]) + 1
    engine.stop()
    assert not former_copy(engine.database, 1).exists()  # it was the former release that ran

    engine.environment = {}
    engine.start()
    assert await objects_of(engine) == before
    assert former_copy(engine.database, 1).stat().st_mode & 0o777 == 0o600


def filled(path: Path) -> None:
    database = Database(path)
    row = ChangeRow(1, "ADDED", "configmaps", "default", "c", b'{"metadata":{}}', None)
    database.write([row], 0)
    database.close()


def test_a_database_of_the_former_format_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    go_back(path)
    Database(path).close()
    with closing(sqlite3.connect(former_copy(path, 1))) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute("SELECT name, version FROM objects").fetchall() == [("c", 1)]
    assert not list(tmp_path.glob(".state*"))


def test_going_back_changes_nothing_when_it_cannot(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    filled(path)
    running = Database(path)
    with pytest.raises(BackupError, match=r"in use .* Stop it first: systemctl stop"):
        go_back(path)
    running.close()
    go_back(path)
    with pytest.raises(BackupError, match=r"already\. Install the release before"):
        go_back(path)
    with pytest.raises(BackupError, match=r"nothing was changed: .* with --database"):
        go_back(tmp_path / "missing.db")


def test_going_back_has_a_whole_database_in_place_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    filled(path)
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target == path:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BackupError, match=r"nothing was changed: .* Free space in .*run this agai"):
        go_back(path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert database.execute("SELECT name FROM objects").fetchall() == [("c",)]

    monkeypatch.setattr(os, "replace", replace)
    assert go_back(path) == 1
    assert former_copy(path, len(MIGRATIONS)).stat().st_ino != path.stat().st_ino


def test_every_format_of_the_database_has_a_way_back() -> None:
    """Whoever adds a migration teaches `go_back` to undo it."""
    assert len(MIGRATIONS) == FORMER + 1


def test_the_former_gateway_uses_the_identity(tmp_path: Path, former: Path) -> None:
    authority = Authority.create("Flotta CA")
    registration = authority.issue_registration()
    for name, data in (("cert.pem", registration.certificate), ("key.pem", registration.key)):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    pair = (tmp_path / "cert.pem", tmp_path / "key.pem")
    store = IdentityStore(tmp_path / "device", pair, (tmp_path / "ca.pem",), "till-7")
    csr = load_request(store.ensure_pending_key().sign_request("till-7"))
    identity = store.install(authority.sign_device(csr, "till-7", "default", "uid", 30))
    store.ensure_pending_key()
    Clock(tmp_path / "clock").learn_time("Sun, 29 Nov 2026 12:00:00 GMT")

    program = """
import json, sys
from pathlib import Path
from flotta.gateway.clock import Clock
from flotta.gateway.store import IdentityStore
root = Path(sys.argv[1])
pair = (root / "cert.pem", root / "key.pem")
store = IdentityStore(root / "device", pair, (root / "ca.pem",), "till-7")
store.pending_key()
print(json.dumps([store.current().peer.fingerprint, str(Clock(root / "clock").now() is not None)]))
"""
    assert run_former(former, program, str(tmp_path))[0] == identity.peer.fingerprint


def test_the_former_worker_uses_configuration_events_and_workloads(
    tmp_path: Path, former: Path
) -> None:
    workload = Workload(name="web", specification="containers: [{name: c, image: x}]")
    content = {
        "device_id": "till-7",
        "version": "5",
        "configuration": {},
        "workloads": [msgspec.to_builtins(workload)],
    }
    store = ConfigurationStore(tmp_path)
    store.save(json.dumps(content).encode())
    store.save(json.dumps(content).encode())
    EventQueue(tmp_path / "events.json").add_warning(INVALID_STORAGE, "m")
    files = WorkloadFiles(tmp_path / "w", tmp_path / "volumes", tmp_path / "units")
    files.write_pod(build_pod(workload, [], DeviceFacts("till-7"), files.paths_of("web")))
    record = files.list_installed()["web"]

    program = """
import json, sys
from pathlib import Path
from flotta.worker.events import EventQueue
from flotta.worker.store import ConfigurationStore
from flotta.worker.workloads.files import WorkloadFiles
root = Path(sys.argv[1])
message = ConfigurationStore(root).load()
events = [event.reason for event in EventQueue(root / "events.json").oldest()]
installed = WorkloadFiles(root / "w", root / "volumes", root / "units").installed()
names = [workload.name for workload in message.workloads]
print(json.dumps([message.version, names, events, installed["web"].digest]))
"""
    found = run_former(former, program, str(tmp_path))
    assert found == ["5", ["web"], ["InvalidStorage"], record.digest]


def test_the_former_synchronisation_uses_the_database(tmp_path: Path, former: Path) -> None:
    database = StateDatabase(tmp_path / "sync.db")
    database.switch_bucket("bucket")
    database.save_records("web", "up", [FileRecord("a", "k/a", STAT, "digest")], 1)
    database.save_upload_id("web", "b", "k/b", "upload")
    database.close()

    program = """
import json, sys
from pathlib import Path
from flotta.sync.memory import Memory
memory = Memory(Path(sys.argv[1]))
rows = memory.rows("web", "up")
print(json.dumps([sorted(path for path, _ in rows), memory.statuses()["web"].files_up]))
"""
    assert run_former(former, program, str(tmp_path / "sync.db")) == [["a", "b"], 1]


def test_the_former_object_storage_uses_keys_and_users(tmp_path: Path, former: Path) -> None:
    write_key(tmp_path, AccessKey("AKIA0000000000000001", "secret", "bucket-1"))
    Users(tmp_path).create("flotta-a")

    program = """
import json, sys
from pathlib import Path
from flotta.storage.keys import all_keys
from flotta.storage.users import Users
root = Path(sys.argv[1])
print(json.dumps([[key.bucket for key in all_keys(root)], Users(root).get("flotta-a").name]))
"""
    assert run_former(former, program, str(tmp_path)) == [["bucket-1"], "flotta-a"]
