"""Credentials for registries from `imagePullSecrets`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from flotta.protocol.models import ImageRegistries, Secret, Workload
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.crash_loop import Crashes
from flotta.worker.workloads.execution import StepExecution
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from flotta.worker.workloads.steps import FetchImages
from flotta.worker.workloads.workload_paths import WorkloadPaths


def secret(name: str, value: Any, key: str = ".dockerconfigjson") -> Secret:
    text = value if isinstance(value, str) else json.dumps(value)
    return Secret(name=name, data=json.dumps({key: base64.b64encode(text.encode()).decode()}))


def entry(user: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:pw".encode()).decode()}


def build(*secrets: Secret, own: Any = None, image: str = "r.example/x", named: str = "") -> Pod:
    names = named.split() or [item.name for item in secrets]
    specification = {
        "containers": [{"name": "c", "image": image}],
        "imagePullSecrets": [{"name": name} for name in names],
    }
    registries = ImageRegistries(auth_file=json.dumps(own)) if own else None
    workload = Workload(
        name="web", specification=json.dumps(specification), image_registries=registries
    )
    paths = WorkloadPaths(Path("/s/web"), Path("/v/web"))
    return build_pod(workload, list(secrets), DeviceFacts("d"), paths)


def auths(pod: Pod) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pod.auth or b"{}").get("auths", {})
    return found


def test_both_types_of_secrets_are_read_and_the_first_for_a_registry_counts() -> None:
    pod = build(
        secret("a", {"auths": {"r.example": entry("first")}}),
        secret("b", {"r.example": entry("second"), "old.example": entry("b")}, ".dockercfg"),
    )
    assert auths(pod) == {"r.example": entry("first"), "old.example": entry("b")}
    assert pod.skipped_auth == ()


def test_the_registries_of_the_workload_count_first_and_keep_what_they_have() -> None:
    own = {"auths": {"r.example": entry("own")}, "credHelpers": {"x": "y"}}
    pod = build(secret("a", {"auths": {"r.example": entry("a"), "s.example": entry("a")}}), own=own)
    assert auths(pod) == {"r.example": entry("own"), "s.example": entry("a")}
    assert json.loads(pod.auth or b"")["credHelpers"] == {"x": "y"}


def test_a_user_name_with_a_password_becomes_what_podman_reads() -> None:
    given = {"username": "fleet", "password": "pw", "email": "x@example.com"}
    assert auths(build(secret("a", {"auths": {"r.example": given}}))) == {
        "r.example": entry("fleet")
    }


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("https://r.example", "r.example"),
        ("http://r.example:5000/", "r.example:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("https://r.example/v2/", "r.example"),
        ("r.example/team/app", "r.example/team/app"),
        ("https://r.example/v1/team", "r.example/team"),
    ],
)
def test_registries_get_the_names_that_podman_gives_them(name: str, key: str) -> None:
    assert list(auths(build(secret("a", {"auths": {name: entry("a")}})))) == [key]


@pytest.mark.parametrize(
    ("image", "keys"),
    [
        ("shop.azurecr.example/web", ["shop.azurecr.example"]),
        ("a.shop.azurecr.example/web", []),
        ("azurecr.example/web", []),
        ("web", []),
    ],
)
def test_a_pattern_becomes_the_registries_of_the_images(image: str, keys: list[str]) -> None:
    found = build(secret("a", {"auths": {"*.azurecr.example": entry("a")}}), image=image)
    assert list(auths(found)) == keys


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ((), "does not exist"),
        ((secret("a", {}, "password"),), "has neither"),
        ((secret("a", "nothing"),), "not the JSON"),
        ((secret("a", {"auths": []}),), "not the JSON"),
        ((secret("a", {}),), "not the JSON"),
        ((Secret(name="a", data="{"),), "malformed"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_named(secrets: tuple[Secret, ...], words: str) -> None:
    pod = build(*secrets, secret("b", {"auths": {"r.example": entry("b")}}), named="a b")
    assert auths(pod) == {"r.example": entry("b")}
    assert words in pod.skipped_auth[0]


async def test_the_message_of_a_failed_pull_says_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pull(image: str, auth_file: Path | None) -> None:
        raise WorkloadError("ImagePullFailed", f"image {image} cannot be pulled: unauthorized")  # type: ignore[arg-type]

    async def flush(name: str, data: object) -> None:
        raise AssertionError

    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\nexit 1\n")
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    files = WorkloadFiles(tmp_path / "w", tmp_path / "v", tmp_path / "u")
    execution = StepExecution(files, Crashes(), flush, lambda name, code: None, pull)
    with pytest.raises(WorkloadError) as raised:
        await execution.execute_step(FetchImages(build(named="a"), refresh=True))
    assert raised.value.message == (
        "image r.example/x cannot be pulled: unauthorized; "
        'imagePullSecrets: Secret "a" does not exist'
    )


def test_credentials_are_in_no_manifest() -> None:
    pod = build(secret("a", {"auths": {"r.example": entry("first")}}))
    assert entry("first")["auth"].encode() not in pod.manifest
