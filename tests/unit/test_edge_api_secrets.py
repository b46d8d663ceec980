"""Secrets of the Edge API whose values another writer changed."""

from __future__ import annotations

from typing import Any

from flotta.edge_api.backends.resource_api.secrets import Secrets
from flotta.resources.cache import Cache
from flotta.resources.client import Client
from flotta.resources.kinds import SECRET


class OneSecret(Client):
    """Has one Secret."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._secret = {"metadata": {"name": "s", "resourceVersion": "1"}, "data": data}

    async def get(self, *_: Any) -> Any:
        return self._secret


async def test_a_value_that_is_not_base64_hides_no_other() -> None:
    client = OneSecret({"server.crt": "YQ==", "note": None, "readme": "abc", "name": "é"})
    found = await Secrets(client, "flotta", Cache(client, SECRET)).read("s")
    assert found is not None
    assert found.data == {"server.crt": b"a"}
