"""The rollover of the fleet's CA, asked for by an administrator and carried out by any replica.

The order of the steps, each of which can be repeated:

1. Roll: the CA that leaves issues the server certificate once more, so that agents that know no
   other CA have the longest time.
2. Roll: one write of the Secret makes the new CA the one that issues, with both trusted, and notes
   which one is the former.
3. Finish: one write of the Secret takes that one out, and no other. `Certificates` then issues the
   server certificate again, and the cross certificate beside it vouches for the new CA. Devices
   whose certificate is older are asked to renew once more: with it they forget the former CA.

Replicas that work on one request meet at the version of the Secret. The Secret names the request
that it was written for, so a repeat after an interruption finds that its work is done.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from flotta.edge_api.backends.authority_store import AuthorityStore
from flotta.edge_api.backends.backend import SecretStore, StoredSecret
from flotta.edge_api.left_behind import describe_left_behind, name_left_behind
from flotta.edge_api.secret_conflicts import retry_on_secret_conflict
from flotta.edge_api.settings import Settings
from flotta.edge_api.stored_authority import (
    CROSS,
    FINISHED,
    FORMER,
    REQUEST,
    StoredAuthority,
    read_authority,
)
from flotta.identity.authority import Authority
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by
from flotta.identity.lifetime import load_certificate
from flotta.identity.rollover import (
    ROLL,
    RolloverAnswer,
    RolloverRequest,
    is_of_fleet,
    succeed,
)
from flotta.own_names import CA_SECRET, HOST_SECRET
from flotta.printable_text import printable
from flotta.protocol.reasons.authority import CA_ROLLOVER_REFUSED, FORMER_CA_IN_USE
from flotta.protocol.reasons.reason import with_code
from flotta.rfc3339 import format_time

FRESH = timedelta(hours=1)  # age of a server certificate that is not issued once more
ROLLED = (
    "A new CA issues certificates, and both CAs are trusted. Devices renew by themselves; when all "
    "have: flotta certificates finish-ca"
)
AUTHOR_LENGTH = 128  # characters in the log
log = logging.getLogger(__name__)


class Rollover:
    """Carries out requests."""

    def __init__(self, secrets: SecretStore, store: AuthorityStore, settings: Settings) -> None:
        self._secrets = secrets
        self._store = store
        self._names = settings.server_names

    async def follow(self) -> None:
        """Carry out the request that waits, if there is one, and answer it.

        Raises BackendError; the request then waits on.
        """
        request = await self._store.read_request()
        if request is None:
            return
        answer = await retry_on_secret_conflict(lambda: self._carry_out(request))
        if answer.is_refusal:
            log.warning("%s", with_code(answer.message, answer.code))
        else:
            log.info(
                "%s (asked for by %s)",
                answer.message,
                printable(request.by, AUTHOR_LENGTH) or "an administrator",
            )
        await self._store.answer(request, answer)

    async def _carry_out(self, request: RolloverRequest) -> RolloverAnswer:
        secret = await self._secrets.read(CA_SECRET)
        if secret is None:
            return _refuse(
                f"Secret {CA_SECRET} is missing. The Edge API creates it with a new CA, which "
                "needs no rollover; to keep the former one, restore the Secret from a backup."
            )
        if secret.data.get(REQUEST) == request.id.encode():
            return _done(request)
        try:
            return await self._change(request, secret, read_authority(secret))
        except IdentityError as error:
            return _refuse(
                f"The Secrets {CA_SECRET} and {HOST_SECRET} cannot be used: {error} Nothing was "
                "changed. Mend them, or restore them from a backup, and ask again."
            )

    async def _change(
        self, request: RolloverRequest, secret: StoredSecret, stored: StoredAuthority
    ) -> RolloverAnswer:
        if not is_of_fleet(stored.authority.certificate):
            return _refuse(
                "The CA is of your own PKI. Roll it there, and write the new key and both "
                f"certificates to Secret {CA_SECRET}."
            )
        if request.phase == ROLL:
            return await self._roll(request, secret, stored)
        return await self._finish(request, secret, stored)

    async def _roll(
        self, request: RolloverRequest, secret: StoredSecret, stored: StoredAuthority
    ) -> RolloverAnswer:
        if stored.former:
            return RolloverAnswer(f"The CA is rolled over already. {ROLLED}")
        authority = stored.authority
        await self._issue_server_once_more(authority)
        succession = succeed(authority)
        new = {
            "ca.crt": succession.authority.certificate_pem,
            "ca.key": succession.authority.key_pem,
            CROSS: succession.cross + stored.cross,
            FORMER: authority.certificate.public_bytes(Encoding.PEM),
            REQUEST: request.id.encode(),
        }
        await self._secrets.replace(secret, {**secret.data, **new})
        return _done(request)

    async def _issue_server_once_more(self, authority: Authority) -> None:
        """Leave a certificate of the user's own PKI, and one that this CA has just issued, alone.

        A strict agent of v0.2 (Go) does not accept a cross certificate below a CA of an earlier
        release, whose path length is 0.
        """
        secret, now = await self._secrets.read(HOST_SECRET), datetime.now(UTC)
        if secret is None or authority.not_after <= now:
            return
        certificate = load_certificate(secret.data.get("server.crt", b""))
        age = now - certificate.not_valid_before_utc
        if age < FRESH or not issued_by(certificate, [authority.certificate]):
            return
        issued = authority.issue_server(self._names)
        new = {"server.crt": issued.certificate, "server.key": issued.key}
        await self._secrets.replace(secret, {**secret.data, **new})

    async def _finish(
        self, request: RolloverRequest, secret: StoredSecret, stored: StoredAuthority
    ) -> RolloverAnswer:
        authority = stored.authority
        if not stored.former:
            return RolloverAnswer("There is no former CA: nothing is left to finish.")
        left = await self._store.find_left_behind(authority.identifier)
        if not (left.is_nobody or request.forced):
            return RolloverAnswer(describe_left_behind(left), FORMER_CA_IN_USE)
        kept = {key: value for key, value in secret.data.items() if key != FORMER}
        new = {
            "ca.crt": authority.without(stored.former).certificate_pem,
            FINISHED: format_time(datetime.now(UTC)).encode(),
            REQUEST: request.id.encode(),
        }
        await self._secrets.replace(secret, {**kept, **new})
        done = _done(request)
        return (
            done if left.is_nobody else RolloverAnswer(f"{done.message} {name_left_behind(left)}")
        )


def _done(request: RolloverRequest) -> RolloverAnswer:
    if request.phase == ROLL:
        return RolloverAnswer(ROLLED)
    return RolloverAnswer("The former CA is trusted no longer.")


def _refuse(sentence: str) -> RolloverAnswer:
    return RolloverAnswer(sentence, CA_ROLLOVER_REFUSED)
