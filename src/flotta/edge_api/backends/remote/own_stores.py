"""Where an Edge API with a remote data store keeps its certificates: a directory, or Secrets."""

from __future__ import annotations

from typing import Protocol

from flotta.edge_api.backends.authority_store import AuthorityStore
from flotta.edge_api.backends.backend import SecretStore
from flotta.edge_api.settings import Settings


class OwnStores(Protocol):
    """What both places have."""

    @property
    def secrets(self) -> SecretStore:
        """The secrets of the fleet's servers."""

    @property
    def authority(self) -> AuthorityStore:
        """What administrators ask of the fleet's CA."""

    async def run(self) -> None:
        """Tell of changes until cancelled."""

    async def close(self) -> None:
        """End connections."""


async def open_stores(settings: Settings) -> OwnStores:
    """Return the directory of the settings, else Secrets of the resource API.

    Raises ValueError with a sentence when there is no configuration for that.
    """
    # Imported when it is chosen: the libraries of the resource API take memory and time.
    if settings.certificates_dir is not None:
        from flotta.edge_api.backends.files.stores import Files  # noqa: PLC0415

        return Files(settings.certificates_dir)
    from flotta.edge_api.backends.resource_api.stores import ResourceApiStores  # noqa: PLC0415

    try:
        return await ResourceApiStores.connect(settings.namespace)
    except ValueError as error:
        raise ValueError(
            f"{error}. Without a resource API, set CERTIFICATES_DIR to a directory for the "
            "certificates of the Edge API"
        ) from error
