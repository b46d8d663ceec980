"""A gateway as that of yggdrasil, as a process, with the files that it needs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from worker_site import settings

from background import in_background
from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.keys import key_to_pem, load_key, new_key
from flotta.identity.lifetime import load_certificate
from flotta.worker.agent import Agent
from servers.foreign_peers import Peer, peer


class ForeignGateway:
    """The files of one device under such a gateway; `running` is the process."""

    def __init__(self, folder: Path, server: str, ca: bytes, device_id: str = "till-7") -> None:
        self.folder = folder
        self.device_id = device_id
        self.cert_file = folder / "cert.pem"
        self.key_file = folder / "key.pem"
        self.socket = f"@zeta-{uuid.uuid4().hex}"
        self.log = folder / "gateway.log"
        (folder / "ca.pem").write_bytes(ca)
        self.config = folder / "config.toml"
        self.config.write_text(
            f'server = "{server}"\nclient-id = "{device_id}"\nprotocol = "http"\n'
            f'path-prefix = "api/flotta-management/v1"\nca-root = ["{folder}/ca.pem"]\n'
            f'cert-file = "{self.cert_file}"\nkey-file = "{self.key_file}"\n'
            f'socket-addr = "{self.socket}"\nlog-level = "info"\n'
        )

    def give(self, identity: CertificateAndKey) -> None:
        """Write certificate and key, as an installer does, readable by others."""
        self.cert_file.write_bytes(identity.certificate)
        self.key_file.write_bytes(identity.key)

    @property
    def certificate(self) -> x509.Certificate:
        return load_certificate(self.cert_file.read_bytes())

    @property
    def name(self) -> str:
        """The common name of the certificate."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @property
    def fits(self) -> bool:
        key = load_key(self.key_file.read_bytes())
        return key.public_key() == self.certificate.public_key()

    @asynccontextmanager
    async def running(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[Peer]:
        options = ("--config", str(self.config), "--poll", "200ms", *arguments)
        async with peer("gateway", *options, log=self.log, environment=environment) as started:
            await started.said("listening")
            yield started

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Path]:
        """Run the worker of flotta.edge in this process; yields its state directory."""
        place = settings(f"unix:{self.socket}", self.folder)
        async with in_background(Agent(place).run()):
            yield place.state_dir


def aged_certificate(authority: Authority, device_id: str, age: float) -> CertificateAndKey:
    """Return a device's certificate that is valid for 30 days, `age` of them (0 to 1) over."""
    key, issuer = new_key(), load_certificate(authority.certificate_pem)
    issuer_key = serialization.load_pem_private_key(authority.key_pem, None)
    begin = datetime.now(UTC) - timedelta(days=30 * age)
    names = ((NameOID.ORGANIZATION_NAME, "flotta-operator"), (NameOID.COMMON_NAME, device_id))
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in names]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    signer: Any = issuer_key
    certificate = built.sign(signer, hashes.SHA256())
    return CertificateAndKey(certificate.public_bytes(serialization.Encoding.PEM), key_to_pem(key))
