"""What tests of several files take: a Kubernetes API, an Edge API, an S3 server and its link."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from device_site import DeviceFiles
from edge_site import Fleet, edge_site, fleet_of
from edge_site import Site as EdgeSite
from installation_site import Place
from operator_site import ENGINES
from s3_server import S3Server, running_s3
from shared_cluster import stop_shared_cluster
from small_edge_api import SmallEdgeApi, serving
from sync_link import Link
from sync_site import BUCKET, Site, make_site
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from flotta.identity.authority import Authority
from flotta.installation.crds import install_crds, remove_crds, render_crds
from flotta.installation.errors import InstallationError
from flotta.installation.kinds import CRD
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import EDGE_DEVICE
from plain_gateway import PlainGateway
from servers.api_server import KubernetesApi
from waiting import eventually

AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
NAMES = (f"install-{number}" for number in itertools.count())


# Files that need a Kubernetes API: those of a group share it, so one process runs them all.
INSTALLATION = ("test_installation_",)
SHARED_CLUSTER = tuple(
    f"test_{name}.py"
    for name in (
        *("any_controller", "edge_api_life", "ending_scopes", "operator"),
        *("operator_decommission", "operator_leader_election", "printer_columns"),
        *("readiness_of_workloads", "redefined_workloads", "storage_crash", "storage_openshift"),
    )
)


class ClusterScheduling(LoadFileScheduling):
    """Gives the tests of a file, or of all files that share an API server, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0].rpartition("/")[2]
        groups = (INSTALLATION, SHARED_CLUSTER)
        return next((group[0] for group in groups if file.startswith(group)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Start each kind of API server once: to start one costs more than most tests that need it."""
    return ClusterScheduling(config, log) if config.option.dist == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the deep tests what only repeats on Kubernetes what one engine shows."""
    for item in items:
        is_repeated = "kubernetes" in item.name and item.get_closest_marker("on_one_engine")
        if is_repeated and "embedded" not in item.name:
            item.add_marker("deep")


@pytest.fixture(scope="session", autouse=True)
def shared_cluster_ends() -> Iterator[None]:
    yield
    stop_shared_cluster()


@pytest.fixture(scope="session")
def bare_kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    """Return an API server that notes who asked for what, in audit.log of its folder."""
    folder = Path(tmp_path_factory.mktemp("kubernetes"))
    (folder / "audit.json").write_text(json.dumps(AUDIT))
    files = (f"--audit-policy-file={folder}/audit.json", f"--audit-log-path={folder}/audit.log")
    server = KubernetesApi(folder, files)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def kubernetes(bare_kubernetes: KubernetesApi) -> Iterator[KubernetesApi]:
    """Return the same cluster; each file of tests finds it without our kinds."""
    yield bare_kubernetes
    asyncio.run(without_kinds(bare_kubernetes))


async def without_kinds(server: KubernetesApi) -> None:
    async with await Client.connect(str(server.kubeconfig())) as client:
        await remove_crds(client, check_mode=False, force=True, wait_timeout=60)
        await eventually(lambda: has_no_kinds(client))  # foreign ones may still be on their way out


async def has_no_kinds(client: Client) -> bool:
    return await client.list(CRD) == []


@pytest.fixture
async def place(kubernetes: KubernetesApi) -> AsyncIterator[Place]:
    async with await Client.connect(str(kubernetes.kubeconfig())) as client:
        wanted = {crd["metadata"]["name"] for crd in render_crds()}
        if not wanted <= {crd["metadata"]["name"] for crd in await client.list(CRD)}:
            await install_crds(client, check_mode=False, force=True, wait_timeout=60)
        place = Place(kubernetes, client, next(NAMES))
        yield place
        with contextlib.suppress(InstallationError, NotFound):
            await place.absent(delete_data=bool(await client.list(EDGE_DEVICE)))


@pytest.fixture(scope="module", params=ENGINES)
def engine_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EdgeSite]:
    """Return a resource API and an Edge API as installed, on one engine after the other."""
    with edge_site(tmp_path_factory.mktemp("edge"), request.param) as started:
        yield started


@pytest.fixture
async def fleet(engine_site: EdgeSite) -> AsyncIterator[Fleet]:
    """Return the devices of a file of tests that does not start an Edge API of its own."""
    async with fleet_of(engine_site) as opened:
        yield opened


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[PlainGateway]:
    """Return what a worker takes for its gateway, with its socket in a folder of its own."""
    (tmp_path / "run").mkdir()
    started = PlainGateway(tmp_path / "run")
    await started.start()
    yield started
    await started.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Return the S3 server of a file of tests of synchronisation."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def site(server: S3Server, tmp_path: Path) -> Iterator[Site]:
    """Return a device beside an empty bucket of that server."""
    site = make_site(server, tmp_path / "device")
    yield site
    for key in site.bucket_keys():
        site.client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture
async def link(site: Site) -> AsyncIterator[Link]:
    """Return the way from the device of a test of synchronisation to its S3 server."""
    link = Link(site.server.endpoint)
    await link.up()
    yield link
    await link.down()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[SmallEdgeApi]:
    """Return a server in place of the Edge API, which devices join."""
    async with serving(SmallEdgeApi(Authority.create("Flotta CA")), tmp_path) as small:
        yield small


@pytest.fixture
def files(tmp_path: Path) -> DeviceFiles:
    """Return the files of a device that has none yet."""
    return DeviceFiles(tmp_path)
