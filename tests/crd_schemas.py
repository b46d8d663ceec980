"""The schemas of our custom resources, for tests that admit manifests."""

from __future__ import annotations

from functools import cache
from typing import Any

from flotta.resources import crds


@cache
def schemas_by_kind() -> dict[str, Any]:
    """Return the OpenAPI schema of each kind."""
    return {
        crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in crds.load()
    }
