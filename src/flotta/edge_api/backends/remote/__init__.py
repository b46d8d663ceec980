"""The backend whose devices are in a data store of somebody else.

The store speaks the Edge Configuration API (docs/reference/configuration-api.md).
"""

from __future__ import annotations

from flotta.edge_api.backends.backend import Backend
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.settings import Settings


async def make_backend(settings: Settings, metrics: EdgeApiMetrics) -> Backend:
    """Return a backend that does not run yet."""
    raise ValueError("BACKEND is 'remote', which this build does not have yet; use crd")
