from __future__ import annotations

from pathlib import Path

TEMPLATES = (
    Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge/roles/device/templates"
)
# systemd.exec(5): each of them, if it is not `no`, gives the unit a mount namespace of its own.
MOUNTING = {
    "BindPaths",
    "BindReadOnlyPaths",
    "ExecPaths",
    "InaccessiblePaths",
    "MountFlags",
    "NoExecPaths",
    "PrivateDevices",
    "PrivateMounts",
    "PrivateTmp",
    "PrivateUsers",
    "ProcSubset",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RootDirectory",
    "RootImage",
    "TemporaryFileSystem",
}


def options(unit: str) -> set[str]:
    lines = (TEMPLATES / f"{unit}.service.j2").read_text().splitlines()
    return {line.partition("=")[0] for line in lines if "=" in line and line[0].isalpha()}


def test_the_worker_has_the_mounts_of_the_device_so_that_podman_can_remove_pods() -> None:
    assert not MOUNTING & options("flotta-device-worker")
    assert MOUNTING & options("flotta-gateway")
