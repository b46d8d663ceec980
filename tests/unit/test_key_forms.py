"""Keys in Secrets that several servers rewrite at once."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from flotta.edge_api.backends.backend import SecretConflict, StoredSecret
from flotta.edge_api.key_forms import rewrite_keys
from flotta.edge_api.refusals import Refusal
from flotta.identity.keys import key_to_pem, new_key
from flotta.own_names import HOST_SECRET
from pkcs8 import to_pkcs8

CONFLICT = Refusal(503, "it was changed", reason="Conflict")


class SlowStore:
    """Refuses a write because of another one, which nobody can read before some more attempts."""

    def __init__(self, attempts: int) -> None:
        self.key = key_to_pem(new_key())
        self.left = attempts

    async def read(self, name: str) -> StoredSecret | None:
        if name != HOST_SECRET:
            return None
        key = to_pkcs8(self.key) if self.left else self.key
        return StoredSecret(name, {"server.key": key}, "1")

    async def replace(self, secret: StoredSecret, data: Mapping[str, bytes]) -> None:
        self.left -= 1
        raise SecretConflict("it was changed", CONFLICT)

    async def list_registration_secrets(self) -> list[StoredSecret]:
        return []


@pytest.mark.looptime(start=time.monotonic)
async def test_a_rewriting_waits_until_that_of_another_server_can_be_read() -> None:
    store = SlowStore(attempts=10)
    await rewrite_keys(store)  # type: ignore[arg-type]
    assert store.left == 0
