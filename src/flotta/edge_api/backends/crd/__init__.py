"""The backend on the resource API: EdgeDevice and its kin, served from caches that watches fill."""

from __future__ import annotations

from flotta.edge_api.backends.backend import Backend
from flotta.edge_api.backends.crd.backend import CrdBackend
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.settings import Settings
from flotta.resources.client import Client

__all__ = ["make_backend"]


async def make_backend(settings: Settings, metrics: EdgeApiMetrics) -> Backend:
    """Return the backend on the API server of `$KUBECONFIG`, else of the pod's service account.

    Raises ValueError with a sentence when neither gives a configuration.
    """
    return CrdBackend(await Client.connect(), settings, metrics)
