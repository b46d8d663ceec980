"""The rollover of the fleet's CA, asked for by an administrator and carried out by any replica.

The order of the steps, each of which can be repeated:

1. Roll: the CA that leaves issues the server certificate once more, so that agents that know no
   other CA have the longest time.
2. Roll: one write of the Secret makes the new CA the one that issues, with both trusted.
3. Finish: one write of the Secret takes the former CA out. `Certificates` then issues the server
   certificate again, and the cross certificate beside it vouches for the new CA. Devices whose
   certificate is older are asked to renew once more: with it they forget the former CA.

Replicas that work on one request meet at the version of the Secret. The Secret names the request
that it was written for, so a repeat after an interruption finds that its work is done.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from flotta.edge_api.backends.authority_store import AuthorityStore
from flotta.edge_api.backends.backend import SecretStore, StoredSecret
from flotta.edge_api.secret_conflicts import retry_on_secret_conflict
from flotta.edge_api.settings import Settings
from flotta.edge_api.stored_authority import CROSS, FINISHED, REQUEST, read_authority
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
NAMED = 50  # devices in an answer
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
            return _refuse(f"Secret {CA_SECRET} is missing.")
        if secret.data.get(REQUEST) == request.id.encode():
            return _done(request)
        try:
            authority = read_authority(secret).authority
        except IdentityError as error:
            return _refuse(f"Secret {CA_SECRET} cannot be used: {error}")
        if not is_of_fleet(authority.certificate):
            return _refuse(
                "The CA is of your own PKI. Roll it there, and write the new key and both "
                f"certificates to Secret {CA_SECRET}."
            )
        if request.phase == ROLL:
            return await self._roll(request, secret, authority)
        return await self._finish(request, secret, authority)

    async def _roll(
        self, request: RolloverRequest, secret: StoredSecret, authority: Authority
    ) -> RolloverAnswer:
        if authority.has_former:
            return _refuse("A rollover is in progress. End it first: flotta certificates finish-ca")
        await self._issue_server_once_more(authority)
        succession = succeed(authority)
        new = {
            "ca.crt": succession.authority.certificate_pem,
            "ca.key": succession.authority.key_pem,
            CROSS: succession.cross,
            REQUEST: request.id.encode(),
        }
        await self._secrets.replace(secret, {**secret.data, **new})
        return _done(request)

    async def _issue_server_once_more(self, authority: Authority) -> None:
        """Leave a certificate of the user's own PKI, and one that this CA has just issued, alone.

        A strict agent of v0.2 (Go) does not accept a cross certificate below a CA of an earlier
        release, whose path length is 0.
        """
        secret = await self._secrets.read(HOST_SECRET)
        if secret is None:
            return
        certificate = load_certificate(secret.data.get("server.crt", b""))
        age = datetime.now(UTC) - certificate.not_valid_before_utc
        if age < FRESH or not issued_by(certificate, [authority.certificate]):
            return
        issued = authority.issue_server(self._names)
        new = {"server.crt": issued.certificate, "server.key": issued.key}
        await self._secrets.replace(secret, {**secret.data, **new})

    async def _finish(
        self, request: RolloverRequest, secret: StoredSecret, authority: Authority
    ) -> RolloverAnswer:
        if not authority.has_former:
            return RolloverAnswer("There is no former CA: nothing is left to finish.")
        left = await self._store.list_devices_of_others(authority.identifier)
        if left and not request.forced:
            return RolloverAnswer(_name_devices(left), FORMER_CA_IN_USE)
        new = {
            "ca.crt": authority.alone().certificate_pem,
            FINISHED: format_time(datetime.now(UTC)).encode(),
            REQUEST: request.id.encode(),
        }
        await self._secrets.replace(secret, {**secret.data, **new})
        return _done(request)


def _done(request: RolloverRequest) -> RolloverAnswer:
    if request.phase == ROLL:
        return RolloverAnswer(
            "A new CA issues certificates, and both CAs are trusted. Devices renew by themselves; "
            "when all have: flotta certificates finish-ca"
        )
    return RolloverAnswer("The former CA is trusted no longer.")


def _refuse(sentence: str) -> RolloverAnswer:
    return RolloverAnswer(sentence, CA_ROLLOVER_REFUSED)


def _name_devices(devices: list[str]) -> str:
    named = ", ".join(devices[:NAMED])
    more = f" and {len(devices) - NAMED} more" if len(devices) > NAMED else ""
    count = "1 device was" if len(devices) == 1 else f"{len(devices)} devices were"
    return (
        f"{count} not heard from with a certificate of the new CA: {named}"
        f"{more}. Wait for them, or give them up: flotta certificates finish-ca --force"
    )
