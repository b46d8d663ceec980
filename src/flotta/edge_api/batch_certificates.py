"""Issues the certificates of registration batches, and ends what has ended.

Each server does so, by the version of the secret that it read: the first one wins, and the others
find nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from flotta.backoff import Backoff
from flotta.edge_api.backends.backend import BackendError, SecretStore, StoredSecret
from flotta.edge_api.batch_plans import BatchChange, plan_batch
from flotta.edge_api.secret_conflicts import retry_on_secret_conflict
from flotta.identity.authority import Authority
from flotta.identity.errors import IdentityError
from flotta.own_names import REGISTRATION_LABEL

OWN_PREFIX = f"{REGISTRATION_LABEL}-"  # of the names that `name_registration_secret` makes
RETRY = 1.0, 60.0  # first and longest seconds until a batch that failed is tried again
log = logging.getLogger(__name__)


class BatchCertificates:
    """Keeps the secrets of registration batches as their specifications want them.

    `read_authority` reads the CA from the store: a server that knows a former one alone would
    issue against the others.
    """

    def __init__(
        self, secrets: SecretStore, read_authority: Callable[[], Awaitable[Authority]]
    ) -> None:
        self._secrets = secrets
        self._read_authority = read_authority
        self._changed: set[str] = set()
        self._wanted = asyncio.Event()

    def note(self, name: str) -> None:
        """Look at a secret that was created, changed or deleted."""
        self._changed.add(name)
        self._wanted.set()

    async def run(self) -> None:
        """Look at what is noted until cancelled; what cannot be done is tried again."""
        backoff = Backoff(*RETRY)
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            names, self._changed = self._changed, set()
            failed = {name for name in names if not await self._attempt(name)}
            if failed:
                await asyncio.sleep(backoff.next())
                for name in failed:
                    self.note(name)
            else:
                backoff.reset()

    async def keep_all(self) -> None:
        """Look at every batch; raises BackendError when they cannot be listed.

        What is wrong with the server's own batches is mended when this returns, the rest by `run`:
        a fleet may have a batch for each device, and all get a new certificate with a new CA.
        """
        authority = await self._read_authority()
        for secret in await self._secrets.list_registration_secrets():
            await asyncio.sleep(0)  # thousands of signatures; devices are served in between
            if plan_batch(secret, authority, datetime.now(UTC)) is None:
                continue
            if secret.name.startswith(OWN_PREFIX):
                await self._attempt(secret.name)
            else:
                self.note(secret.name)

    async def _attempt(self, name: str) -> bool:
        try:
            await retry_on_secret_conflict(lambda: self._keep(name))
        except (BackendError, IdentityError) as error:
            log.warning("Registration batch %s could not be kept: %s", name, error)
            return False
        return True

    async def _keep(self, name: str) -> None:
        secret = await self._secrets.read(name)
        if secret is None or not secret.registers:
            return
        change = plan_batch(secret, await self._read_authority(), datetime.now(UTC))
        if change is not None:
            await self._carry_out(secret, change)

    async def _carry_out(self, secret: StoredSecret, change: BatchChange) -> None:
        if change.data is None:
            await self._secrets.remove(secret)
            log.info("Registration batch %s ended long ago and was removed", secret.name)
            return
        await self._secrets.replace(secret, change.data, problem=change.problem)
        if change.problem:
            log.warning("Registration batch %s: %s", secret.name, change.problem)
        else:
            log.info("Registration batch %s is up to date", secret.name)
