"""A site as a user meets it: kubectl, S3, SSH and podman. Nothing here imports the product."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.control_plane import Cluster
from e2e.machines import engine, folder
from e2e.site import RemoteSite, Site, open_site

ROOT = Path(__file__).resolve().parents[2]
ENGINE = engine(folder(ROOT))
# Tests of one engine have its name.
collect_ignore_glob = [
    f"test_{part}{name}_*"
    for name in ("embedded", "kubernetes", "remote")
    for part in ("", "zz_")
    if name != ENGINE
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Kubernetes, run tests for which one engine is enough only if deep tests are selected.

    With a data store, run those that say that they ask nothing of a resource API.
    """
    for item in items:
        if ENGINE == "kubernetes" and item.get_closest_marker("on_one_engine"):
            item.add_marker("deep")
    if ENGINE == "remote":
        items[:] = [item for item in items if item.get_closest_marker("on_any_store")]


@pytest.fixture(scope="session")
def site() -> Site:
    """Return the site that `make site` left running in this checkout, or that FLOTTA_SITE names."""
    if not any(folder(ROOT).glob("hosts/*.address")):
        pytest.fail(f"no site runs in {folder(ROOT).name}; run `make site` first")
    return open_site(ROOT)


@pytest.fixture(scope="session")
def remote_site(site: Site) -> RemoteSite:
    """Return a site with a data store."""
    assert isinstance(site, RemoteSite)
    return site


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
