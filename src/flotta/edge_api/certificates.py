"""The Edge API's own certificates, stored where all its replicas find them.

Several replicas may start at once on an empty system: the first that creates a secret wins, the
others use it. What is issued and renewed when is in
docs/explanation/security.md#how-certificates-are-issued-renewed-and-revoked.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from flotta.edge_api.backends.backend import SecretStore, StoredSecret
from flotta.edge_api.batch_plans import plan_batch
from flotta.edge_api.key_forms import rewrite_keys
from flotta.edge_api.requested_certificates import RequestedCertificates
from flotta.edge_api.secret_conflicts import retry_on_secret_conflict
from flotta.edge_api.settings import Settings
from flotta.edge_api.store_certificate import is_pair, renew_client
from flotta.edge_api.stored_authority import StoredAuthority, read_authority
from flotta.fleet.batch_specification import dump_specification, parse_specification
from flotta.fleet.registration_batches import SPECIFICATION_KEY, Specification
from flotta.identity.authority import Authority, AuthorityError, CertificateAndKey
from flotta.identity.errors import IdentityError
from flotta.identity.issuers import issued_by, load_bundle
from flotta.identity.key_files import key_files
from flotta.identity.keys import load_key
from flotta.identity.lifetime import covers, load_certificate, renewal_due, valid_at
from flotta.identity.peers import identify_peer
from flotta.identity.rollover import FLEET_CA
from flotta.identity.ssl_contexts import server_context
from flotta.identity.subjects import ORGANIZATION
from flotta.own_names import (
    CA_SECRET,
    HOST_SECRET,
    name_registration_secret,
)

OWN_SECRETS = (CA_SECRET, HOST_SECRET)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """The authority for devices, the server's own certificate and key, and those as a client."""

    stored: StoredAuthority
    server: CertificateAndKey
    client: CertificateAndKey | None = None  # for the data store; None where there is none

    @property
    def authority(self) -> Authority:
        """The CA that issues."""
        return self.stored.authority

    @property
    def client_chain(self) -> bytes:
        """The certificate for the data store, and what vouches for its CA; b"" without one."""
        return b"\n".join((self.client.certificate, self.stored.cross)) if self.client else b""

    @property
    def bundle(self) -> str:
        """The CAs that devices may trust from now on; "" when the server is of another PKI."""
        trusted = self.authority.certificate_pem
        own = issued_by(load_certificate(self.server.certificate), load_bundle(trusted))
        return trusted.decode() if own else ""

    @property
    def cross(self) -> str:
        """What vouches for these CAs, for devices that know a former one alone."""
        return self.stored.cross.decode() if self.bundle else ""

    @property
    def public(self) -> dict[str, str]:
        """What may be published, by file name."""
        pems = {"ca.crt": self.authority.certificate_pem, "server.crt": self.server.certificate}
        if self.stored.former:
            encoded = (item.public_bytes(Encoding.PEM) for item in self.stored.former)
            pems["former.crt"] = b"".join(encoded)
        return {name: pem.decode() for name, pem in pems.items()}

    def make_context(self) -> ssl.SSLContext:
        """Return a TLS context of this material.

        The key touches the disk only as a 0600 file for a moment.
        """
        chain = b"\n".join((self.server.certificate, self.stored.cross))
        with key_files(chain, self.server.key) as files:
            return server_context(files.certificate, files.key, self.authority.certificate_pem)

    def is_valid(self, now: datetime) -> bool:
        """Tell whether devices accept the server certificate now."""
        return valid_at(load_certificate(self.server.certificate), now)


class Certificates:
    """Creates, renews and reads the secrets."""

    def __init__(
        self, secrets: SecretStore, settings: Settings, *, wants_client: bool = False
    ) -> None:
        self._secrets = secrets
        self._settings = settings
        self._wants_client = wants_client  # a certificate for a data store
        self._client: CertificateAndKey | None = None  # the last one that could be used
        self.requested = RequestedCertificates(secrets, self._read_authority)

    async def ensure(self, *, starting: bool = False) -> Material:
        """Return the current material, after creating or renewing what is missing or due.

        Only a server that starts compares the names: while replicas with old and new settings run
        side by side, the newest decides and the others follow. Only then are keys rewritten, too:
        a tool that restores its own form of a key must not make it change again and again.
        Raises IdentityError when a secret has unusable content, BackendError when the store cannot
        be used now.
        """
        if starting:
            await rewrite_keys(self._secrets)
        stored = await self._ensure_authority()
        authority = stored.authority
        names = list(self._settings.server_names) if starting else []
        host = await self._ensure_host(authority, names)
        await self._keep_registrations(authority)
        if self._wants_client and is_pair(host.data):
            self._client = _read_secret(host, "client")
        return Material(stored, _read_server(host), self._client)

    async def _keep_registrations(self, authority: Authority) -> None:
        try:
            await self.requested.keep_all()
            await self._ensure_registration(authority)
        except AuthorityError as error:  # devices that have joined are served all the same
            log.error("Registration certificates cannot be issued: %s", error)

    async def _read_authority(self) -> Authority:
        return (await self._ensure_authority()).authority

    async def _ensure_authority(self) -> StoredAuthority:
        secret = await self._secrets.read(CA_SECRET)
        if secret is None:
            new = Authority.create(FLEET_CA)
            issued = CertificateAndKey(new.certificate_pem, new.key_pem)
            secret = await self._secrets.create(CA_SECRET, _secret_data("ca", issued))
        return read_authority(secret)

    async def _ensure_host(self, authority: Authority, required: list[str]) -> StoredSecret:
        return await retry_on_secret_conflict(lambda: self._renew_host(authority, required))

    async def _renew_host(self, authority: Authority, required: list[str]) -> StoredSecret:
        secret = await self._secrets.read(HOST_SECRET)
        if secret is None:
            data = _secret_data("server", authority.issue_server(self._settings.server_names))
            secret = await self._secrets.create(HOST_SECRET, data)
        new = {**self._renew_server(secret, authority, required)}
        if self._wants_client:
            new |= _renew_client(secret, authority)
        if not new:
            return secret
        data = {**secret.data, **new}
        await self._secrets.replace(secret, data)
        return replace(secret, data=data)

    def _renew_server(
        self, secret: StoredSecret, authority: Authority, required: list[str]
    ) -> dict[str, bytes]:
        """Return what to change in the Secret for the server certificate."""
        reason = _reason_to_renew(_read_server(secret), authority, required)
        if reason is None:
            return {}
        try:
            issued = authority.issue_server(self._settings.server_names)
        except AuthorityError as error:
            log.error("The server certificate stays as it is, although %s: %s", reason, error)
            return {}
        log.info("Issuing a new server certificate: %s", reason)
        return _secret_data("server", issued)

    async def _ensure_registration(self, authority: Authority) -> None:
        """Keep one unlimited batch for the namespaces of the settings."""
        wanted = self._settings.registration_namespaces
        secrets = await self._secrets.list_registration_secrets()
        if any(_lets_devices_in(secret, authority, wanted) for secret in secrets):
            return
        names = [secret.name for secret in secrets]
        name = name_registration_secret(authority.certificate_pem.decode(), ",".join(wanted), names)
        batch = {SPECIFICATION_KEY: dump_specification({"namespaces": [*wanted]}).encode()}
        change = plan_batch(StoredSecret(name, batch, "", True), authority, datetime.now(UTC))
        if change is not None and change.data is not None:
            await self._secrets.create(name, change.data, registration=True)


def _renew_client(secret: StoredSecret, authority: Authority) -> dict[str, bytes]:
    """Return what to change in the Secret for the data store's sake; no device needs that."""
    try:
        return renew_client(secret.data, authority, datetime.now(UTC))
    except IdentityError as error:
        log.error("There is no new certificate for the data store: %s", error)
        return {}


def _reason_to_renew(
    issued: CertificateAndKey, authority: Authority, names: list[str]
) -> str | None:
    now = datetime.now(UTC)
    if not _issued_by(issued.certificate, authority):
        if _is_of_a_fleet(issued.certificate):
            return "the CA of the fleet was replaced"
        if not valid_at(load_certificate(issued.certificate), now):
            log.error(
                "The server certificate in Secret %s is not valid now; replace it there",
                HOST_SECRET,
            )
        return None  # users renew their own certificates
    if renewal_due(issued.certificate, now):
        return "two thirds of its validity have passed"
    if not covers(issued.certificate, names):
        return "the names of the server changed"
    return None


def _is_of_a_fleet(pem: bytes) -> bool:
    """Tell whether a control plane issued the certificate, also v0.2 or below a CA of a user's PKI.

    Its subject tells: who issued it may be the user's own CA, which issues other things, too.
    """
    certificate = load_certificate(pem)
    names = [
        *certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
        *certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
    ]
    return any(name.value == ORGANIZATION for name in names)


def _issued_by(pem: bytes, authority: Authority) -> bool:
    return issued_by(load_certificate(pem), load_bundle(authority.certificate_pem))


def _lets_devices_in(
    secret: StoredSecret, authority: Authority, namespaces: tuple[str, ...]
) -> bool:
    """Tell whether a registration secret admits any device to exactly these namespaces."""
    try:
        if text := secret.data.get(SPECIFICATION_KEY):
            unlimited = Specification(namespaces=namespaces)
            own = parse_specification(text)
            if replace(own, namespaces=namespaces) != unlimited:
                return False
        pem = _read_secret(secret, "client").certificate
        if not _issued_by(pem, authority) or renewal_due(pem, datetime.now(UTC)):
            return False
        peer = identify_peer(load_certificate(pem))
    except Exception:  # whatever it says: the server issues a batch of its own instead
        return False
    return peer.kind == "registration" and set(peer.namespaces) == set(namespaces)


def _read_secret(secret: StoredSecret, stem: str) -> CertificateAndKey:
    try:
        return CertificateAndKey(secret.data[f"{stem}.crt"], secret.data[f"{stem}.key"])
    except KeyError as error:
        raise IdentityError(
            f"Secret {secret.name!r} has no key {error.args[0]!r}; add it or delete the Secret."
        ) from error


def _read_server(secret: StoredSecret) -> CertificateAndKey:
    """Return the server's own pair; TLS refuses one that is none, without a word of which."""
    pair = _read_secret(secret, "server")
    try:
        fits = load_certificate(pair.certificate).public_key() == load_key(pair.key).public_key()
        cause = "" if fits else "server.key is not the key of server.crt."
    except IdentityError as error:
        cause = str(error)
    if cause:
        raise IdentityError(
            f"Secret {secret.name!r} cannot be used: {cause} Write a certificate and its key, or "
            "delete the Secret: then the Edge API issues them."
        )
    return pair


def _secret_data(stem: str, issued: CertificateAndKey) -> dict[str, bytes]:
    return {f"{stem}.crt": issued.certificate, f"{stem}.key": issued.key}
