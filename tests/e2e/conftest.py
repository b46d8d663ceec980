"""The local site as a user meets it: kubectl, S3, SSH and podman. Nothing here imports the product."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .site import Site

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site() -> Site:
    """The site that ``make site`` left running in this checkout."""
    if not (ROOT / ".site" / "kubeconfig").exists():
        pytest.fail("no local site is running here; run `make site` first")
    return Site(ROOT)


@pytest.fixture(autouse=True)
def journals_of_a_failed_test(request: pytest.FixtureRequest, site: Site) -> Iterator[None]:
    """Print what the hosts logged during a test that failed."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        sys.stdout.write(site.journals())
