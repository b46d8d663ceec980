"""Rewrites the private keys in the fleet's Secrets in the form that Flotta v0.2 reads too.

Agents and control planes of v0.2 read SEC 1 and PKCS#1 only
(docs/reference/wire-protocol.md#certificate-classes). The key itself stays the same, so no
certificate changes and every reader may be older or newer.
"""

from __future__ import annotations

import logging

from flotta.edge_api.backends.backend import (
    BackendError,
    SecretConflict,
    SecretStore,
    StoredSecret,
)
from flotta.edge_api.secret_conflicts import retry_on_secret_conflict
from flotta.identity.keys import KeyFormatError, to_traditional_pem
from flotta.own_names import CA_SECRET, HOST_SECRET

log = logging.getLogger(__name__)


async def rewrite_keys(secrets: SecretStore) -> None:
    """Rewrite the keys of the CA, of the server and of every registration certificate.

    Nothing is written for keys that have the form already. A Secret that may not be changed is
    only logged. Raises BackendError when the Secrets cannot be read.
    """
    registration = await secrets.list_registration_secrets()
    names = [(CA_SECRET, "ca.key"), (HOST_SECRET, "server.key")]
    for name, entry in names + [(secret.name, "client.key") for secret in registration]:
        await _rewrite_key(secrets, name, entry)


async def _rewrite_key(secrets: SecretStore, name: str, entry: str) -> None:
    async def change() -> None:
        secret = await secrets.read(name)
        rewritten = _rewritten_data(secret, entry) if secret else None
        if secret is None or rewritten is None:
            return
        try:
            await secrets.replace(secret, rewritten)
        except SecretConflict:
            raise
        except BackendError as error:
            _log_refused(name, error)
        else:
            log.info("Secret %s has its key as SEC 1 or PKCS#1 now; it is the same key", name)

    try:
        await retry_on_secret_conflict(change)
    except SecretConflict as error:
        _log_refused(name, error)


def _log_refused(name: str, error: BackendError) -> None:
    log.warning("The key in Secret %s stays PKCS#8, which Flotta v0.2 cannot read: %s", name, error)


def _rewritten_data(secret: StoredSecret, entry: str) -> dict[str, bytes] | None:
    """Return the data of a Secret with its key rewritten, None when there is nothing to do."""
    pem = secret.data.get(entry, b"")
    try:
        rewritten = to_traditional_pem(pem)
    except KeyFormatError:  # who uses the key says so
        return None
    return None if rewritten == pem else {**secret.data, entry: rewritten}
