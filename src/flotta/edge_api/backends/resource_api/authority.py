"""Requests about the fleet's CA, and its public certificates, in ConfigMaps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from flotta.edge_api.backends.authority_store import LeftBehind
from flotta.edge_api.backends.resource_api.errors import translate_api_errors
from flotta.fleet.rollover import answer_data, read_request
from flotta.identity.rollover import RolloverAnswer, RolloverRequest
from flotta.own_names import CERTIFICATES_CONFIG_MAP, EDGE_API, ROLLOVER_CONFIG_MAP
from flotta.protocol.reasons.reason import Code
from flotta.resources.cache import Cache
from flotta.resources.changes import as_read
from flotta.resources.client import AlreadyExists, Client, Conflict, NotFound
from flotta.resources.kinds import CONFIG_MAP, SECRET
from flotta.resources.objects.core import ConfigMap
from flotta.resources.views import name_of, namespace_of


class ConfigMapAuthority:
    """An AuthorityStore. It reads from the API itself; `watched` only reports changes.

    Where devices are stored is not its business: `search` is `find_left_behind`.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        watched: Cache[ConfigMap],
        search: Callable[[str], Awaitable[LeftBehind]],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._watched = watched
        self._search = search

    @translate_api_errors
    async def read_request(self) -> RolloverRequest | None:
        """Return the request that has no answer yet."""
        return read_request(await self._read(ROLLOVER_CONFIG_MAP))

    @translate_api_errors
    async def answer(self, request: RolloverRequest, answer: RolloverAnswer) -> None:
        """Write the answer, unless another server did, or there is another request."""
        found = await self._read(ROLLOVER_CONFIG_MAP)
        if found is None or read_request(found) != request:
            return
        patch = as_read({"data": answer_data(request, answer)}, found)
        with suppress(Conflict, NotFound):
            await self._client.merge_patch(CONFIG_MAP, name_of(found), self._namespace, patch)

    @translate_api_errors
    async def find_left_behind(self, authority: str) -> LeftBehind:
        """Return who may need another CA than this one, as of now."""
        return await self._search(authority)

    @translate_api_errors
    async def publish(self, certificates: Mapping[str, str]) -> None:
        """Write the certificates if they differ from those that are published."""
        found = await self._read(CERTIFICATES_CONFIG_MAP)
        if found is not None and (found.get("data") or {}) == certificates:
            return
        if found is not None:
            gone = dict.fromkeys(set(found.get("data") or {}) - set(certificates))
            patch = {"data": {**gone, **certificates}}
            await self._client.merge_patch(CONFIG_MAP, name_of(found), self._namespace, patch)
            return
        new: ConfigMap = {
            "metadata": {"name": CERTIFICATES_CONFIG_MAP, "namespace": self._namespace},
            "data": dict(certificates),
        }
        with suppress(AlreadyExists):  # another replica publishes the same
            await self._client.create(CONFIG_MAP, new)

    @translate_api_errors
    async def warn(self, secret: str, code: Code, sentence: str) -> None:
        """Write an Event about a Secret."""
        found = await self._client.get_or_none(SECRET, secret, self._namespace)
        if found is not None:
            await self._client.record_event(
                found,
                kind=SECRET,
                type_="Warning",
                reason=code,
                message=sentence,
                component=EDGE_API,
            )

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call `changed` when the watch reports the ConfigMap of requests."""

        def config_map_changed(_: ConfigMap | None, new: ConfigMap | None) -> None:
            if new and (namespace_of(new), name_of(new)) == (self._namespace, ROLLOVER_CONFIG_MAP):
                changed()

        self._watched.subscribe(config_map_changed)

    async def _read(self, name: str) -> ConfigMap | None:
        return await self._client.get_or_none(CONFIG_MAP, name, self._namespace)
