"""Both stores in the resource API, for a backend whose devices are elsewhere."""

from __future__ import annotations

import asyncio
from typing import Self

from flotta.edge_api.backends.authority_store import LeftBehind
from flotta.edge_api.backends.resource_api.authority import ConfigMapAuthority
from flotta.edge_api.backends.resource_api.secrets import Secrets
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP, SECRET


class ResourceApiStores:
    """Secrets and ConfigMaps of one namespace, the only objects that are looked at."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._watched_secrets = Cache(client, SECRET, namespace)
        self._watched_maps = Cache(client, CONFIG_MAP, namespace)
        self.secrets = Secrets(client, namespace, self._watched_secrets)
        self.authority = ConfigMapAuthority(client, namespace, self._watched_maps, _count_nobody)

    @classmethod
    async def connect(cls, namespace: str) -> Self:
        """Return the stores of the API server of `$KUBECONFIG`, else of the pod's service account.

        Raises ValueError with a sentence when neither gives a configuration.
        """
        return cls(await Client.connect(), namespace)

    async def run(self) -> None:
        """Tell of changes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watched_secrets.run())
            group.create_task(self._watched_maps.run())

    async def close(self) -> None:
        """End the connections to the API server."""
        await self._client.close()


async def _count_nobody(authority: str) -> LeftBehind:
    """Return that nobody knows: the devices are in a store that says nothing about it."""
    return LeftBehind(is_uncounted=True)
