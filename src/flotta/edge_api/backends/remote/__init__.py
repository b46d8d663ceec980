"""The backend whose devices are in a data store of somebody else.

The store speaks the Edge Configuration API (docs/reference/configuration-api.md).
"""

from __future__ import annotations

import logging

from flotta.edge_api.backends.backend import Backend
from flotta.edge_api.backends.remote.backend import RemoteBackend
from flotta.edge_api.backends.remote.own_stores import open_stores
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.settings import Settings
from flotta.protocol.store_url import is_exposed

__all__ = ["make_backend"]
log = logging.getLogger(__name__)


async def make_backend(settings: Settings, metrics: EdgeApiMetrics) -> Backend:
    """Return a backend that does not run yet, on the store that the settings name.

    Raises ValueError with a sentence when there is no place for the server's certificates.
    """
    if settings.remote is None:  # `Settings.from_environment` requires it
        raise ValueError("REMOTE_BACKEND_URL is not set")
    if is_exposed(settings.remote.url):
        log.warning(
            "REMOTE_BACKEND_URL is %s: whoever is on the way to the data store reads the Secrets "
            "of devices, decides what they run, and can tell them to go; use https",
            settings.remote.url,
        )
    return RemoteBackend(settings.remote, await open_stores(settings), metrics)
