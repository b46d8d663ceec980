"""RBAC: the programs work with the rendered roles, an installer with the printed role."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from edge_site import Device, Fleet, Site, fleet_of, free_port, process, wait_for_ready
from installation_site import Place
from s3_server import S3Server, running_s3

from flotta.identity.authority import CertificateAndKey
from flotta.installation.crds import install_crds, remove_crds
from flotta.installation.errors import InstallationError
from flotta.installation.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, DEPLOYMENT
from flotta.installation.rbac import render_installer_role
from flotta.resources.client import Client
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_WORKLOAD,
    NAMESPACE,
    SECRET,
    Kind,
)
from flotta.resources.roles import load
from servers.api_server import KubernetesApi
from waiting import eventually

Object = dict[str, Any]
ACCOUNT = "system:serviceaccount:flotta:"
REVIEW = Kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews")

GROUP = "management.project-flotta.io"
# Rights for what does not happen in a short life: program, resource, verbs.
RARE = {
    # Something changed between a look and a write.
    ("flotta-operator", f"edgeworkloads.{GROUP}", "get"),
    ("flotta-operator", f"edgedevicesets.{GROUP}", "get"),
    ("flotta-operator", f"edgedevices.{GROUP}", "get"),
    # An earlier system left finalizers; a set has members; a request was refused.
    ("flotta-operator", f"edgeworkloads.{GROUP}", "patch"),
    ("flotta-operator", f"edgedevicesets/status.{GROUP}", "patch"),
    # An Event is repeated.
    ("flotta-operator", "events", "get"),
    ("flotta-operator", "events", "patch"),
    ("flotta-edge-api", "events", "create"),
    ("flotta-edge-api", "events", "get"),
    ("flotta-edge-api", "events", "patch"),
    # Somebody changed the answer to a claim.
    ("flotta-operator", "secrets", "patch"),
    ("flotta-operator", "configmaps", "get"),
    ("flotta-operator", "configmaps", "patch"),
    # The names in the server certificate change.
    ("flotta-edge-api", "secrets", "update"),
    # A device that the control plane does not know asks, and its record goes when it is adopted.
    ("flotta-edge-api", "configmaps", "get"),
    ("flotta-edge-api", "configmaps", "create"),
    ("flotta-edge-api", "configmaps", "patch"),
    ("flotta-edge-api", "configmaps", "delete"),
    # A device enrols again, or ends with its batch long ago; it was approved and never registered.
    ("flotta-edge-api", f"edgedevicesignedrequest.{GROUP}", "patch"),
    ("flotta-edge-api", "secrets", "delete"),
    ("flotta-operator", f"edgedevices.{GROUP}", "delete"),
    # OpenShift stores the files.
    ("flotta-edge-api", "routes.route.openshift.io", "list"),
    ("flotta-edge-api", "routes.route.openshift.io", "watch"),
}


@pytest.fixture
async def place(kubernetes: KubernetesApi) -> AsyncIterator[Place]:
    async with await Client.connect(str(kubernetes.kubeconfig())) as client:
        await install_crds(client, check_mode=False, force=False, wait_timeout=60)
        yield Place(kubernetes, client, "flotta")


@asynccontextmanager
async def user(place: Place, name: str, rules: list[Object] | None) -> AsyncIterator[Client]:
    """Open a client of a user who has these rules and no others."""
    if rules is not None:
        role = {"metadata": {"name": name}, "rules": rules}
        reference = {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": name,
        }
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        await place.client.create(CLUSTER_ROLE, role)
        await place.client.create(CLUSTER_ROLE_BINDING, binding)
        await eventually(lambda: _may(place, name, rules[0]))
    async with await Client.connect(str(place.api.kubeconfig(name))) as client:
        yield client


async def _may(place: Place, user: str, rule: Object) -> bool:
    """Ask the API server whether it knows of a right yet."""
    group, resource, verb = (rule[part][0] for part in ("apiGroups", "resources", "verbs"))
    resource, _, subresource = resource.partition("/")
    asked = {"group": group, "resource": resource, "subresource": subresource, "verb": verb}
    spec = {"user": user, "resourceAttributes": asked}
    answer = await place.client.create(REVIEW, {"metadata": {}, "spec": spec})
    return bool(answer["status"]["allowed"])


async def test_a_missing_permission_is_named(place: Place) -> None:
    async with user(place, "jane", None) as client:
        with pytest.raises(InstallationError) as refusal:
            await place.present(client)
        with pytest.raises(InstallationError) as crds:
            await install_crds(client, check_mode=False, force=False, wait_timeout=9)
    assert str(refusal.value).startswith("jane may not get customresourcedefinitions.")
    assert "ClusterRole flotta-installer" in str(refusal.value)
    assert str(crds.value).startswith("jane may not get customresourcedefinitions.")


async def test_missing_permission_to_grant_is_explained(place: Place) -> None:
    rules = [rule for rule in render_installer_role()["rules"] if "watch" not in rule["verbs"]]
    async with user(place, "june", rules) as client:
        with pytest.raises(InstallationError, match="june may not grant the permissions"):
            await place.present(client)
    await place.absent(wait_timeout=60)


async def test_without_permission_to_read_nodes_names_are_required(place: Place) -> None:
    rules = [rule for rule in render_installer_role()["rules"] if "nodes" not in rule["resources"]]
    rules.append({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]})
    async with user(place, "nina", rules) as client:
        with pytest.raises(InstallationError, match="to which devices connect; set server_names"):
            await place.present(client)
        named = await place.present(client, server_names=["edge.example"])
        assert named.endpoint == "edge.example:30043"
        inside = await place.present(client, ingress={"host": "edge.example"})
        assert inside.endpoint == "edge.example:443"
        await place.absent(client, wait_timeout=60)


async def test_the_printed_role_is_enough_to_install_and_to_remove_everything(place: Place) -> None:
    given: Object = {
        "s3": {
            "device_endpoint": "https://s3.example:9000",
            "shared_keys": True,
            "access_key": "A",
            "secret_key": "B",
        },
        "ingress": {"host": "edge.example"},
        "network_policy": {},
    }
    async with user(place, "ivan", render_installer_role()["rules"]) as client, place.kubelet():
        await remove_crds(client, check_mode=False, force=False, wait_timeout=60)
        await install_crds(client, check_mode=False, force=True, wait_timeout=60)
        await place.present(client, wait_timeout=60, **given)
        await place.present(client, wait_timeout=60)
        outcome = await place.absent(client, wait_timeout=60, delete_data=True)
        assert outcome.kept == []
        await remove_crds(client, check_mode=False, force=True, wait_timeout=60)
    assert await place.ours() == []
    names = [item["metadata"]["name"] for item in await place.client.list(NAMESPACE)]
    assert "flotta" not in names


async def test_the_programs_work_with_their_rights_and_clean_up_before_they_go(
    place: Place, tmp_path: Path
) -> None:
    with running_s3(_folder(tmp_path, "s3"), iam=True) as s3:
        await place.present(server_names=["127.0.0.1"], decommission_timeout=2, s3=_storage(s3))
        with ExitStack() as programs:
            site = await _programs(place, tmp_path, programs)
            await _live(site, place)
            await _leave(site, place)
            _assert_nothing_was_refused(tmp_path)
            async with place.kubelet():
                await eventually(lambda: _counts_as_available(place), 60)
                outcome = await place.absent(wait_timeout=60, delete_data=True)
        assert outcome.warnings == []
        assert list(s3.root.iterdir()) == []
    assert await place.client.list(EDGE_DEVICE) == []
    assert _granted() - _used(place.api.folder / "audit.log") <= RARE <= _granted()
    await remove_crds(place.client, check_mode=False, force=False, wait_timeout=60)


async def _counts_as_available(place: Place) -> bool:
    deployment = await place.get(DEPLOYMENT, "flotta-operator")
    return bool((deployment.get("status") or {}).get("availableReplicas"))


def _granted() -> set[tuple[str, str, str]]:
    """Return program, resource and verb of every rule."""
    return {
        (user, f"{resource}.{group}".rstrip("."), verb)
        for role in load().roles
        for user in role.users
        for rule in role.rules
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
    }


def _used(log: Path) -> set[tuple[str, str, str]]:
    """Return program, resource and verb of every request that the API server noted."""
    used = set()
    whole_lines = log.read_text().rpartition("\n")[0].splitlines()
    for event in map(json.loads, whole_lines):
        asked, user = event.get("objectRef") or {}, event["user"]["username"]
        if user.startswith(ACCOUNT):
            resource = "/".join(filter(None, (asked.get("resource"), asked.get("subresource"))))
            name = f"{resource}.{asked.get('apiGroup', '')}".rstrip(".")
            used.add((user.removeprefix(ACCOUNT), name, event["verb"]))
    return used


def _assert_nothing_was_refused(folder: Path) -> None:
    logs = list(folder.glob("*.log"))
    assert len(logs) == 2
    for log in logs:
        text = log.read_text()
        assert "forbidden" not in text, text[-3000:]
        assert "cannot" not in text, text[-3000:]


async def _live(site: Site, place: Place) -> None:
    """Let a device join, get a bucket and a workload, and report."""
    client = place.client
    await client.create(EDGE_WORKLOAD, _workload())
    async with fleet_of(site) as fleet:
        device: Device = fleet.device("till-1", await _admission(fleet, "till-1"))
        assert (await device.enrol()).status == 200

        async def registered() -> bool:
            return (await device.register(hostname="till-1")).status == 200

        await eventually(registered)
        await client.merge_patch(
            EDGE_DEVICE, "till-1", "default", {"metadata": {"labels": {"app": "till"}}}
        )

        async def assigned() -> bool:
            status = (await fleet.get(device)).get("status") or {}
            names = [item["name"] for item in status.get("workloads") or []]
            return names == ["till"] and bool(status.get("dataObc"))

        await eventually(assigned)
        claim = await client.get(BUCKET_CLAIM, "till-1", "default")
        assert claim["status"]["phase"] == "Bound"

        async def configured() -> Any:
            content = (await device.get("data")).json()["content"]
            s3 = (content["configuration"].get("storage") or {}).get("s3")
            return content if content.get("workloads") and s3 else None

        content = await eventually(configured)
        beat = {"workloads": [{"name": "till", "status": "Running"}]}
        assert (await device.beat(version=content["version"], **beat)).status == 200

        async def running() -> bool:
            status = (await fleet.get(device))["status"]
            return bool(status["workloads"][0]["phase"] == "Running")

        await eventually(running)
        await device.close()


async def _admission(fleet: Fleet, name: str) -> CertificateAndKey:
    """Issue a batch whose rule approves this device."""
    return await fleet.issue(f"for-{name}", deviceIDs=[name], approval={"mode": "Automatic"})


async def _leave(site: Site, place: Place) -> None:
    """Let another device join, and its administrator delete it."""
    async with fleet_of(site) as fleet:
        device = fleet.device("till-2", await _admission(fleet, "till-2"))
        assert (await device.enrol()).status == 200

        async def registered() -> bool:
            return (await device.register(hostname="till-2")).status == 200

        async def claimed() -> bool:
            names = [item["metadata"]["name"] for item in await place.client.list(BUCKET_CLAIM)]
            return "till-2" in names

        async def gone() -> bool:
            names = [item["metadata"]["name"] for item in await place.client.list(EDGE_DEVICE)]
            return "till-2" not in names

        await eventually(registered)
        await eventually(claimed)
        await place.client.delete(EDGE_DEVICE, "till-2", "default")
        await eventually(gone, 60)
        await device.close()


def _workload() -> Object:
    pod = {"spec": {"containers": [{"name": "main", "image": "localhost/none"}]}}
    selector = {"matchLabels": {"app": "till"}}
    spec = {"type": "pod", "deviceSelector": selector, "pod": pod}
    return {"metadata": {"name": "till", "namespace": "default"}, "spec": spec}


async def _programs(place: Place, folder: Path, stack: ExitStack) -> Site:
    """Start both programs with the accounts and settings that they have in their pods."""
    watching = {"apiGroups": [GROUP], "resources": ["edgedevices"], "verbs": ["watch"]}
    for program in ("flotta-edge-api", "flotta-operator"):
        await eventually(lambda program=program: _may(place, f"{ACCOUNT}{program}", watching))
    port, monitoring = free_port(), free_port()
    environment = {
        **(await place.get(CONFIG_MAP, "flotta-edge-api-config"))["data"],
        "KUBECONFIG": str(place.api.kubeconfig(f"{ACCOUNT}flotta-edge-api")),
        "BIND_ADDRESS": "127.0.0.1",
        "HTTPS_PORT": str(port),
        "METRICS_ADDR": f"127.0.0.1:{monitoring}",
        "PRESENCE_WRITE_SECONDS": "1",
    }
    stack.enter_context(process(folder / "edge-api.log", environment, "flotta.cli.edge_api"))
    settings = (await place.get(CONFIG_MAP, "flotta-manager-config"))["data"]
    mounted = await _mounted(place, folder / "s3-admin")
    operator = {
        **{name: value.replace("/etc/flotta/s3", mounted) for name, value in settings.items()},
        "KUBECONFIG": str(place.api.kubeconfig(f"{ACCOUNT}flotta-operator")),
        "PROBE_ADDR": f"127.0.0.1:{free_port()}",
        "METRICS_ADDR": f"127.0.0.1:{free_port()}",
    }
    stack.enter_context(process(folder / "operator.log", operator, "flotta.cli.operator"))
    site = Site(folder, place.api.kubeconfig(), port, monitoring, environment)
    await asyncio.to_thread(wait_for_ready, site)
    return site


async def _mounted(place: Place, folder: Path) -> str:
    """Lay the Secret out as the kubelet does."""
    folder.mkdir()
    for name, value in (await place.get(SECRET, "flotta-s3-admin"))["data"].items():
        (folder / name).write_bytes(base64.b64decode(value))
    return str(folder)


def _storage(s3: S3Server) -> Object:
    return {
        "device_endpoint": s3.endpoint,
        "iam_endpoint": s3.iam_endpoint,
        "access_key": s3.administrator.access_key,
        "secret_key": s3.administrator.secret_key,
        "ca_pem": s3.ca_file.read_text(),
    }


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
