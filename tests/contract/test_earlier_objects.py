"""What an earlier release stored stays usable, whatever the schemas refuse now, on both engines.

The same updates are accepted and refused: an engine compares field by field (KEP-4008).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract.api import Api
from contract.conftest import Server
from contract.earlier_objects import (
    LONG,
    NAMESPACE,
    earlier_objects,
    field_variable,
    on_cluster,
    on_embedded,
    path_of,
)
from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.settings import Settings
from flotta.identity.holder import Peer
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import Heartbeat, WorkloadStatus
from flotta.resources.client import Client

NAMES = {plural: obj["metadata"]["name"] for plural, obj in earlier_objects()}
TILL = path_of("edgedevices", "till")
WEB = path_of("edgeworkloads", "web")


@pytest.fixture(scope="module", params=["embedded", "kubernetes"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "embedded":
        with on_embedded(tmp_path_factory.mktemp("earlier")) as engine:
            yield engine
    else:
        with on_cluster(request.getfixturevalue("cluster")) as cluster:
            yield cluster


@pytest.fixture
def admin(server: Server) -> Api:
    return Api(server.kubeconfig("admin"))


@pytest.mark.parametrize(("plural", "name"), NAMES.items())
def test_metadata_can_be_changed_in_every_way(admin: Api, plural: str, name: str) -> None:
    path = path_of(plural, name)
    assert admin.merge(path, {"metadata": {"labels": {"merged": "yes"}}}).status == 200
    labels = {"op": "add", "path": "/metadata/labels/patched", "value": "yes"}
    assert admin.json_patch(path, labels).status == 200
    obj = admin.get(path).body
    obj["metadata"]["annotations"] = {"put": "yes"}
    assert admin.put(path, obj).status == 200
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    applied = {**head, "metadata": {"name": name, "labels": {"applied": "yes"}}}
    assert admin.apply(path, applied, "fieldManager=tester").status == 200
    assert admin.get(path).body["metadata"]["labels"].keys() >= {"merged", "patched", "applied"}


def test_other_fields_of_the_spec_can_be_changed(admin: Api) -> None:
    spec = {"heartbeat": {"hardwareProfile": {"include": True}}, "osInformation": {"commitID": "c"}}
    response = admin.merge(TILL, {"spec": spec})
    assert response.status == 200, response.content
    assert response.body["spec"]["heartbeat"]["periodSeconds"] == 0
    assert any("createOBC cannot be combined" in warning for warning in response.warnings)
    assert admin.merge(WEB, {"spec": {"data": {"egress": []}, "device": "till"}}).status == 200


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"heartbeat": {"periodSeconds": -1}}, "spec.heartbeat.periodSeconds"),
        ({"storage": {"s3": {"secretName": "t" * 301}}}, "spec.storage.s3.secretName"),
        ({"storage": {"s3": {"secretName": "short"}}}, "spec.storage.s3"),
        ({"logCollection": {"main": {"kind": "gelf"}}}, "spec.logCollection.main.kind"),
        ({"mounts": [{"device": LONG}]}, "spec.mounts[0].device"),
    ],
)
def test_a_field_that_changes_must_be_right(admin: Api, spec: dict[str, Any], field: str) -> None:
    response = admin.merge(TILL, {"spec": spec})
    assert response.status == 422
    assert field in {cause[1] for cause in response.causes}


KEY = {"name": "a", "key": "b"}
TWO_SOURCES = {"configMapKeyRef": KEY, "secretKeyRef": KEY}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"nodeSelector": {"disk": "hdd"}}, "nodeSelector"),
    ({"affinity": {"nodeAffinity": {}}}, "affinity.nodeAffinity"),
    ({"serviceAccountName": "other"}, "serviceAccountName"),
    ({"priority": 1}, "priority"),
    ({"overhead": {"cpu": "1"}}, "overhead"),
    ({"volumes": [{"name": "x", "nfs": {"server": "s", "path": "/"}}]}, "volumes[0].nfs"),
    ({"volumes": [{"name": "x", "emptyDir": {"medium": "A"}}]}, "volumes[0].emptyDir.medium"),
    ({"volumes": [{"name": "x", "emptyDir": {}, "hostPath": {"path": "/"}}]}, "volumes[0]"),
]
OF_CONTAINERS: list[tuple[dict[str, Any], str]] = [
    ({"stdinOnce": True}, "stdinOnce"),
    ({"imagePullPolicy": "Sometimes"}, "imagePullPolicy"),
    ({"readinessProbe": {"exec": {}, "periodSeconds": -1}}, "readinessProbe.periodSeconds"),
    ({"startupProbe": {"periodSeconds": 1}}, "startupProbe"),
    ({"lifecycle": {"postStart": {}}}, "lifecycle.postStart"),
    ({"startupProbe": {"exec": {}, "tcpSocket": {"port": 1}}}, "startupProbe"),
    ({"lifecycle": {"preStop": {"exec": {}, "sleep": {"seconds": 1}}}}, "lifecycle.preStop"),
    ({"env": [{"name": "A", "valueFrom": TWO_SOURCES}]}, "env[0].valueFrom"),
    ({"resources": {"limits": {"example.org/gpu": 2}}}, "resources.limits"),
    ({"securityContext": {"procMount": "All"}}, "securityContext.procMount"),
    ({"env": [field_variable("spec.uid")]}, "env[0].valueFrom.fieldRef.fieldPath"),
]


@pytest.mark.parametrize(
    ("pod", "field"),
    [
        *REFUSED,
        *(
            ({"containers": [{"name": "c", "image": "i", **more}]}, f"containers[0].{field}")
            for more, field in OF_CONTAINERS
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_that_no_device_carries_out_is_refused_by_its_path(
    admin: Api, pod: dict[str, Any], field: str
) -> None:
    head = {"apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeWorkload"}
    spec = {"containers": [{"name": "c", "image": "i"}], **pod}
    new = {**head, "metadata": {"name": "new"}, "spec": {"type": "pod", "pod": {"spec": spec}}}

    response = admin.post(f"{path_of('edgeworkloads')}?dryRun=All", new)

    assert response.status == 422
    assert {cause[1] for cause in response.causes} - {"<nil>"} == {f"spec.pod.spec.{field}"}
    changed = admin.merge(f"{WEB}?dryRun=All", {"spec": {"pod": {"spec": pod}}})
    assert changed.status == 422
    assert f"spec.pod.spec.{field}" in {cause[1] for cause in changed.causes}


def test_a_refused_field_stays_beside_one_that_changes_until_it_is_removed(admin: Api) -> None:
    pod = admin.get(WEB).body["spec"]["pod"]["spec"]
    assert pod["nodeSelector"] == {"disk": "ssd"}
    container = {**pod["containers"][0], "args": ["changed"]}
    change = {"containers": [container], "initContainers": None}  # their names break another rule
    response = admin.merge(WEB, {"spec": {"pod": {"spec": change}}})
    assert response.status == 200, response.content
    gone = {"nodeSelector": None, "affinity": {}, "serviceAccountName": "default"}
    assert admin.merge(WEB, {"spec": {"pod": {"spec": gone}}}).status == 200
    again = admin.merge(WEB, {"spec": {"pod": {"spec": {"nodeSelector": {"disk": "ssd"}}}}})
    assert [cause[1] for cause in again.causes] == ["spec.pod.spec.nodeSelector"]


def test_a_list_without_keys_is_unchanged_or_changed_as_a_whole(admin: Api) -> None:
    mounts = admin.get(TILL).body["spec"]["mounts"]
    added = admin.merge(TILL, {"spec": {"mounts": [*mounts, {"device": "/dev/sdb"}]}})
    assert added.status == 422
    assert {field for _, field in added.causes} >= {"spec.mounts[0].device"}
    right = {"spec": {"mounts": [{"device": "/dev/sda"}]}}
    assert admin.merge(f"{TILL}?dryRun=All", right).status == 200
    selector = admin.get(WEB).body["spec"]["deviceSelector"]
    more = [*selector["matchExpressions"], {"key": "a", "operator": "Exists"}]
    response = admin.merge(WEB, {"spec": {"deviceSelector": {"matchExpressions": more}}})
    assert response.status == 422
    field = "spec.deviceSelector.matchExpressions[0].key"
    assert ("FieldValueInvalid", field) in response.causes


def test_items_of_a_list_with_keys_belong_together_by_key(admin: Api) -> None:
    status = admin.get(TILL).body["status"]
    workloads = [{"name": "new"}, *reversed(status["workloads"])]
    response = admin.merge(f"{TILL}/status", {"status": {"workloads": workloads}})
    assert response.status == 200, response.content
    workloads = [{**entry, "phase": "p" * 65} for entry in workloads]
    response = admin.merge(f"{TILL}/status", {"status": {"workloads": workloads}})
    assert {field for _, field in response.causes} - {"<nil>"} == {
        f"status.workloads[{index}].phase" for index in range(3)
    }


def test_the_status_can_be_changed_beside_what_is_wrong(admin: Api) -> None:
    conditions = admin.get(TILL).body["status"]["conditions"]
    conditions.append({"type": "Accepted", "status": "True"})
    change = {"conditions": conditions, "dataObc": "till", "phase": "up"}
    response = admin.merge(f"{TILL}/status", {"status": change})
    assert response.status == 200, response.content
    assert response.body["status"]["agentVersion"] == LONG
    count = {"status": {"matched": 1, "observedGeneration": 1}}
    assert admin.merge(f"{WEB}/status", count).status == 200


@contextlib.asynccontextmanager
async def edge_api(kubeconfig: Path) -> AsyncIterator[CrdBackend]:
    """Return the backend of the Edge API, running."""
    client = await Client.connect(str(kubeconfig))
    backend = CrdBackend(client, Settings(), EdgeApiMetrics())
    task = asyncio.create_task(backend.run())
    try:
        await backend.wait_ready()
        yield backend
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await backend.close()


async def report(kubeconfig: Path, uid: str) -> None:
    """Send three heartbeats that change the status."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    peer = Peer("device", "till", NAMESPACE, (NAMESPACE,), uid, "f", "k", moment, moment)
    workload = WorkloadStatus(name="printer", status="Running", message="y" * 5000)
    hardware = HardwareInfo(hostname="till-1")
    async with edge_api(kubeconfig) as backend:
        for number in range(3):
            beat = Heartbeat(
                status="up", version=f"v{number}", workloads=[workload], hardware=hardware
            )
            await backend.record_heartbeat(peer, f"message-{number}", beat)


async def test_heartbeats_go_on(server: Server, admin: Api) -> None:
    await report(server.kubeconfig("admin"), admin.get(TILL).body["metadata"]["uid"])

    till = admin.get(TILL).body
    assert till["status"]["lastSyncedResourceVersion"] == "v2"
    by_name = {entry["name"]: entry for entry in till["status"]["workloads"]}
    assert by_name["printer"]["message"] == "y" * 1023 + "…"
    assert till["metadata"]["labels"]["device.hostname"] == "till-1"
    assert till["status"]["upgradeInformation"] == {"currentCommitID": LONG}


@pytest.mark.parametrize(("plural", "name"), NAMES.items())
def test_all_of_them_can_be_deleted(admin: Api, plural: str, name: str) -> None:
    path = path_of(plural, name)
    assert admin.delete(path).status in (200, 202)
    present = admin.get(path)
    if present.status == 200:
        assert present.body["metadata"]["finalizers"] == ["example.org/held"]
        assert admin.merge(path, {"metadata": {"finalizers": None}}).status == 200
    assert admin.get(path).status == 404
