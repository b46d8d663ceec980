"""A resource API to test against: the real server as a process, or any other engine by a kubeconfig.

`FLOTTA_CONTRACT_KUBECONFIG` names the kubeconfig of a running Kubernetes with our CRDs; without it the
embedded engine is started. Tests of things that only we have (files, crashes, roles) take the fixture
`embedded` and are skipped elsewhere.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .api import Api
from .engine import Engine
from .kubectl import Kubectl, current_kubectl, debian_kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def embedded_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("engine"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """An administrator's kubeconfig of the engine under test."""
    given = os.environ.get("FLOTTA_CONTRACT_KUBECONFIG")
    if given:
        return Path(given)
    engine: Engine = request.getfixturevalue("embedded_engine")
    return engine.kubeconfig("admin")


@pytest.fixture(scope="session")
def embedded(embedded_engine: Engine) -> Engine:
    if os.environ.get("FLOTTA_CONTRACT_KUBECONFIG"):
        pytest.skip("this is about the embedded engine alone")
    return embedded_engine


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that the test may stop, kill and reconfigure."""
    engine = Engine(tmp_path)
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Api:
    """Raw HTTP as administrator."""
    return Api(kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A fresh namespace."""
    name = f"test-{time.time_ns():x}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session", params=["current", "debian"])
def kubectl(
    request: pytest.FixtureRequest, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """kubectl as installed, and the 1.20 of Debian 12."""
    find = current_kubectl if request.param == "current" else debian_kubectl
    return Kubectl(find(), kubeconfig, tmp_path_factory.mktemp("kubectl"))


@pytest.fixture(scope="session")
def new_kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(current_kubectl(), kubeconfig, tmp_path_factory.mktemp("kubectl"))
