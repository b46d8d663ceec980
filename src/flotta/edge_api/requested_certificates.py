"""Issues what secrets ask for: certificates of registration batches, and of other servers.

Each server does so, by the version of the secret that it read: the first one wins, and the others
find nothing to do. Whatever a secret says, it keeps no other batch from its certificate, and no
server from its start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from flotta.backoff import Backoff
from flotta.edge_api.backends.backend import SecretStore, StoredSecret
from flotta.edge_api.batch_plans import plan_batch
from flotta.edge_api.secret_changes import SecretChange
from flotta.edge_api.secret_conflicts import retry_on_secret_conflict
from flotta.edge_api.server_request_plans import plan_server_request
from flotta.identity.authority import Authority
from flotta.own_names import OWN_BATCH_PREFIX

RETRY = 1.0, 60.0  # first and longest seconds until a secret that failed is tried again
# Seconds for which a batch has to have ended long ago until it is removed: so long no clock that is
# set right stays wrong.
REMOVAL_DELAY = 86_400.0
log = logging.getLogger(__name__)


class RequestedCertificates:
    """Keeps the secrets of registration batches and of other servers as they ask for it.

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
        self._retries: dict[str, Backoff] = {}  # by name, of those that failed
        self._ended: dict[str, float] = {}  # by name, since when it could be removed; monotonic

    def note(self, name: str) -> None:
        """Look at a secret that was created, changed or deleted."""
        self._changed.add(name)
        self._wanted.set()

    async def run(self) -> None:
        """Look at what is noted until cancelled; what cannot be done is tried again."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            names, self._changed = self._changed, set()
            for name in sorted(names):
                await self.keep(name)

    async def keep_all(self) -> None:
        """Look at every secret that asks; raises BackendError when they cannot be listed.

        What is wrong with the server's own batches is mended when this returns, the rest by `run`:
        a fleet may have a batch for each device, and all get a new certificate with a new CA.
        """
        authority = await self._read_authority()
        registering = await self._secrets.list_registration_secrets()
        for secret in [*registering, *await self._secrets.list_server_requests()]:
            await asyncio.sleep(0)  # thousands of signatures; devices are served in between
            if not _has_work(secret, authority):
                continue
            if secret.name.startswith(OWN_BATCH_PREFIX):
                await self.keep(secret.name)
            else:
                self.note(secret.name)

    async def keep(self, name: str) -> None:
        """Look at a secret now; what fails is logged, and tried again by `run`."""
        try:
            await retry_on_secret_conflict(lambda: self._keep(name))
        except Exception as error:  # one of many: the others must be issued
            log.warning("The certificate in Secret %s could not be kept: %r", name, error)
            delay = self._retries.setdefault(name, Backoff(*RETRY)).next()
            asyncio.get_running_loop().call_later(delay, self.note, name)
        else:
            self._retries.pop(name, None)

    async def _keep(self, name: str) -> None:
        secret = await self._secrets.read(name)
        change = None
        if secret is not None and (secret.registers or secret.serves):
            change = _plan(secret, await self._read_authority())
        if change is None or change.data is not None:
            self._ended.pop(name, None)
        if secret is not None and change is not None:
            await self._carry_out(secret, change)

    async def _carry_out(self, secret: StoredSecret, change: SecretChange) -> None:
        if change.data is None:
            now = time.monotonic()
            if now - self._ended.setdefault(secret.name, now) < REMOVAL_DELAY:
                return  # `keep_all` comes back to it
            await self._secrets.remove(secret)
            log.info("Registration batch %s ended long ago and was removed", secret.name)
            return
        await self._secrets.replace(secret, change.data, problem=change.problem)
        what = "Registration batch" if secret.registers else "The certificate for other servers"
        if change.problem:
            log.warning("%s %s: %s", what, secret.name, change.problem)
        else:
            log.info("%s %s is up to date", what, secret.name)


def _plan(secret: StoredSecret, authority: Authority) -> SecretChange | None:
    plan = plan_batch if secret.registers else plan_server_request
    return plan(secret, authority, datetime.now(UTC))


def _has_work(secret: StoredSecret, authority: Authority) -> bool:
    try:
        return _plan(secret, authority) is not None
    except Exception:  # of whatever it says: the attempt logs it
        return True
