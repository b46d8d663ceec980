"""Which images the worker removes, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.protocol.reasons.workloads import DISK_RESERVE_REACHED, IMAGE_PULL_FAILED
from flotta.worker import podman_storage
from flotta.worker.errors import WorkloadError
from flotta.worker.podman_storage import StoredImage
from flotta.worker.workloads import pulled_images
from flotta.worker.workloads.pulled_images import KEEP_LOOKS, PulledImages


class Storage:
    """The images of a device, id by name, and what the registry has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tags: dict[str, str] = {}
        self.untagged: set[str] = set()
        self.in_use: set[str] = set()
        self.registry: dict[str, str] = {}
        self.room = 100
        monkeypatch.setattr(podman_storage, "find_image", self.find)
        monkeypatch.setattr(podman_storage, "remove_image", self.remove)
        monkeypatch.setattr(pulled_images, "pull_image", self.pull)

    async def find(self, name: str) -> StoredImage | None:
        identity = self.tags.get(name, name)
        if identity not in {*self.tags.values(), *self.untagged}:
            return None
        tags = frozenset(tag for tag, known in self.tags.items() if known == identity)
        return StoredImage(identity, tags)

    async def pull(self, name: str, auth_file: Path | None) -> None:
        if name not in self.registry:
            raise WorkloadError(IMAGE_PULL_FAILED, "not there")
        if len(self.ids) >= self.room:
            raise WorkloadError(DISK_RESERVE_REACHED, "too little room")
        before = self.tags.get(name)
        self.tags[name] = self.registry[name]
        if before is not None and before not in self.tags.values():
            self.untagged.add(before)

    async def remove(self, name: str) -> bool:
        identity = self.tags.get(name, name)
        if identity in self.in_use:
            return False
        self.tags.pop(name, None)
        self.untagged.discard(name)
        return True

    @property
    def ids(self) -> set[str]:
        return {*self.tags.values(), *self.untagged}


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Storage:
    return Storage(monkeypatch)


async def test_an_image_that_no_workload_has_goes_after_a_day(
    tmp_path: Path, storage: Storage
) -> None:
    storage.registry = {"app:1": "a1", "app:2": "a2"}
    used = {"app:1"}
    images = PulledImages(tmp_path, lambda: used)
    for name in storage.registry:
        await images.pull(name, None)
    used = {"app:2"}
    for _ in range(KEEP_LOOKS):
        await images.look()
    assert storage.ids == {"a1", "a2"}
    await PulledImages(tmp_path, lambda: used).look()  # the count survives a restart
    assert storage.ids == {"a2"}


async def test_an_image_that_a_workload_has_again_is_kept(tmp_path: Path, storage: Storage) -> None:
    storage.registry = {"app:1": "a1"}
    used: set[str] = set()
    images = PulledImages(tmp_path, lambda: used)
    await images.pull("app:1", None)
    for _ in range(KEEP_LOOKS):
        await images.look()
    used.add("app:1")
    await images.look()
    used.clear()
    await images.look()
    assert storage.ids == {"a1"}


async def test_an_older_image_of_a_name_that_moved_on_goes(
    tmp_path: Path, storage: Storage
) -> None:
    images = PulledImages(tmp_path, lambda: {"app:latest"})
    for identity in ("a1", "a2"):
        storage.registry = {"app:latest": identity}
        await images.pull("app:latest", None)
    for _ in range(KEEP_LOOKS + 1):
        await images.look()
    assert storage.ids == {"a2"}


async def test_what_somebody_else_brought_stays(tmp_path: Path, storage: Storage) -> None:
    storage.tags = {"loaded:1": "l1", "base:1": "b1"}
    storage.registry = {"loaded:1": "l1", "app:1": "a1"}
    images = PulledImages(tmp_path, set)
    await images.pull("loaded:1", None)  # pull policy Always; nothing newer
    await images.pull("app:1", None)
    storage.tags["mine:1"] = "a1"
    await images.remove_all()
    assert storage.tags == {"loaded:1": "l1", "base:1": "b1", "mine:1": "a1"}


async def test_an_image_that_a_container_uses_stays_until_it_does_not(
    tmp_path: Path, storage: Storage
) -> None:
    storage.registry = {"app:1": "a1"}
    images = PulledImages(tmp_path, set)
    await images.pull("app:1", None)
    storage.in_use = {"a1"}
    for _ in range(KEEP_LOOKS + 1):
        await images.look()
    assert storage.ids == {"a1"}
    storage.in_use = set()
    await images.look()
    assert storage.ids == set()


async def test_unused_images_make_room_for_a_new_one(tmp_path: Path, storage: Storage) -> None:
    storage.registry = {"app:1": "a1", "app:2": "a2"}
    storage.room = 1
    images = PulledImages(tmp_path, set)
    await images.pull("app:1", None)
    await images.pull("app:2", None)
    assert storage.ids == {"a2"}


async def test_a_pull_that_fails_removes_nothing(tmp_path: Path, storage: Storage) -> None:
    storage.registry = {"app:1": "a1"}
    images = PulledImages(tmp_path, set)
    await images.pull("app:1", None)
    with pytest.raises(WorkloadError):
        await images.pull("app:2", None)
    assert storage.ids == {"a1"}
