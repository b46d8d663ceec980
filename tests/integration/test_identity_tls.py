"""Handshakes over real sockets: what the two SSL contexts let through."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flotta.identity import authority as authority_module
from flotta.identity.authority import Authority, CertificateAndKey
from flotta.identity.keys import PrivateKey, key_to_pem, load_key, new_key
from flotta.identity.lifetime import load_certificate
from flotta.identity.peers import read_peer
from flotta.identity.requests import certificate_request, load_request
from flotta.identity.ssl_contexts import client_context, server_context

UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"


class Files:
    """Pairs written where SSL contexts can read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority.create("Flotta CA")
        self.ca = self.write("ca", self.authority.certificate_pem)
        self.server = self.save("server", self.authority.issue_server(["localhost"]))

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / f"{name}.pem"
        path.write_bytes(data)
        return path

    def save(self, name: str, issued: CertificateAndKey) -> tuple[Path, Path]:
        return self.write(name, issued.certificate), self.write(f"{name}-key", issued.key)

    def device(self, days: int = 30) -> CertificateAndKey:
        key = new_key()
        csr = load_request(certificate_request(key, "till-7"))
        return CertificateAndKey(
            self.authority.sign_device(csr, "till-7", "shops", UID, days), key_to_pem(key)
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@asynccontextmanager
async def listening(
    context: ssl.SSLContext,
) -> AsyncIterator[tuple[int, Callable[[ssl.SSLContext], Awaitable[str]]]]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        der = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.write(read_peer(der).kind.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def ask(client: ssl.SSLContext) -> str:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="localhost"
        )
        try:
            return (await reader.read()).decode()
        except (ssl.SSLError, ConnectionError):
            return ""
        finally:
            writer.transport.abort()

    async with server:
        yield port, ask


async def test_each_client_class_is_recognised(files: Files) -> None:
    registration = files.save("registration", files.authority.issue_registration())
    device = files.save("device", files.device())
    async with listening(server_context(*files.server, files.ca)) as (_, ask):
        assert await ask(client_context(files.ca, *registration)) == "registration"
        assert await ask(client_context(files.ca, *device)) == "device"


async def test_expired_device_gets_an_answer_only_without_time_check(files: Files) -> None:
    expired = files.save("expired", expired_device(files))
    async with listening(server_context(*files.server, files.ca)) as (_, ask):
        assert await ask(client_context(files.ca, *expired)) == "device"
    strict = server_context(*files.server, files.ca, check_time=True)
    async with listening(strict) as (_, ask):
        assert await ask(client_context(files.ca, *expired)) == ""


def expired_device(files: Files) -> CertificateAndKey:
    key = new_key()
    csr = load_request(certificate_request(key, "till-7"))
    return CertificateAndKey(
        files.authority.sign_device(csr, "till-7", "shops", UID, 0), key_to_pem(key)
    )


async def test_without_a_certificate_of_the_fleet_there_is_no_response(files: Files) -> None:
    foreign = files.save("foreign", Authority.create("Other CA").issue_registration())
    server_class = files.server
    async with listening(server_context(*files.server, files.ca)) as (_, ask):
        assert await ask(client_context(files.ca)) == ""
        assert await ask(client_context(files.ca, *foreign)) == ""
        assert await ask(client_context(files.ca, *server_class)) == ""


async def test_certificate_issued_by_a_device_is_refused(files: Files) -> None:
    device = files.device()
    forged = signed_by("victim", load_key(device.key), load_certificate(device.certificate))
    chain = CertificateAndKey(forged.certificate + device.certificate, forged.key)
    async with listening(server_context(*files.server, files.ca)) as (_, ask):
        assert await ask(client_context(files.ca, *files.save("forged", chain))) == ""


async def test_certificate_issued_by_a_reference_device_is_refused(files: Files) -> None:
    """Device certificates of v0.2 lack basic constraints; they are no authorities all the same."""
    ca = load_certificate(files.authority.certificate_pem)
    old = signed_by("press-03", load_key(files.authority.key_pem), ca)
    forged = signed_by("victim", load_key(old.key), load_certificate(old.certificate))
    chain = CertificateAndKey(forged.certificate + old.certificate, forged.key)
    async with listening(server_context(*files.server, files.ca)) as (_, ask):
        assert await ask(client_context(files.ca, *files.save("old", old))) == "device"
        assert await ask(client_context(files.ca, *files.save("forged", chain))) == ""


async def test_self_signed_leaf_followed_by_a_genuine_certificate_is_refused(
    files: Files,
) -> None:
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "victim")])
    own = signed_by("victim", key, None, name)
    genuine = files.server[0].read_bytes() + files.ca.read_bytes()
    paths = files.save("own", CertificateAndKey(own.certificate + genuine, own.key))
    async with listening(server_context(*files.server, files.ca)) as (_, ask):
        assert await ask(client_context(files.ca, *paths)) == ""


def signed_by(
    common_name: str,
    issuer_key: PrivateKey,
    issuer: x509.Certificate | None,
    issuer_name: x509.Name | None = None,
) -> CertificateAndKey:
    """Return a certificate and key in the manner of v0.2 signed by any key."""
    key = new_key() if issuer else issuer_key
    now = datetime.now(UTC)
    organization = authority_module.ORGANIZATION
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else issuer_name or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, False, False, False, False),
            critical=True,
        )
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
    )
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return CertificateAndKey(certificate.public_bytes(serialization.Encoding.PEM), key_to_pem(key))


async def test_client_trusts_only_its_own_authority_and_checks_the_name(files: Files) -> None:
    device = files.save("device", files.device())
    other = Authority.create("Other CA").certificate_pem
    async with listening(server_context(*files.server, files.ca)) as (port, ask):
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(client_context(other, *device))
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await asyncio.open_connection(
                "127.0.0.1",
                port,
                ssl=client_context(files.ca, *device),
                server_hostname="elsewhere.example",
            )


async def test_client_with_a_wrong_clock_reaches_an_expired_server(files: Files) -> None:
    expired = files.save("old-server", files.authority.issue_server(["localhost"], days=0))
    device = files.save("device", files.device())
    async with listening(server_context(*expired, files.ca)) as (_, ask):
        assert await ask(client_context(files.ca, *device)) == "device"
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await ask(client_context(files.ca, *device, check_time=True))


def test_server_context_is_strict(files: Files) -> None:
    context = server_context(*files.server, files.ca)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.num_tickets == 0
    assert context.verify_flags & 0x200000


def test_client_context_never_loads_the_system_pool(files: Files) -> None:
    assert client_context(files.ca).cert_store_stats()["x509_ca"] == 1


async def test_additional_authority_can_be_given_as_pem(files: Files) -> None:
    second = Authority.create("Second CA")
    registration = files.save("second", second.issue_registration())
    context = server_context(*files.server, [files.ca, second.certificate_pem])
    async with listening(context) as (_, ask):
        assert await ask(client_context([files.ca], *registration)) == "registration"
