"""A gateway of v0.2 (yggdrasil 0.2.98) on the wire: Go's HTTP client, its envelopes, its JSON."""

from __future__ import annotations

import asyncio
import json
import ssl
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from raw_requests import RawConnection, RawResponse

from flotta.identity.authority import CertificateAndKey
from v02.pki import Key, KeyType, key_pem, new_key

BASE = "/api/flotta-management/v1"
ZERO_TIME = "0001-01-01T00:00:00.000Z"
BERLIN = timezone(timedelta(hours=1))


@dataclass
class FormerGateway:
    """One device; its key is made at the registration, like the worker of v0.2 does."""

    port: int
    ca: bytes
    device_id: str
    identity: CertificateAndKey
    folder: Path
    key_type: KeyType = "EC"

    async def get(self, channel: str, **headers: str) -> RawResponse:
        return await self._exchange("GET", f"{channel}/{self.device_id}/in", b"", headers)

    async def post(self, channel: str, message: Any, **headers: str) -> RawResponse:
        """Post a message as it is; a dictionary becomes JSON."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        headers = {"Content_Type": "application/json", **headers}
        return await self._exchange("POST", f"{channel}/{self.device_id}/out", body, headers)

    async def send(self, directive: str, content: Any) -> RawResponse:
        return await self.post("data", data_message(directive, content))

    async def enrol(self, namespace: str = "default", **features: Any) -> RawResponse:
        return await self.send("enrolment", {"features": features, "target_namespace": namespace})

    async def register(self, **hardware: Any) -> RawResponse:
        """Register with a new key; the certificate of a 200 is used from then on."""
        key = new_key(self.key_type)
        content = {"certificate_request": request_of(key, self.device_id), "hardware": hardware}
        response = await self.send("registration", content)
        if response.status == 200:
            pem = response.json()["content"]["certificate"].encode()
            self.identity = CertificateAndKey(pem, key_pem(key))
        return response

    async def beat(self, **content: Any) -> RawResponse:
        """Send a heartbeat with the lists that Go writes as null when they are empty."""
        lists = {"events": None, "playbook-executions": None, "workloads": None}
        upgrade = {"current_commit_ID": "unknown"}
        beat = {"status": "up", "version": "", "upgrade": upgrade, **lists, **content}
        return await self.send("heartbeat", beat)

    async def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> RawResponse:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self._context(), server_hostname="127.0.0.1"
        )
        lines = [f"{method} {BASE}/{path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += ["User-Agent: yggdrasil/0.2.98"]
        if method == "POST":
            lines += [f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        lines += ["Accept-Encoding: gzip", "", ""]
        try:
            connection = RawConnection(reader, writer)
            await connection.send("\r\n".join(lines).encode() + body)
            return await connection.response()
        finally:
            writer.transport.abort()

    def _context(self) -> ssl.SSLContext:
        """Return a context that checks the server as Go does, and presents the certificate."""
        certificate, key = self.folder / "former.crt", self.folder / "former.key"
        certificate.write_bytes(self.identity.certificate)
        key.write_bytes(self.identity.key)
        context = ssl.create_default_context(cadata=self.ca.decode())
        context.load_cert_chain(certificate, key)
        return context


def data_message(directive: str, content: Any) -> dict[str, Any]:
    """Return an envelope in which every property is present, sent by a clock in Berlin."""
    return {
        "type": "data",
        "message_id": str(uuid.uuid4()),
        "response_to": "",
        "version": 1,
        "sent": datetime.now(BERLIN).strftime("%Y-%m-%dT%H:%M:%S.123456789%z"),
        "directive": directive,
        "metadata": None,
        "content": content,
    }


def event(content: str, response_to: str = "") -> dict[str, Any]:
    sent = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    envelope = {"message_id": str(uuid.uuid4()), "response_to": response_to, "version": 1}
    return {"type": "event", **envelope, "sent": sent, "content": content}


def request_of(key: Key, device_id: str) -> str:
    """Return a certificate request with the device id as its only name."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = request.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
