"""Installing, changing and removing the control plane on a real Kubernetes API."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from installation_site import (
    READY,
    S3,
    Place,
    gone,
    on_its_way_out,
    titles,
)

from contract.api import Api
from contract.kubectl import current_kubectl
from flotta.installation.apply import Applier
from flotta.installation.crds import remove_crds
from flotta.installation.errors import InstallationError
from flotta.installation.kinds import BUDGET, CLUSTER_ROLE, DEPLOYMENT, INGRESS, POD, ROLE, SERVICE
from flotta.resources.kinds import CONFIG_MAP, NAMESPACE, SECRET, Kind
from servers.api_server import KubernetesApi
from waiting import eventually

Object = dict[str, Any]


async def test_installing_twice_changes_nothing_the_second_time(place: Place) -> None:
    given = {"s3": S3, "network_policy": {}, "ingress": {"host": "edge.example"}}
    async with place.kubelet():
        first = await place.present(wait_timeout=60, **given)
        second = await place.present(wait_timeout=60, **given)
    assert f"Deployment {place.namespace}/flotta-operator" in titles(first)
    assert titles(second) == []
    assert first.cluster_version.startswith("v1.")
    assert (first.previous_image, second.previous_image) == ("", first.image)


async def test_check_mode_says_what_will_change_and_changes_nothing(place: Place) -> None:
    tried = await place.present(check_mode=True, s3=S3)
    assert await place.ours() == []
    done = await place.present(s3=S3)
    assert titles(tried) == titles(done)
    assert titles(await place.present(check_mode=True, s3=S3)) == []
    gone = await place.absent(check_mode=True)
    assert titles(await place.present(check_mode=True, s3=S3)) == []
    assert titles(gone) == titles(await place.absent())


async def test_an_upgrade_changes_the_programs_and_shows_the_image(place: Place) -> None:
    old = await place.present(image="registry.example/flotta:1")
    new = await place.present(image="registry.example/flotta:2")
    assert new.previous_image == old.image == "registry.example/flotta:1"
    assert titles(new) == [
        f"Deployment {place.namespace}/flotta-operator",
        f"Deployment {place.namespace}/flotta-edge-api",
    ]
    assert "flotta:2" in str(new.changes[0].as_ansible_diff()["after"])


async def test_the_difference_hides_the_values_of_secrets(place: Place) -> None:
    await place.present(s3=S3)
    outcome = await place.present(check_mode=True, s3={**S3, "secret_key": "changed-secret"})
    shown = str([change.as_ansible_diff() for change in outcome.changes])
    assert f"Secret {place.namespace}/flotta-s3-admin" in shown
    for secret in ("top-secret", "changed-secret"):
        assert secret not in shown
        assert base64.b64encode(secret.encode()).decode() not in shown


async def test_what_is_not_wanted_any_more_is_removed(place: Place) -> None:
    await place.present(ingress={"host": "edge.example"})
    assert await place.find(INGRESS, "flotta-edge-api")
    outcome = await place.present(edge_api_replicas=1)
    assert await place.find(INGRESS, "flotta-edge-api") is None
    assert await place.find(BUDGET, "flotta-edge-api") is None
    assert f"Ingress {place.namespace}/flotta-edge-api" in titles(outcome)


async def test_manual_changes_are_reverted(place: Place) -> None:
    await place.present()
    patch = {"spec": {"replicas": 7}}
    await place.client.merge_patch(DEPLOYMENT, "flotta-edge-api", place.namespace, patch)
    assert titles(await place.present()) == [f"Deployment {place.namespace}/flotta-edge-api"]
    assert (await place.get(DEPLOYMENT, "flotta-edge-api"))["spec"]["replicas"] == 2


async def test_settings_that_another_manager_added_stay(place: Place) -> None:
    await place.present()
    patch = {"data": {"HTTPS_PROXY": "http://proxy.example:3128"}}
    await place.client.merge_patch(CONFIG_MAP, "flotta-manager-config", place.namespace, patch)
    assert titles(await place.present()) == []
    config = await place.get(CONFIG_MAP, "flotta-manager-config")
    assert config["data"]["HTTPS_PROXY"] == "http://proxy.example:3128"


async def test_an_object_not_created_by_flotta_is_refused(place: Place) -> None:
    await place.client.create(NAMESPACE, {"metadata": {"name": place.namespace}})
    metadata = {"name": "flotta-edge-api", "namespace": place.namespace}
    spec = {"ports": [{"port": 80}]}
    await place.client.create(SERVICE, {"metadata": metadata, "spec": spec})
    with pytest.raises(InstallationError, match="was not created by flotta; remove it"):
        await place.present()


async def test_a_namespace_that_was_there_is_used_and_left(place: Place) -> None:
    await place.client.create(NAMESPACE, {"metadata": {"name": place.namespace}})
    await place.present()
    assert titles(await place.present()) == []
    await place.absent(delete_data=True)
    namespace = await place.client.get(NAMESPACE, place.namespace)
    assert namespace["status"]["phase"] == "Active"


async def test_a_second_control_plane_is_refused(place: Place) -> None:
    await place.present()
    with pytest.raises(
        InstallationError, match=f"already installed in namespace {place.namespace}"
    ):
        await Place(place.api, place.client, "elsewhere").present()


async def test_a_namespace_on_its_way_out_is_waited_for_by_the_user(place: Place) -> None:
    await place.client.create(NAMESPACE, {"metadata": {"name": place.namespace}})
    await on_its_way_out(place, place.namespace)
    with pytest.raises(InstallationError, match="is being deleted; wait until it is gone"):
        await place.present()
    await gone(place, place.namespace)


async def test_an_object_that_was_created_again_is_not_removed(place: Place) -> None:
    await place.present()
    read = await place.get(CONFIG_MAP, "flotta-manager-config")
    read["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(
        InstallationError, match="was deleted and created again meanwhile; run this again"
    ):
        await Applier(place.client).remove(read, CONFIG_MAP)
    assert await place.find(CONFIG_MAP, "flotta-manager-config")


@pytest.mark.parametrize(
    ("said", "message", "sentence", "reason"),
    [
        ("ErrImagePull", "no such image", "cannot get the image registry", "ImagePullBackOff"),
        ("CrashLoopBackOff", "back-off", r"keeps exiting.*logs --prev", "CrashLoopBackOff"),
        ("CreateContainerConfigError", "no map", "no map", "CreateContainerConfigError"),
    ],
)
async def test_pods_that_do_not_start_are_explained(
    place: Place, said: str, message: str, sentence: str, reason: str
) -> None:
    waiting = {"reason": said, "message": message}
    await place.present(image="registry.example/flotta:1")
    await place.pods_are_made()
    container = {"name": "operator", "image": "x", "imageID": "", "ready": False, "restartCount": 3}
    await place.report_pods({"containerStatuses": [{**container, "state": {"waiting": waiting}}]})
    with pytest.raises(InstallationError, match=sentence) as error:
        await place.present(image="registry.example/flotta:1", wait_timeout=2)
    assert "\n" not in str(error.value)
    assert error.value.reason == reason


async def in_force(place: Place, kind: Kind, name: str) -> bool:
    """Tell whether a quota is enforced: Kubernetes admits all until it has counted."""
    return bool((await place.get(kind, name)).get("status", {}).get("hard"))


async def test_pods_that_are_refused_are_explained(place: Place) -> None:
    quota = {"metadata": {"name": "none", "namespace": place.namespace}}
    kind = Kind("", "v1", "ResourceQuota", "resourcequotas")
    await place.client.create(NAMESPACE, {"metadata": {"name": place.namespace}})
    await place.client.create(kind, {**quota, "spec": {"hard": {"pods": "0"}}})
    await eventually(lambda: in_force(place, kind, "none"))
    await place.present()

    async def refused() -> bool:
        deployment = await place.get(DEPLOYMENT, "flotta-operator")
        conditions = (deployment.get("status") or {}).get("conditions") or []
        return any(item["type"] == "ReplicaFailure" for item in conditions)

    await eventually(refused, 60)
    with pytest.raises(InstallationError, match=r"refuses its pods.*exceeded quota"):
        await place.present(wait_timeout=2)


async def test_a_secret_that_the_user_makes_is_asked_for_and_kept(place: Place) -> None:
    own = {"device_endpoint": "https://s3.example:9000", "shared_keys": True}
    with pytest.raises(InstallationError, match="create secret generic flotta-s3-admin"):
        await place.present(s3=own)
    await place.present(s3=S3)
    await place.present(s3=own)
    assert await place.find(SECRET, "flotta-s3-admin")


async def test_maintenance_does_not_take_both_edge_apis_at_a_time(place: Place) -> None:
    await place.present()
    labels = "app.kubernetes.io/name=flotta-edge-api"

    async def ready() -> list[Object]:
        await place.report_pods(READY)
        budget = await place.get(BUDGET, "flotta-edge-api")
        allowed = (budget.get("status") or {}).get("disruptionsAllowed")
        found: list[Object] = await place.client.list(POD, place.namespace, label_selector=labels)
        return found if allowed else []

    admin = Api(place.api.kubeconfig())

    async def evict(pod: Object) -> int:
        name = {"name": pod["metadata"]["name"], "namespace": place.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
        path = POD.path(place.namespace, name["name"], "eviction")
        return int((await asyncio.to_thread(admin.post, path, body)).status)

    first, second = await eventually(ready, 60)
    assert await evict(first) == 201
    assert await evict(second) == 429


async def test_rights_in_the_storage_of_openshift_come_and_go_with_it(place: Place) -> None:
    storage = {"metadata": {"name": "openshift-storage"}}
    await place.client.create(NAMESPACE, storage)
    await place.present()
    assert titles(await place.present()) == []
    assert await place.client.get(ROLE, "flotta-edge-api", "openshift-storage")
    await on_its_way_out(place, "openshift-storage")
    await place.present()
    await place.absent()
    assert await place.ours() == []
    await gone(place, "openshift-storage")


async def test_printed_manifests_may_be_applied_by_kubectl(place: Place, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"namespace: {place.namespace}\nserver_names: [edge.example]\n")
    command = [sys.executable, "-m", "flotta.cli.flotta", "manifests", "--settings", str(settings)]
    printed = await asyncio.to_thread(subprocess.check_output, command)
    kubectl = [str(current_kubectl()), "--kubeconfig", str(place.api.kubeconfig())]
    apply = [*kubectl, "apply", "--server-side", "--force-conflicts", "--filename", "-"]
    await asyncio.to_thread(subprocess.run, apply, input=printed, check=True)
    assert titles(await place.present(server_names=["edge.example"])) == []


async def test_the_kinds_are_needed_first(kubernetes: KubernetesApi, place: Place) -> None:
    await remove_crds(place.client, check_mode=False, force=True, wait_timeout=60)
    with pytest.raises(InstallationError, match=r"run the module flotta\.edge\.crds first"):
        await place.present()
    assert (
        await place.client.list(CLUSTER_ROLE, label_selector="app.kubernetes.io/part-of=flotta")
        == []
    )
