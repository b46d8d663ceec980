"""An Edge API of v0.2 for agents of ours: statuses, bodies and quirks as they go over the wire.

It knows neither ETag nor Prefer nor Retry-After; each heartbeat is a new version of the
configuration, whose ConfigMaps come in a random order; zero values are left out and empty lists are
null; refusals have no body.
"""

from __future__ import annotations

import json
import random
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_api_document import validator
from servers.ports import free_port
from v02.gateway import BASE
from v02.pki import FormerAuthority, KeyType

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: it looks at the end of validity by itself
JSON = {hdrs.CONTENT_TYPE: "application/json"}
OFFSET = timezone(timedelta(hours=2))  # of its clock
SCHEMAS = {
    "enrolment": "EnrolmentMessage",
    "registration": "RegistrationMessage",
    "heartbeat": "HeartbeatMessage",
}


@dataclass
class FormerDevice:
    """An EdgeDevice, as far as a device notices."""

    workloads: list[dict[str, Any]] = field(default_factory=list)
    secrets: list[dict[str, str]] = field(default_factory=list)
    version: int = 881_234
    registered: bool = False
    heartbeats: list[dict[str, Any]] = field(default_factory=list)


class FormerEdgeApi:
    """The server; a test approves, configures and deletes devices."""

    def __init__(self, kind: KeyType = "EC") -> None:
        self.authority = FormerAuthority(kind)
        self.port = free_port()
        self.devices: dict[str, FormerDevice] = {}
        self.requested: list[str] = []
        self.statuses: list[tuple[str, int]] = []  # of all that was asked, in order
        self.control: list[dict[str, Any]] = []  # what came to control/out
        self.surprises: list[str] = []  # what a server of v0.2 would not have understood
        self.validity = timedelta(days=30)  # of the next certificate
        self.failing = 0  # status of the next configurations; 0: they work
        self.failures: dict[str, list[int]] = {}  # statuses of the next messages, by directive
        self.shouts = False  # names of properties are in capitals, which Go's decoder takes as well

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def approve(self, device_id: str) -> FormerDevice:
        self.devices[device_id] = FormerDevice()
        return self.devices[device_id]

    def count(self, what: str, status: int) -> int:
        return self.statuses.count((what, status))

    async def control_in(self, request: web.Request) -> web.Response:
        if refusal := self._refuse_poll(request):
            return refusal
        if request.match_info["id"] in self.devices:
            return web.Response(headers=JSON)
        content = {"command": "disconnect", "arguments": None}
        message = {"type": "command", "message_id": str(uuid.uuid4()), "version": 1}
        return self._json({**message, "sent": _now(), "content": content})

    async def control_out(self, request: web.Request) -> web.Response:
        if refusal := self._refuse_poll(request):
            return refusal
        self.control.append(await request.json())
        return web.Response()

    async def data_in(self, request: web.Request) -> web.Response:
        if refusal := self._refuse_poll(request):
            return refusal
        device = self.devices.get(request.match_info["id"])
        if device is None or self.failing:
            return web.Response(status=self.failing or 404)
        message = {"type": "data", "message_id": str(uuid.uuid4()), "version": 1}
        content = _configuration(request.match_info["id"], device)
        return self._json({**message, "sent": _now(), "directive": "device", "content": content})

    async def data_out(self, request: web.Request) -> web.Response:
        message = await request.json()
        directive, device_id = message["directive"], request.match_info["id"]
        schema = validator(SCHEMAS.get(directive, "Message"))
        self.surprises += [error.message for error in schema.iter_errors(message)]
        if self.failures.get(directive):
            return web.Response(status=self.failures[directive].pop(0))
        if directive == "enrolment":
            return self._enrol(device_id, message["content"])
        if directive == "registration":
            return self._register(request, device_id, message)
        if _identity(request) != device_id:
            return web.Response(status=403)
        if directive == "heartbeat":
            return self._heartbeat(device_id, message["content"])
        return web.Response(status=500 if directive == "ansible" else 400)  # no playbook is 500

    def _enrol(self, device_id: str, content: dict[str, Any]) -> web.Response:
        if "features" not in content:
            self.surprises.append("an enrolment without `features`, on which v0.2 crashes")
        if device_id in self.devices:
            return web.Response(status=208)
        self.requested.append(device_id)
        return web.Response(headers=JSON)

    def _register(
        self, request: web.Request, device_id: str, message: dict[str, Any]
    ) -> web.Response:
        device = self.devices.get(device_id)
        if device is None:
            return web.Response(status=404)
        own = _identity(request) == device_id
        if device.registered and not own:
            return web.Response(status=500)  # v0.2 means: forbidden
        pem = message["content"]["certificate_request"].encode()
        signing = x509.load_pem_x509_csr(pem)
        if isinstance(signing.public_key(), rsa.RSAPublicKey) != (self.authority.kind == "RSA"):
            return web.Response(status=400)  # the algorithm of the request does not fit the CA
        device.registered = True
        certificate = self.authority.device(signing, device_id, end=self.validity)
        answer = {"directive": "registration", "message_id": message["message_id"]}
        return self._json({"content": {"certificate": certificate.decode()}, **answer})

    def _heartbeat(self, device_id: str, content: dict[str, Any]) -> web.Response:
        device = self.devices.get(device_id)
        if device is None:
            return web.Response(status=404)
        device.heartbeats.append(content)
        device.version += 1
        return web.Response(headers=JSON)

    def _refuse_poll(self, request: web.Request) -> web.Response | None:
        """Return the refusal of what needs a device certificate that is valid now."""
        certificate = _certificate(request)
        valid = certificate.not_valid_before_utc <= datetime.now(UTC)
        valid = valid and datetime.now(UTC) <= certificate.not_valid_after_utc
        identity = _identity(request)
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usable = (
            ExtendedKeyUsageOID.SERVER_AUTH in usages
        )  # Go's default, which v0.2 did not change
        if identity == "register" or not (valid and usable):
            return web.Response(status=401)
        return None if identity == request.match_info["id"] else web.Response(status=403)

    def _json(self, body: dict[str, Any]) -> web.Response:
        written = _in_capitals(body) if self.shouts else body
        return web.Response(body=json.dumps(written).encode() + b"\n", headers=JSON)

    async def note(self, request: web.Request, response: web.StreamResponse) -> None:
        """Remember the status; take the headers off that Go does not write."""
        channel, _, way = request.path.removeprefix(BASE + "/").split("/")
        self.statuses.append((f"{channel}/{way}", response.status))
        if response.status != 200 or (channel, way) == ("control", "out"):
            response.headers.pop(hdrs.CONTENT_TYPE, None)


def _certificate(request: web.Request) -> x509.Certificate:
    assert request.transport is not None
    tls = request.transport.get_extra_info("ssl_object")
    return x509.load_der_x509_certificate(tls.getpeercert(True))


def _identity(request: web.Request) -> str:
    (name,) = _certificate(request).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value).lower()


def _configuration(device_id: str, device: FormerDevice) -> dict[str, Any]:
    """Return a DeviceConfigurationMessage as Go writes it."""
    settings = {
        "heartbeat": {"hardware_profile": {}, "period_seconds": 60},
        "metrics": {"receiver": {"request_num_samples": 30000, "timeout_seconds": 10}},
        "mounts": [],
    }
    workloads = [
        {**workload, "configmaps": random.sample(maps, len(maps))} if maps else workload
        for workload in device.workloads
        for maps in [workload.get("configmaps", [])]
    ]
    content = {"configuration": settings, "device_id": device_id, "version": str(device.version)}
    if device.secrets:
        content["secrets"] = device.secrets
    return {**content, **({"workloads": workloads} if workloads else {})}


def _in_capitals(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.upper(): _in_capitals(part) for name, part in value.items()}
    return [_in_capitals(item) for item in value] if isinstance(value, list) else value


def _now() -> str:
    return datetime.now(OFFSET).isoformat(timespec="milliseconds")


@asynccontextmanager
async def serving(api: FormerEdgeApi, folder: Path) -> AsyncIterator[FormerEdgeApi]:
    """Serve until the block is left."""
    app = web.Application()
    app.on_response_prepare.append(api.note)
    app.add_routes(
        [
            web.get(f"{BASE}/control/{{id}}/in", api.control_in),
            web.get(f"{BASE}/data/{{id}}/in", api.data_in),
            web.post(f"{BASE}/control/{{id}}/out", api.control_out),
            web.post(f"{BASE}/data/{{id}}/out", api.data_out),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", api.port, ssl_context=_context(api, folder)).start()
    try:
        yield api
    finally:
        await runner.cleanup()


def _context(api: FormerEdgeApi, folder: Path) -> ssl.SSLContext:
    server = api.authority.server()
    certificate, key = folder / "server-02.crt", folder / "server-02.key"
    certificate.write_bytes(server.certificate)
    key.write_bytes(server.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=api.authority.certificate_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= NO_CHECK_TIME
    return context
