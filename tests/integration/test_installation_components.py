"""Parts of a control plane on a real Kubernetes API, each without the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from edge_site import free_port, process
from installation_site import S3, Place, add_data, titles

from flotta.cli.registration import Batches
from flotta.edge_api.settings import Settings as EdgeApiSettings
from flotta.identity.authority import Authority
from flotta.installation.crds import remove_crds
from flotta.installation.errors import InstallationError
from flotta.installation.kinds import CLUSTER_ROLE, DEPLOYMENT, ROLE
from flotta.installation.uninstall import uninstall
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, NAMESPACE, SECRET
from servers.api_server import KubernetesApi

CA = Authority.create("CA of the store").certificate_pem.decode()

EDGE_API = {"components": ["edge_api"]}
OPERATOR = {"components": ["operator"]}


async def test_parts_that_are_installed_one_by_one_are_the_whole(place: Place) -> None:
    given = {"s3": S3, "network_policy": {}}
    async with place.kubelet():
        first = await place.present(wait_timeout=60, **EDGE_API, **given)
        assert not any("operator" in title for title in titles(first))
        assert first.endpoint
        second = await place.present(wait_timeout=60, **OPERATOR, **given)
        assert not any("edge-api" in title for title in titles(second))
        assert (second.endpoint, second.server_names) == ("", ())
        assert titles(await place.present(wait_timeout=60, **given)) == []


async def test_a_part_is_uninstalled_without_the_other(place: Place) -> None:
    given = {"s3": S3, "network_policy": {}}
    await place.present(**given)
    whole = set(await place.ours())
    outcome = await place.absent(components=("operator",))
    assert titles(await place.present(check_mode=True, **EDGE_API, **given)) == []
    assert titles(await place.absent(components=("operator",))) == []
    await place.present(**OPERATOR, **given)
    assert set(await place.ours()) == whole
    await place.absent(components=("edge_api",))
    assert titles(await place.present(check_mode=True, **OPERATOR, **given)) == []
    assert not any("edge-api" in title for title in titles(outcome))
    await place.absent(components=("operator",), wait_timeout=60)
    assert await place.ours() == []
    left = [item["metadata"]["name"] for item in await place.client.list(NAMESPACE)]
    assert place.namespace not in left


async def test_each_part_takes_its_own_data_with_it(place: Place) -> None:
    await place.present()
    await add_data(place)
    await place.absent(components=("edge_api",), delete_data=True, wait_timeout=0)
    assert await place.find(SECRET, "flotta-ca") is None
    assert await place.client.get(EDGE_DEVICE, "till-1", "default")
    assert await place.find(DEPLOYMENT, "flotta-operator")
    await place.absent(components=("operator",), delete_data=True)
    assert await place.client.list(EDGE_DEVICE) == []


STORE = {"backend": "remote", "remote_backend_url": "https://store.example:8443", **EDGE_API}
# An Edge API has these for its certificates, and a user may have created Secrets for it.
IN_ITS_NAMESPACE = {
    "secrets": {"get", "list", "watch", "create", "update", "delete"},
    "configmaps": {"get", "list", "watch", "create", "patch", "delete"},
}


@pytest.fixture
async def bare_place(bare_kubernetes: KubernetesApi) -> AsyncIterator[Place]:
    """Return a namespace of a cluster that has no kinds of ours."""
    async with await Client.connect(str(bare_kubernetes.kubeconfig())) as client:
        await remove_crds(client, check_mode=False, force=True, wait_timeout=60)
        yield Place(bare_kubernetes, client, "alone")
        await uninstall(client, "alone", delete_data=False, check_mode=False, wait_timeout=60)


async def test_an_edge_api_with_a_store_of_its_own_needs_neither_our_kinds_nor_the_cluster(
    bare_place: Place,
) -> None:
    place = bare_place
    given = {**STORE, "remote_backend_ca_pem": CA, "remote_backend_timeout": "500ms"}
    async with place.kubelet():
        first = await place.present(wait_timeout=60, **given)
        assert titles(await place.present(wait_timeout=60, **given)) == []
    assert first.warnings == []
    assert await place.ours() == [
        "Deployment flotta-edge-api",
        "PodDisruptionBudget flotta-edge-api",
        "Service flotta-edge-api",
        "ConfigMap flotta-edge-api-config",
        "ConfigMap flotta-remote-backend-ca",
        "RoleBinding flotta-edge-api",
        "Role flotta-edge-api",
        "ServiceAccount flotta-edge-api",
    ]
    role = await place.get(ROLE, "flotta-edge-api")
    found = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
    assert found == IN_ITS_NAMESPACE
    settings = (await place.get(CONFIG_MAP, "flotta-edge-api-config"))["data"]
    assert settings["REMOTE_BACKEND_URL"] == "https://store.example:8443"
    read = EdgeApiSettings.from_environment(settings)
    assert read.remote is not None
    assert (read.backend, read.remote.timeout) == ("remote", 0.5)
    pod = (await place.get(DEPLOYMENT, "flotta-edge-api"))["spec"]["template"]["spec"]
    assert read.remote.ca_file == Path("/etc/flotta/remote-backend/ca.crt")
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts["store"] == "/etc/flotta/remote-backend"
    without = await place.present(**STORE)
    assert f"ConfigMap {place.namespace}/flotta-remote-backend-ca" in titles(without)
    outcome = await place.absent(components=("edge_api",), wait_timeout=60)
    assert (await place.ours(), outcome.kept) == ([], [])


async def test_a_store_of_its_own_takes_the_rights_for_the_fleet_away(place: Place) -> None:
    await place.present(**EDGE_API)
    assert await place.client.get_or_none(CLUSTER_ROLE, "flotta-edge-api")
    await place.present(**STORE)
    assert await place.client.get_or_none(CLUSTER_ROLE, "flotta-edge-api") is None
    assert not any("Admission" in title for title in await place.ours())


async def test_several_edge_apis_with_stores_stand_beside_one_control_plane(place: Place) -> None:
    beside = Place(place.api, place.client, f"{place.namespace}-beside")
    await place.present()
    whole = await place.ours()
    given = {**STORE, "service_type": "ClusterIP"}
    await beside.present(**given)
    await beside.present(**given, edge_api_replicas=1)
    with pytest.raises(InstallationError, match=f"installed in namespace {place.namespace},"):
        await beside.present(components=["edge_api"])
    await add_data(place)
    for check_mode in (True, False):
        with pytest.raises(
            InstallationError, match=f"control plane in namespace {place.namespace},"
        ):
            await beside.absent(delete_data=True, check_mode=check_mode)
    assert (await place.client.get(EDGE_DEVICE, "till-1", "default"))["metadata"]["finalizers"]
    outcome = await beside.absent(wait_timeout=60)
    assert (await place.ours(), outcome.kept) == (whole, [])


async def test_an_edge_api_with_a_store_takes_no_fleet_with_it_that_another_left(
    place: Place,
) -> None:
    await place.present(**STORE)
    await add_data(place)
    with pytest.raises(InstallationError, match=r"not its own.*set components to \[edge_api\]"):
        await place.absent(delete_data=True)
    await place.absent(components=("edge_api",), delete_data=True)
    assert await place.client.get(EDGE_DEVICE, "till-1", "default")


async def test_an_operator_does_not_take_the_fleet_of_an_edge_api_that_stays(place: Place) -> None:
    await place.present()
    await add_data(place)
    with pytest.raises(InstallationError, match="serves the devices and workloads"):
        await place.absent(components=("operator",), delete_data=True)
    assert await place.find(DEPLOYMENT, "flotta-operator")
    assert await place.client.get(EDGE_DEVICE, "till-1", "default")


async def test_its_rights_are_enough_for_certificates_and_batches(
    bare_place: Place, tmp_path: Path
) -> None:
    place, log = bare_place, tmp_path / "edge-api.log"
    await place.present(**STORE, server_names=["127.0.0.1"])
    account = f"system:serviceaccount:{place.namespace}:flotta-edge-api"
    environment = {
        **(await place.get(CONFIG_MAP, "flotta-edge-api-config"))["data"],
        "FLOTTA_NAMESPACE": place.namespace,
        "KUBECONFIG": str(place.api.kubeconfig(account)),
        "REMOTE_BACKEND_URL": f"https://127.0.0.1:{free_port()}",
        "BIND_ADDRESS": "127.0.0.1",
        "HTTPS_PORT": str(free_port()),
        "METRICS_ADDR": f"127.0.0.1:{free_port()}",
    }
    with process(log, environment, "flotta.cli.edge_api"):
        batches = Batches(place.client, place.namespace)
        await batches.create("spring", {"namespaces": ["default"]})
        assert (await batches.wait_issued("spring", 30, 0.1)).certificate
        client = (await place.get(SECRET, "flotta-host-certificate"))["data"]
        assert {"client.crt", "client.key"} <= set(client)
        assert await place.find(CONFIG_MAP, "flotta-certificates")
    assert "forbidden" not in log.read_text().lower()
    outcome = await place.absent(components=("edge_api",), delete_data=True, wait_timeout=60)
    assert outcome.kept == []
