"""Volumes as the processes of pods see them: three pods show every row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pods.device import Device
from pods.pod import LIMITS, SLEEP, Pod, container

GROUP, USER = 2000, 1000
STORED = "/var/lib/containers/storage/volumes/{}/_data"


def reference(path: str) -> dict[str, str]:
    return {"apiVersion": "v1", "fieldPath": path}


MOUNTED: dict[str, dict[str, Any]] = {
    "data": {"emptyDir": {}},
    "memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
    "db": {"persistentVolumeClaim": {"claimName": "shopdb"}},
    "scripts": {"configMap": {"name": "scripts", "defaultMode": 0o755}},
    "creds": {
        "secret": {
            "secretName": "creds",
            "defaultMode": 0o400,
            "items": [{"key": "pw", "path": "pw"}, {"key": "pw", "path": "deep/pw", "mode": 0o444}],
        }
    },
    "all": {
        "projected": {
            "sources": [
                {"configMap": {"name": "scripts"}},
                {"secret": {"name": "creds"}},
                {
                    "downwardAPI": {
                        "items": [{"path": "name", "fieldRef": reference("metadata.name")}]
                    }
                },
            ]
        }
    },
    "down": {
        "downwardAPI": {
            "items": [{"path": "space", "fieldRef": reference("metadata.namespace")}],
            "defaultMode": 0o440,
        }
    },
    "none": {"configMap": {"name": "absent", "optional": True}},
    "host": {"hostPath": {"path": "/srv/shop", "type": "DirectoryOrCreate"}},
}
PATHS = [
    {"name": "scripts", "mountPath": "/sub/run.sh", "subPath": "run.sh"},
    {"name": "data", "mountPath": "/sub/data", "subPath": "a/b"},
    {"name": "memory", "mountPath": "/sub/memory", "subPath": "m"},
    {"name": "db", "mountPath": "/sub/db", "subPathExpr": "$(WHO)/db"},
    {"name": "host", "mountPath": "/sub/host", "subPath": "h", "readOnly": True},
    {"name": "data", "mountPath": "/sub/app.conf", "subPath": "conf/app.conf"},
]
INIT = f"""\
mkdir -p /data/conf /memory/m
id -u > /export/init
{LIMITS} >> /export/init
echo made > /data/conf/app.conf
touch /export/from-init /memory/m/from-init
"""
SOURCES: dict[str, Any] = {
    "config_maps": {"scripts": {"run.sh": "#!/bin/sh\necho ran\n"}},
    "secrets": {"creds": {"pw": "hunter2"}},
    "namespace": "shop",
}


def volumes(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, **MOUNTED[name]} for name in names]


def mounts(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "mountPath": f"/{name}"} for name in names]


@pytest.fixture(scope="module")
def full(device: Device) -> Iterator[Pod]:
    """Run a pod with every volume, two containers and a group."""
    main = container(
        volumeMounts=[*mounts(*MOUNTED), *PATHS], env=[{"name": "WHO", "value": "bert"}]
    )
    user = container(
        "user", volumeMounts=mounts("data", "memory", "db"), securityContext={"runAsUser": USER}
    )
    spec = {
        "initContainers": [
            container(
                "first",
                INIT,
                volumeMounts=mounts("data", "memory"),
                securityContext={"runAsUser": USER},
                resources={"limits": {"memory": "48Mi", "cpu": "300m"}},
            )
        ],
        "containers": [main, user],
        "volumes": volumes(*MOUNTED),
        "securityContext": {"fsGroup": GROUP, "fsGroupChangePolicy": "OnRootMismatch"},
        "terminationGracePeriodSeconds": 1,
    }
    with device.running("full", spec, **SOURCES) as pod:
        yield pod


@pytest.fixture(scope="module")
def other(device: Device) -> Iterator[Pod]:
    """Run a pod of a user with volumes of the same names."""
    spec = {
        "containers": [
            container(volumeMounts=mounts("data", "db"), securityContext={"runAsUser": USER})
        ],
        "volumes": volumes("data", "db"),
        "terminationGracePeriodSeconds": 1,
    }
    with device.running("other", spec, **SOURCES) as pod:
        yield pod


def modes(pod: Pod, *paths: str) -> list[str]:
    return pod.sh(f"stat -L -c %a {' '.join(paths)}").split()


def test_an_empty_dir_is_of_one_pod_and_of_all_its_containers(full: Pod, other: Pod) -> None:
    full.sh("echo full > /data/state")
    other.sh("echo other > /data/state")
    assert (full.sh("cat /data/state", "user"), other.sh("cat /data/state")) == ("full", "other")


def test_memory_is_a_tmpfs_of_its_limit_that_containers_share(full: Pod) -> None:
    full.sh("echo x > /memory/state")
    assert full.sh("cat /memory/state", "user") == "x"
    assert full.sh("stat -f -c '%T %S %b' /memory").split() == ["tmpfs", "4096", "2048"]


def test_a_claim_is_shared_by_the_pods_that_name_it(full: Pod, other: Pod) -> None:
    full.sh("mkdir -p /db/open && chmod 777 /db/open && echo full > /db/open/state")
    assert other.sh("cat /db/open/state") == "full"


def test_modes_are_those_of_the_specification(full: Pod) -> None:
    found = modes(full, "/scripts/run.sh", "/creds/pw", "/creds/deep/pw", "/down/space")
    # `fsGroup` lets its group read.
    assert found == ["755", "440", "444", "440"]
    assert full.sh("/scripts/run.sh; cat /creds/pw /creds/deep/pw") == "ran\nhunter2hunter2"


def test_projected_volumes_have_the_files_of_all_sources(full: Pod) -> None:
    assert full.sh("ls /all").split() == ["name", "pw", "run.sh"]
    assert full.sh("cat /all/name /down/space") == "fullshop"


def test_an_optional_volume_of_nothing_is_empty(full: Pod) -> None:
    assert full.sh("ls -A /none") == ""


def test_files_are_mounted_read_only(full: Pod) -> None:
    assert "Read-only" in full.sh("touch /scripts/x 2>&1 || true")


def test_a_sub_path_is_that_path_alone(full: Pod) -> None:
    assert full.sh("test -f /sub/run.sh && /sub/run.sh") == "ran"
    full.sh("for i in data memory db; do echo $i > /sub/$i/state; done")
    assert full.sh("cat /data/a/b/state /memory/m/state /db/bert/db/state").split() == [
        "data",
        "memory",
        "db",
    ]
    assert "Read-only" in full.sh("touch /sub/host/x 2>&1 || true")


def test_init_containers_see_the_volumes_and_make_paths_in_them(full: Pod) -> None:
    assert full.sh("ls /export/from-init /sub/memory/from-init; cat /sub/app.conf").split() == [
        "/export/from-init",
        "/sub/memory/from-init",
        "made",
    ]


def test_an_init_container_has_its_own_user_and_limits(full: Pod) -> None:
    user, memory, _, quota, period = map(int, full.sh("cat /export/init").split())
    assert (user, memory) == (USER, 48 << 20)
    assert quota / period == pytest.approx(0.3)


def test_every_volume_belongs_to_the_group(full: Pod) -> None:
    assert str(GROUP) in full.sh("id -G", "user").split()
    full.sh("for i in data memory db export; do touch /$i/of-user; done", "user")
    owners = full.sh("stat -c '%u:%g' /data/of-user /memory/of-user /db/of-user /export/of-user")
    assert owners.split() == [f"{USER}:{GROUP}"] * 4


def test_export_can_be_written_by_the_user_of_the_container(other: Pod) -> None:
    other.sh("touch /export/of-user")
    assert other.sh("stat -c %u /export/of-user") == str(USER)


def test_a_restart_without_the_worker_keeps_and_prepares_everything(
    device: Device, full: Pod
) -> None:
    full.sh("echo kept | tee /data/kept /memory/kept /db/kept /sub/data/kept > /export/kept")
    full.sh("touch /data/of-root; chgrp 0 /data/of-root")
    with device.without_worker():
        device.host.sh(f"systemctl restart '{full.unit}'")
        places = ["/data", "/memory", "/db", "/sub/data", "/export"]
        found = full.sh(f"cat {' '.join(f'{place}/kept' for place in places)}")
        assert found.split() == ["kept"] * len(places)
        assert full.sh("/sub/run.sh") == "ran"
        # The volume itself belongs to the group, so nothing in it is given to the group again.
        assert full.sh("stat -c %g /data /data/of-root").split() == [str(GROUP), "0"]


@pytest.mark.deep  # what a link does is in tests/unit/test_worker_volume_preparation.py
def test_a_link_that_a_container_made_leads_nowhere(device: Device, full: Pod) -> None:
    full.sh("rm -rf /data/a && ln -s /etc /data/a")
    device.host.sh(f"systemctl restart '{full.unit}'", check=False)
    status = full.wait_phase("Error")
    assert status["message"] == 'volume "data": path "a/b": "a" is a symbolic link'
    device.host.sh("rm /var/lib/flotta/worker/workloads/full/volumes/data/a")
    full.wait_phase("Running")


@pytest.mark.deep  # what the worker decides is in tests/unit/test_worker_evictions.py
def test_a_pod_that_takes_more_than_its_limit_starts_again_empty(device: Device) -> None:
    script = (
        "test -e /export/once || dd if=/dev/zero of=/data/big bs=1M count=4; touch /export/once"
    )
    spec = {
        "containers": [container(script=f"{script}; {SLEEP}", volumeMounts=mounts("data"))],
        "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}],
        "terminationGracePeriodSeconds": 1,
    }
    with device.running("greedy", spec) as pod:
        status = pod.wait_reason("Evicted")
        assert status["message"] == 'Usage of EmptyDir volume "data" exceeds the limit "1Mi".'
        pod.wait_phase("Error")  # it is stopped
        pod.wait_phase("Running")
        assert pod.sh("ls -A /data") == ""


@pytest.mark.deep  # which claims it takes over is in tests/unit/test_worker_claims.py
def test_an_upgrade_takes_over_claims_and_leaves_what_was_an_empty_dir(device: Device) -> None:
    directory = "/var/lib/flotta/worker/workloads/upgraded"
    earlier = {
        "containers": [container()],
        "volumes": [
            {"name": "olddb", "persistentVolumeClaim": {"claimName": "olddb"}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }
    device.stop_worker()
    device.host.sh("rm /var/lib/flotta/worker/claims.json")
    for name in ("olddb", "scratch"):
        device.host.sh(f"podman volume create {name} && echo old >{STORED.format(name)}/state")
    device.host.write(f"{directory}/pod.yaml", json.dumps({"spec": earlier}))
    device.host.write(f"{directory}/workload.json", '{"digest": "earlier"}')
    device.start_worker()
    spec = {
        "containers": [container(volumeMounts=mounts("db", "scratch", "fresh"))],
        "volumes": [
            {"name": "db", "persistentVolumeClaim": {"claimName": "olddb"}},
            {"name": "fresh", "persistentVolumeClaim": {"claimName": "scratch"}},
            {"name": "scratch", "emptyDir": {}},
        ],
        "terminationGracePeriodSeconds": 1,
    }
    # All workloads of a device are in one namespace; here, tests may have left some in another.
    present = [
        wanted.fields.get("namespace", "default") for wanted in device.control.wanted.values()
    ]
    with device.running("upgraded", spec, namespace=[*present, "shop"][0]) as pod:
        assert pod.sh("cat /db/state; ls -A /scratch /fresh").split() == [
            "old",
            "/fresh:",
            "/scratch:",
        ]
    left = " ".join(f"{STORED.format(name)}/state" for name in ("olddb", "scratch"))
    assert device.host.sh(f"cat {left}").split() == ["old", "old"]


def test_a_claim_outlives_its_workloads_and_an_empty_dir_does_not(
    device: Device, full: Pod, other: Pod
) -> None:
    spec = {
        "containers": [container(volumeMounts=mounts("data", "db", "memory"))],
        "volumes": volumes("data", "db", "memory"),
        "terminationGracePeriodSeconds": 1,
    }
    full.sh("echo first | tee /data/state /memory/state > /db/of-first")
    device.remove("full", "other")
    assert device.host.sh("ls -A /run/flotta-volumes | grep -x full || true") == ""
    with device.running("full", spec, **SOURCES) as pod:
        assert pod.sh("cat /db/of-first; ls -A /data /memory").split() == [
            "first",
            "/data:",
            "/memory:",
        ]
    assert device.host.sh("podman volume ls -q --filter label=project-flotta.io/claim=shopdb")
