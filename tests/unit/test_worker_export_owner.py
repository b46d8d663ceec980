"""Who owns the export directory of a pod."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from flotta.worker import podman, podman_storage
from flotta.worker.processes import ProcessResult
from flotta.worker.workloads.export_owner import (
    ContainerUser,
    find_user_ids,
    list_users,
    open_to_users,
)
from flotta.worker.workloads.pod_spec import PodSpec


def owner_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, stat.S_IMODE(found.st_mode)


@pytest.mark.parametrize(
    ("uids", "before", "after"),
    [
        (set(), (0, 0o755), (0, 0o755)),
        ({1000}, (0, 0o755), (1000, 0o755)),
        ({1001}, (1000, 0o755), (1001, 0o755)),
        ({1000}, (1000, 0o700), (1000, 0o700)),
        ({1000}, (0, 0o777), (0, 0o777)),
        ({1000, 1001}, (0, 0o755), (0, 0o777)),
        ({1000, 1001}, (1000, 0o757), (1000, 0o757)),
    ],
)
def test_the_user_of_the_containers_can_write(
    tmp_path: Path, uids: set[int], before: tuple[int, int], after: tuple[int, int]
) -> None:
    os.chown(tmp_path, before[0], 0)
    tmp_path.chmod(before[1])
    open_to_users(tmp_path, uids)
    assert owner_of(tmp_path) == after


def test_a_container_has_its_own_user_before_that_of_the_pod() -> None:
    spec: PodSpec = {
        "containers": [
            {"name": "a", "image": "x"},
            {"name": "b", "image": "y", "securityContext": {"runAsUser": 7}},
        ],
        "securityContext": {"runAsUser": 1000},
    }
    assert list_users(spec) == (ContainerUser("x", 1000), ContainerUser("y", 7))
    spec["securityContext"] = {"fsGroup": 2000}
    assert list_users(spec) == ()


async def test_the_user_of_an_image_may_be_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {"root": "", "number": "1000:1000", "name": "www", "nobody": "absent"}
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:\nwww:x:33:33::/:\nbroken\n")

    async def read(image: str) -> str:
        return users[image]

    async def run(*argv: str, timeout: float) -> ProcessResult:
        return ProcessResult(0, f"{tmp_path}\n".encode(), "")

    monkeypatch.setattr(podman, "read_image_user", read)
    monkeypatch.setattr(podman_storage, "run", run)
    assert await find_user_ids([ContainerUser(image) for image in users]) == {1000, 33}


async def test_the_users_of_an_image_are_not_those_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").symlink_to("/etc")

    async def run(*argv: str, timeout: float) -> ProcessResult:
        return ProcessResult(0, str(tmp_path).encode(), "")

    monkeypatch.setattr(podman_storage, "run", run)
    assert await podman_storage.find_user_id("x", "root") is None
