"""The two engines to test against, each started once: the embedded one and a real Kubernetes API.

Tests that use `api`, `kubeconfig`, `kubectl` or `namespace` run on both. Tests of what only the
embedded engine has (files, crashes) use `embedded` or, if they stop or kill it, `own_engine`.

Both must agree in everything on which clients act: status codes, `reason` and `details` with the
fields of its causes. Messages differ; a test reads one only where nothing else names a field, a
manager or a permission, and then only looks for that name.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from contract.api import Api
from contract.cluster import Cluster
from contract.engine import Engine
from contract.kubectl import Kubectl, current_kubectl, debian_kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the oldest kubectl against Kubernetes: they prove little about flotta."""
    for item in items:
        given = getattr(item, "callspec", None)
        if given and {"engine": "kubernetes", "kubectl": "debian"}.items() <= given.params.items():
            item.add_marker(pytest.mark.deep)


class Server(Protocol):
    """What tests need of either engine."""

    def kubeconfig(self, user: str, groups: Sequence[str] | None = None) -> Path:
        """Return a kubeconfig of a user; `admin`, `operator` and `edge-api` need no groups."""


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return the embedded engine."""
    engine = Engine(tmp_path_factory.mktemp("engine"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a real Kubernetes API."""
    cluster = Cluster(tmp_path_factory.mktemp("kubernetes"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session", params=["embedded", "kubernetes"])
def engine(request: pytest.FixtureRequest) -> Server:
    """Return the engine under test."""
    name = {"embedded": "embedded", "kubernetes": "cluster"}[request.param]
    server: Server = request.getfixturevalue(name)
    return server


@pytest.fixture(scope="session")
def kubeconfig(engine: Server) -> Path:
    """Return an administrator's kubeconfig."""
    return engine.kubeconfig("admin")


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """Return an embedded engine that the test may stop, kill and reconfigure."""
    engine = Engine(tmp_path)
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Api:
    """Raw HTTP as administrator."""
    return Api(kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """Return a new namespace."""
    name = f"test-{time.time_ns():x}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session", params=["current", "debian"])
def kubectl(
    request: pytest.FixtureRequest, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """Return the current kubectl, and 1.20 of Debian 12."""
    find = current_kubectl if request.param == "current" else debian_kubectl
    return Kubectl(find(), kubeconfig, tmp_path_factory.mktemp("kubectl"))


@pytest.fixture(scope="session")
def new_kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(current_kubectl(), kubeconfig, tmp_path_factory.mktemp("kubectl"))
