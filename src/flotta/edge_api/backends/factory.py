"""Makes the backend that the settings name."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from flotta.edge_api.backends import BACKENDS
from flotta.edge_api.backends.backend import Backend
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.settings import Settings


class BackendPackage(Protocol):
    """The interface of a package named in `BACKENDS`."""

    async def make_backend(self, settings: Settings, metrics: EdgeApiMetrics) -> Backend:
        """Return a backend that does not run yet.

        It reads its own settings from the environment. Raises ValueError with a sentence when it
        cannot be set up with them.
        """


async def make_backend(settings: Settings, metrics: EdgeApiMetrics) -> Backend:
    """Return the backend of `settings.backend`; errors as of `BackendPackage.make_backend`."""
    # A module has no type of its own; the packages in the registry implement the protocol.
    package = cast("BackendPackage", importlib.import_module(BACKENDS[settings.backend]))
    return await package.make_backend(settings, metrics)
