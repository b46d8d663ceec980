"""Volumes of podman that stand for claims, from an upgrade to the end of the device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flotta.protocol.models import Workload
from flotta.tree_removal import RemovalFailure
from flotta.worker import podman_storage
from flotta.worker.podman_storage import StoredVolume
from flotta.worker.volumes.preparation import CLAIM_LABEL
from flotta.worker.workloads.claims import Claims
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts


class Storage:
    """The volumes that podman has; None while it does not say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *volumes: StoredVolume) -> None:
        self.volumes: list[StoredVolume] | None = list(volumes)
        self.busy: set[str] = set()
        monkeypatch.setattr(podman_storage, "list_volumes", self.list_volumes)
        monkeypatch.setattr(podman_storage, "remove_volume", self.remove_volume)

    async def list_volumes(self) -> list[StoredVolume] | None:
        return self.volumes

    async def remove_volume(self, name: str) -> list[RemovalFailure]:
        if name in self.busy:
            return [RemovalFailure(name, "it is in use")]
        self.volumes = [volume for volume in self.volumes or [] if volume.name != name]
        return []

    @property
    def names(self) -> set[str]:
        return {volume.name for volume in self.volumes or []}


def files_of(tmp_path: Path) -> WorkloadFiles:
    return WorkloadFiles(tmp_path / "workloads", tmp_path / "v", tmp_path / "u", tmp_path / "m")


def install_as_before(tmp_path: Path, *volumes: dict[str, object]) -> None:
    """Install a workload as earlier releases did: volumes are left to podman."""
    directory = tmp_path / "workloads/shop"
    directory.mkdir(parents=True)
    (directory / "pod.yaml").write_text(json.dumps({"spec": {"volumes": list(volumes)}}))


async def claims_of(tmp_path: Path) -> Claims:
    claims = Claims(tmp_path, files_of(tmp_path))
    await claims.prepare()
    return claims


def pod_with(claims: Claims, claim: str, tmp_path: Path, namespace: str = "shop") -> Pod:
    volume = {"name": "d", "persistentVolumeClaim": {"claimName": claim}}
    text = json.dumps({"containers": [{"name": "c", "image": "x"}], "volumes": [volume]})
    workload = Workload(name="web", namespace=namespace, specification=text)
    device = DeviceFacts(claims=claims.names(namespace))
    return build_pod(workload, [], device, files_of(tmp_path).paths_of("web"))


def volume_of(pod: Pod) -> str:
    return pod.volumes.plan.claims[0].volume


CLAIM = {"name": "d", "persistentVolumeClaim": {"claimName": "shopdb"}}
SCRATCH = {"name": "data", "emptyDir": {}}


async def test_an_upgrade_takes_over_what_stands_and_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(monkeypatch, StoredVolume("shopdb"), StoredVolume("of-a-removed-workload"))
    install_as_before(tmp_path, CLAIM)
    claims = await claims_of(tmp_path)
    assert volume_of(pod_with(claims, "shopdb", tmp_path)) == "shopdb"
    assert volume_of(pod_with(claims, "of-a-removed-workload", tmp_path)) == "of-a-removed-workload"
    claims.note_used([pod_with(claims, "shopdb", tmp_path)])

    storage.volumes = [StoredVolume("shopdb"), StoredVolume("somebodys")]
    again = await claims_of(tmp_path)
    assert volume_of(pod_with(again, "shopdb", tmp_path)) == "shopdb"
    assert volume_of(pod_with(again, "somebodys", tmp_path)) == "flotta.shop.somebodys"


async def test_only_the_namespace_of_the_upgrade_keeps_what_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Storage(monkeypatch, StoredVolume("shopdb"))
    install_as_before(tmp_path, CLAIM)
    claims = await claims_of(tmp_path)
    claims.note_used([pod_with(claims, "shopdb", tmp_path)])
    again = await claims_of(tmp_path)
    assert volume_of(pod_with(again, "shopdb", tmp_path, "other")) == "flotta.other.shopdb"


async def test_what_podman_made_for_an_empty_dir_or_others_made_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = StoredVolume("labelled", {"made-by": "somebody"}, is_plain=False)
    Storage(monkeypatch, StoredVolume("data"), others)
    install_as_before(tmp_path, SCRATCH)
    claims = await claims_of(tmp_path)
    assert volume_of(pod_with(claims, "data", tmp_path)) == "flotta.shop.data"
    assert volume_of(pod_with(claims, "labelled", tmp_path)) == "flotta.shop.labelled"


async def test_a_new_device_takes_over_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Storage(monkeypatch, StoredVolume("shopdb"))
    claims = await claims_of(tmp_path)
    assert volume_of(pod_with(claims, "shopdb", tmp_path)) == "flotta.shop.shopdb"


async def test_a_podman_that_says_nothing_is_asked_again_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(monkeypatch)
    storage.volumes = None
    install_as_before(tmp_path, CLAIM)
    claims = await claims_of(tmp_path)
    pod = pod_with(claims, "shopdb", tmp_path)
    assert volume_of(pod) == "shopdb"
    claims.note_used([pod])
    storage.volumes = [StoredVolume("shopdb"), StoredVolume("second")]
    assert volume_of(pod_with(await claims_of(tmp_path), "second", tmp_path)) == "second"


async def test_the_end_of_the_device_removes_the_volumes_of_its_claims_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(
        monkeypatch,
        StoredVolume("shopdb"),
        StoredVolume("data"),
        StoredVolume("never-used"),
        StoredVolume("flotta.shop.new", {CLAIM_LABEL: "new"}, is_plain=False),
    )
    install_as_before(tmp_path, CLAIM, SCRATCH)
    await claims_of(tmp_path)
    claims = await claims_of(tmp_path)  # after a restart
    storage.busy = {"data"}
    assert await claims.remove_all() == [RemovalFailure("data", "it is in use")]
    storage.busy = set()
    assert await claims.remove_all() == []
    assert storage.names == {"never-used"}


async def test_a_podman_that_lists_no_volumes_is_a_failure_to_remove_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(monkeypatch)
    storage.volumes = None
    [failure] = await (await claims_of(tmp_path)).remove_all()
    assert "does not list" in failure.reason
