"""On a full disk the embedded engine refuses writes, still deletes, and recovers by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.api import Api, Response, config_map, core
from contract.engine import Engine

MIB = 1024 * 1024
DISK = 40 * MIB
PATH = core("default", "configmaps")
FINALIZERS = ["example.com/hold"]


class Disk:
    """A small file system of its own, which a file can fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Write until nothing fits any more."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def empty(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(own_engine: Engine) -> Iterator[Disk]:
    folder = own_engine.folder / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root can mount a small file system")
    own_engine.database = folder / "state.db"
    yield Disk(folder)
    own_engine.stop()
    subprocess.run(["umount", str(folder)], check=True)


def fill_until_refused(api: Api, disk: Disk) -> Response:
    """Fill the disk, and what room the database still has; return the refusal."""
    disk.fill()
    for number in range(200):
        body = config_map(f"f{number}", {"a": "x" * 200_000})
        response = api.post(PATH, body)
        if response.status != 201:
            return response
    raise AssertionError("nothing was refused")


def lease() -> dict[str, Any]:
    return {"metadata": {"name": "l"}, "spec": {"holderIdentity": "o"}}


def test_deletions_are_possible_and_room_is_noticed(own_engine: Engine, disk: Disk) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    for number in range(20):
        api.create(PATH, config_map(f"c{number}", {"a": "x" * 50_000}))
    api.create(PATH, config_map("held", finalizers=FINALIZERS))
    kept = api.create(PATH, config_map("kept"))
    leases = "/apis/coordination.k8s.io/v1/namespaces/flotta/leases"
    api.create(leases, lease())
    refused = fill_until_refused(api, disk)
    assert (refused.status, refused.body["reason"]) == (500, "InternalError")
    assert "the disk of the database is full" in refused.body["message"]

    with api.watch(PATH, f"resourceVersion={api.get(PATH).version}") as watch:
        assert api.delete(f"{PATH}/c0").status == 200
        assert watch.next()["type"] == "DELETED"
    disk.fill()  # others take what was freed
    assert api.delete(f"{PATH}/held").status == 200
    assert api.merge(f"{PATH}/held", {"metadata": {"finalizers": None}}).status == 200
    assert api.get(f"{PATH}/held").status == 404
    assert api.merge(f"{leases}/l", {"spec": {"holderIdentity": "p"}}).status == 200
    assert api.merge(f"{PATH}/kept", {"data": {"a": "b"}}).status == 500
    assert api.get(f"{PATH}/kept").body == kept
    for number in range(1, 20):
        assert api.delete(f"{PATH}/c{number}").status == 200

    disk.empty()
    assert api.merge(f"{PATH}/kept", {"data": {"a": "b"}}).status == 200
    own_engine.stop(signal.SIGKILL)
    own_engine.start()
    names = {item["metadata"]["name"] for item in api.get(PATH).body["items"]}
    assert not names & {"held", *(f"c{number}" for number in range(20))}
    assert api.get(f"{PATH}/kept").body["data"] == {"a": "b"}
    assert api.get(f"{leases}/l").body["spec"]["holderIdentity"] == "p"
    assert "Traceback" not in own_engine.log


def test_deleting_makes_room_when_the_database_itself_fills_the_disk(
    own_engine: Engine, disk: Disk
) -> None:
    """Nobody else frees anything: the file must shrink for the reserve to fit again."""
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    stored = []
    for number in range(400):
        if api.post(PATH, config_map(f"c{number}", {"a": "x" * 500_000})).status != 201:
            break
        stored.append(number)
    else:
        raise AssertionError("nothing was refused")
    for number in stored:
        assert api.delete(f"{PATH}/c{number}").status == 200
    assert api.post(PATH, config_map("new")).status == 201


@pytest.mark.parametrize("when", ["while it runs", "while it is stopped"])
def test_a_start_on_a_full_disk_serves_what_is_there(
    own_engine: Engine, disk: Disk, when: str
) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    api.create(PATH, config_map("c"))
    if when == "while it runs":
        fill_until_refused(api, disk)
        own_engine.stop(signal.SIGKILL)
    else:
        own_engine.stop()
        disk.fill()
    own_engine.start()
    assert api.get(f"{PATH}/c").status == 200
    assert api.delete(f"{PATH}/c").status == 200


@pytest.mark.deep
def test_nothing_acknowledged_is_lost_however_often_the_disk_fills(
    own_engine: Engine, disk: Disk
) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    kept: set[str] = set()
    for turn in range(100):
        fill_until_refused(api, disk)
        kept |= {item["metadata"]["name"] for item in api.get(PATH).body["items"]}
        for name in sorted(kept)[::2]:
            assert api.delete(f"{PATH}/{name}").status == 200
            kept.discard(name)
        if turn % 3 == 0:
            own_engine.stop(signal.SIGKILL)
            own_engine.start()
        listed = {item["metadata"]["name"] for item in api.get(PATH).body["items"]}
        assert listed == kept
        disk.empty()
        name = f"t{turn}"
        assert api.post(PATH, config_map(name)).status == 201
        kept.add(name)
