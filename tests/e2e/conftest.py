"""A site as a user meets it: kubectl, S3, SSH and podman. Nothing here imports the product."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.control_plane import Cluster
from e2e.machines import folder
from e2e.site import Site

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = (folder(ROOT) / "hosts/node.address").exists()
collect_ignore_glob = (
    ["test_embedded_*"] if KUBERNETES else ["test_kubernetes_*", "test_zz_kubernetes_*"]
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Kubernetes, run tests for which one engine is enough only if deep tests are selected."""
    for item in items:
        if KUBERNETES and item.get_closest_marker("on_one_engine"):
            item.add_marker("deep")


@pytest.fixture(scope="session")
def site() -> Site:
    """Return the site that `make site` left running in this checkout, or that FLOTTA_SITE names."""
    if not (folder(ROOT) / "kubeconfig").exists():
        pytest.fail(f"no site runs in {folder(ROOT).name}; run `make site` first")
    return Site(ROOT)


@pytest.fixture(scope="session")
def cluster(site: Site) -> Cluster:
    """Return the control plane of a site on Kubernetes."""
    assert isinstance(site.control_plane, Cluster)
    return site.control_plane


@pytest.fixture(autouse=True)
def journals_of_a_failed_test(request: pytest.FixtureRequest, site: Site) -> Iterator[None]:
    """Print what the hosts logged during a test that failed."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        sys.stdout.write(site.journals())
