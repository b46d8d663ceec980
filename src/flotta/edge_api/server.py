"""The Edge API as a whole: starts and stops its parts in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import Self

from aiohttp import web

from flotta.backoff import Backoff
from flotta.edge_api.admission import admission_middleware
from flotta.edge_api.backends.backend import Backend, BackendError
from flotta.edge_api.backends.factory import make_backend
from flotta.edge_api.certificates import OWN_SECRETS, Certificates, Material
from flotta.edge_api.expiry_watch import ExpiryWatch
from flotta.edge_api.former_authorities import FormerAuthorities
from flotta.edge_api.handlers import Handlers
from flotta.edge_api.messages import MAX_BODY
from flotta.edge_api.metrics import EdgeApiMetrics
from flotta.edge_api.middleware import error_middleware
from flotta.edge_api.owners import device_prefix, identify
from flotta.edge_api.rate_limits import RateLimits
from flotta.edge_api.refusals import Refusal, error_response
from flotta.edge_api.rollover import Rollover
from flotta.edge_api.routes import add_routes
from flotta.edge_api.settings import Settings
from flotta.identity.errors import IdentityError
from flotta.monitoring import MonitoringServer
from flotta.protocol.reasons.refusals import BODY_TIMEOUT, MALFORMED_REQUEST, UNSUPPORTED_ENCODING
from flotta.protocol.reasons.workloads import INTERNAL_ERROR, STARTING
from flotta.serving.http_server import HttpServer
from flotta.serving.limits import Limits

RENEWAL_CHECK = 3600.0  # seconds
RENEWAL_RETRY = 5.0, 60.0  # first and longest seconds until failed certificates are tried again
START_RETRY = 0.5, 10.0  # first and longest seconds between two attempts to read the certificates
log = logging.getLogger(__name__)


class EdgeApiServer:
    """One server; `port` and `monitoring_port` are known after `start`.

    It owns its backend: `stop` closes it, also when `start` failed or was not called.
    """

    def __init__(self, settings: Settings, metrics: EdgeApiMetrics, backend: Backend) -> None:
        self._settings = settings
        self.metrics = metrics
        self._backend = backend
        self._certificates = Certificates(
            backend.secrets, settings, wants_client=backend.wants_certificate
        )
        self._rollover = Rollover(backend.secrets, backend.authority, settings)
        self._expiry = ExpiryWatch(backend, metrics)
        self._former = FormerAuthorities()
        self._limits = RateLimits(settings.enrolments_per_second)
        self._handlers = Handlers(
            self._backend,
            lambda: self._current,
            settings.certificate_days,
            self._limits,
            self.metrics,
            knows_addresses=settings.has_proxy_protocol,
        )
        self._monitoring = MonitoringServer(
            registry=self.metrics.registry, unhealthy=list, unready=self._unready
        )
        self._material: Material | None = None
        self._http = HttpServer(
            self._application(),
            "flotta-edge-api",
            Limits.of_descriptors(
                settings.max_connections, by_address=settings.has_address_fairness
            ),
            identify=identify,
            error_response=_refuse,
            count=self.metrics.count_cap,
            handler_cancellation=True,  # a client that goes away frees its held request
            proxy_protocol=settings.has_proxy_protocol,
            refuses_coded_bodies=False,  # `admission` does
        )
        backend.on_shut_out(self._close_connections)
        self._secret_changed = asyncio.Event()
        self._draining = False
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0
        self.monitoring_port = 0

    @classmethod
    async def create(cls, settings: Settings) -> Self:
        """Return a server with the backend that the settings name.

        Raises ValueError with a sentence when that cannot be set up.
        """
        metrics = EdgeApiMetrics()
        return cls(settings, metrics, await make_backend(settings, metrics))

    async def start(self) -> None:
        """Serve; returns when the backend is ready and devices can connect."""
        if self._settings.metrics_address is not None:
            self.monitoring_port = await self._monitoring.listen(*self._settings.metrics_address)
        self._backend.secrets.subscribe(self._watch_secret)
        self._backend.authority.subscribe(self._secret_changed.set)
        self._secret_changed.set()  # what was asked for while no server ran
        self._tasks.append(asyncio.create_task(self._backend.run()))
        self._material = await self._wait_for_material()
        self._former.follow(self._material.authority.certificate_pem)
        await self._lead_backend(self._material)
        await self._backend.wait_ready()
        self.port = await self._http.start(
            self._settings.bind_address, self._settings.port, self._material.make_context()
        )
        self._tasks.append(asyncio.create_task(self._keep_certificates()))
        self._tasks.append(asyncio.create_task(self._certificates.requested.run()))
        log.info("Serving devices on %s port %d", self._settings.bind_address, self.port)

    async def drain(self) -> None:
        """Report "not ready", and keep serving devices that still connect here."""
        self._draining = True
        await asyncio.sleep(self._settings.drain_seconds)

    async def stop(self) -> None:
        """Answer held requests, finish running ones, write what is only in memory."""
        try:
            await self._finish()
        finally:
            await self._backend.close()

    async def _finish(self) -> None:
        self._handlers.stop()
        self._backend.release_requests()
        await self._http.stop()
        with contextlib.suppress(BackendError):
            await self._backend.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._monitoring.close()

    async def wait_for_failure(self) -> None:
        """Wait until a background task ends, which it never should; raises its error."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    @property
    def _current(self) -> Material:
        if self._material is None:
            raise Refusal(503, "the server is starting", reason=STARTING, retry_after=2)
        return self._material

    def _unready(self) -> list[str]:
        if self._draining:
            return ["the server is stopping"]
        if reason := self._backend.unready_reason:
            return [reason]
        if self.port == 0 or self._material is None:  # it does not listen before it has a port
            return ["the server is starting"]
        if not self._material.is_valid(datetime.now(UTC)):
            return ["the server certificate is not valid now"]
        return []

    async def _wait_for_material(self) -> Material:
        """Retry while the backend is unreachable.

        An unusable secret ends the start with an error.
        """
        backoff = Backoff(*START_RETRY)
        while True:
            try:
                await self._rollover.follow()  # an expired CA can do nothing else
                return await self._certificates.ensure(starting=True)
            except BackendError as error:
                delay = backoff.next()
                log.warning("Certificates cannot be read: %s; trying again in %.1f s", error, delay)
                await asyncio.sleep(delay)

    def _close_connections(self, namespace: str, device_id: str) -> None:
        """Close what a quarantined device keeps open; a request in progress gets its refusal."""
        self._http.close_idle(device_prefix(namespace, device_id))

    def _watch_secret(self, name: str) -> None:
        if name in OWN_SECRETS:
            self._secret_changed.set()
        else:
            self._certificates.requested.note(name)

    async def _keep_certificates(self) -> None:
        backoff = Backoff(*RENEWAL_RETRY)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEWAL_CHECK):
                    await self._secret_changed.wait()
            self._secret_changed.clear()
            if await self._renew():
                backoff.reset()
            else:
                await asyncio.sleep(backoff.next())
                self._secret_changed.set()

    async def _renew(self) -> bool:
        """Follow a request and renew what is due; return whether both were possible.

        One that cannot be carried out does not keep certificates from being renewed, and neither
        keeps anybody from learning what expires.
        """
        done = True
        try:
            await self._rollover.follow()
        except BackendError as error:
            log.error("The rollover of the CA cannot be carried out now: %s", error)
            done = False
        try:
            await self._use_material(await self._certificates.ensure())
        except (BackendError, IdentityError) as error:
            log.error("Certificates cannot be renewed, the current ones stay in use: %s", error)
            done = False
        await self._publish(self._current)
        await self._expiry.check(self._current)
        return done

    async def _publish(self, material: Material) -> None:
        try:
            await self._backend.authority.publish(material.public)
        except BackendError as error:
            log.warning("The certificates without keys cannot be published: %s", error)

    async def _use_material(self, material: Material) -> None:
        old = self._material
        if old and _differs(old, material):
            self._http.replace_context(material.make_context())
            log.info("New certificates are in use")
        if old is None or _leads_elsewhere(old, material):
            await self._lead_backend(material)
        self._material = material
        if self._former.follow(material.authority.certificate_pem):
            await self._http.close_of(self._former.shuts_out)

    async def _lead_backend(self, material: Material) -> None:
        key = material.client.key if material.client else b""
        await self._backend.follow(material.authority.certificate_pem, material.client_chain, key)

    def _application(self) -> web.Application:
        app = web.Application(
            middlewares=[
                error_middleware(self.metrics),
                admission_middleware(self._limits, self._former.shuts_out),
            ],
            client_max_size=MAX_BODY,
        )
        add_routes(app.router, self._handlers)
        return app


def _refuse(status: int, sentence: str) -> web.Response:
    """Return the response to what never reaches a handler, such as something that is not HTTP."""
    match status:
        case 400:
            return error_response(400, sentence, MALFORMED_REQUEST)
        case 408:
            return error_response(408, sentence, BODY_TIMEOUT)
        case 415:
            return error_response(415, sentence, UNSUPPORTED_ENCODING)
    return error_response(status, sentence, INTERNAL_ERROR)


def _leads_elsewhere(old: Material, new: Material) -> bool:
    """Tell whether the backend needs another certificate, or trusts other CAs."""
    return (old.client, old.stored.cross, old.authority.certificate_pem) != (
        new.client,
        new.stored.cross,
        new.authority.certificate_pem,
    )


def _differs(old: Material, new: Material) -> bool:
    return (old.server, old.stored.cross, old.authority.certificate_pem) != (
        new.server,
        new.stored.cross,
        new.authority.certificate_pem,
    )
