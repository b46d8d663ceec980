"""Objects as an earlier release stored them, with everything that the schemas now refuse.

Each engine stores them by schemas without limits and rules, and then gets the present ones back.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from contract import loose_kinds
from contract.api import GROUP, Api
from contract.cluster import CRDS, Cluster
from contract.engine import Engine
from flotta.resources import crds
from waiting import wait_until

Object = dict[str, Any]
NAMESPACE = "earlier"
LONG = "\x1b[31mx" * 2000


def earlier_objects() -> list[tuple[str, Object]]:
    """Return plural and object of each kind, with status."""
    device = {
        "kind": "EdgeDevice",
        "metadata": {"name": "till", "finalizers": ["example.org/held"], "labels": {"a": "b"}},
        "spec": {
            "heartbeat": {"periodSeconds": 0},
            "storage": {"s3": {"createOBC": True, "secretName": "s" * 300}},
            "metrics": {"system": {"interval": -1}},
            "logCollection": {"main": {"kind": "journald", "bufferSize": 0}},
            "mounts": [{"device": LONG, "options": LONG}, {"device": "/dev/sda"}],
        },
        "status": device_status(),
    }
    workload = {
        "kind": "EdgeWorkload",
        "metadata": {"name": "web"},
        "spec": {
            "type": "pod",
            "deviceSelector": {
                "matchLabels": {"a site": "north east"},
                "matchExpressions": [{"key": "-a", "operator": "Gt", "values": ["1"] * 300}],
            },
            "metrics": {"port": 70000},
            "pod": {
                "spec": {
                    "containers": [
                        {
                            "name": "n" * 70,
                            "ports": [{"containerPort": 99999}],
                            "image": "--tls-verify=false",
                            "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": ".."}],
                            "env": [field_variable("spec.hostname")],
                            "stdin": True,
                            "livenessProbe": {"exec": {}, "tcpSocket": {"port": 1}},
                            "resources": {"limits": {"example.org/gpu": 1}},
                        }
                    ],
                    "nodeSelector": {"disk": "ssd"},
                    "affinity": {"podAffinity": {}},
                    "serviceAccountName": "builder",
                    "automountServiceAccountToken": True,
                    "initContainers": [{"name": "n" * 70}],
                    "volumes": [
                        {
                            "name": "../../etc/cron.d",
                            "configMap": {"name": "c", "items": [{"key": "/", "path": "/etc/x"}]},
                        },
                        {"name": "w", "nfs": {"server": "s", "path": "/"}},
                        {"name": "u", "emptyDir": {}, "hostPath": {"path": "/"}},
                    ],
                }
            },
        },
        "status": {"conditions": [{"type": "Ready", "status": "Maybe", "message": "m" * 40000}]},
    }
    request = {
        "kind": "EdgeDeviceSignedRequest",
        "metadata": {"name": "till"},
        "spec": {
            "targetNamespace": NAMESPACE,
            "features": {"modelName": LONG, "hardware": hardware()},
        },
        "status": {"conditions": [{"type": "asked", "status": "true", "reason": LONG}]},
    }
    playbook = {"content": "not base64", "privilegeEscalationOptions": {"becomeMethod": "doas"}}
    config = {
        "kind": "EdgeConfig",
        "metadata": {"name": "harden"},
        "spec": {"edgePlaybook": {"playbooks": [playbook]}},
    }
    return [
        ("edgedevices", device),
        ("edgeworkloads", workload),
        ("edgedevicesignedrequest", request),
        ("edgeconfigs", config),
    ]


def field_variable(path: str) -> Object:
    return {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def hardware() -> Object:
    disks = [{"name": f"sd{number}"} for number in range(200)]
    return {"hostname": LONG, "disks": disks, "gpus": [], "interfaces": [{"flags": [LONG]}]}


def device_status() -> Object:
    return {
        "phase": LONG,
        "lastSeenTime": "yesterday",
        "agentVersion": LONG,
        "hardware": hardware(),
        "conditions": [
            {"type": "Ready", "status": "Maybe", "message": "m" * 40000},
            {"type": "Other", "status": "True"},
        ],
        "workloads": [
            {"name": "web", "phase": LONG, "message": LONG, "filesUp": -1},
            {"name": "printer", "phase": "Running"},
        ],
        "upgradeInformation": {"currentCommitID": LONG},
    }


def path_of(plural: str, name: str = "") -> str:
    path = f"{GROUP}/namespaces/{NAMESPACE}/{plural}"
    return f"{path}/{name}" if name else path


def store(api: Api) -> None:
    api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for plural, given in earlier_objects():
        obj = {"apiVersion": "management.project-flotta.io/v1alpha1", **given}
        api.create(path_of(plural), obj)
        if "status" in obj:
            path = path_of(plural, obj["metadata"]["name"])
            response = api.merge(f"{path}/status", {"status": obj["status"]})
            assert response.status == 200, response.content


class OtherEngine(Engine):
    """An embedded engine that runs another program while it has one."""

    program: ModuleType | None = loose_kinds

    def _program(self, name: str) -> list[str]:
        usual = super()._program(name)
        if self.program is None:
            return usual
        return [sys.executable, str(self.program.__file__), *usual[usual.index(name) :]]


@contextmanager
def on_embedded(
    folder: Path, program: ModuleType | None = None, device_spec: Object | None = None
) -> Iterator[Engine]:
    """Yield an embedded engine, or another `program`, that has the objects.

    The spec of the EdgeDevice can be changed before its schema is back.
    """
    engine = OtherEngine(folder)
    try:
        engine.start()
        admin = Api(engine.kubeconfig("admin"))
        store(admin)
        admin.merge(path_of("edgedevices", "till"), {"spec": device_spec or {}})
        engine.stop()
        engine.program = program
        engine.start()
        yield engine
    finally:
        engine.stop()


@contextmanager
def on_cluster(cluster: Cluster) -> Iterator[Cluster]:
    """Yield a cluster that has the objects, and remove them."""
    admin = Api(cluster.kubeconfig("admin"))
    _replace_kinds(admin, loose_kinds.load_loose(), invalid_is_stored=True)
    try:
        store(admin)
    finally:
        _replace_kinds(admin, crds.load(), invalid_is_stored=False)
    yield cluster
    admin.delete(f"/api/v1/namespaces/{NAMESPACE}")


def _replace_kinds(admin: Api, kinds: list[Any], *, invalid_is_stored: bool) -> None:
    """Give the kinds these schemas; return when they are in effect."""
    for crd in kinds:
        change = {"spec": {"versions": crd["spec"]["versions"]}}
        response = admin.merge(f"{CRDS}/{crd['metadata']['name']}", change)
        assert response.status == 200, response.content
    for plural, given in earlier_objects():
        obj = {"apiVersion": "management.project-flotta.io/v1alpha1", **given}
        obj["metadata"] = {"name": "probe", "namespace": "default"}
        path = f"{GROUP}/namespaces/default/{plural}?dryRun=All"
        expected = 201 if invalid_is_stored else 422
        wait_until(partial(_answers, admin, path, obj, expected))


def _answers(admin: Api, path: str, obj: Object, status: int) -> bool:
    return admin.post(path, obj).status == status
