"""The server as a whole: database, TLS, HTTP, until a signal stops it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from flotta import daemon
from flotta.configuration_api.application import error_response, make_application
from flotta.configuration_api.clients import identify
from flotta.configuration_api.handlers import Handlers, JoiningRules
from flotta.configuration_api.store import Store
from flotta.identity.ssl_contexts import server_context
from flotta.serving.http_server import HttpServer
from flotta.serving.limits import Limits

NAME = "flotta-configuration-api"
LOOK_SECONDS = 10.0  # between two looks at the certificate files
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TlsFiles:
    """The files of the server's certificate and key and of the CA of its clients, PEM."""

    certificate: Path
    key: Path
    client_ca: Path

    def make_context(self) -> ssl.SSLContext:
        """Return a context; raises ValueError with a sentence for files that cannot be used."""
        try:
            return server_context(self.certificate, self.key, self.client_ca)
        except OSError as error:  # ssl.SSLError is one
            names = ", ".join(map(str, (self.certificate, self.key, self.client_ca)))
            raise ValueError(f"TLS cannot be set up with {names}: {error}") from error

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Return what changes when one of the files is replaced."""
        found = [path.stat() for path in (self.certificate, self.key, self.client_ca)]
        return tuple((status.st_ino, status.st_mtime_ns) for status in found)


@dataclass(frozen=True)
class Settings:
    """The options of `flotta-configuration-api serve`; without `tls`, plain http on a loopback."""

    host: str
    port: int
    database: Path
    tls: TlsFiles | None
    client_name: str
    rules: JoiningRules = field(default_factory=JoiningRules)

    def check(self) -> None:
        """Raise ValueError for plain http on an address that others can reach."""
        if self.tls is None and not _is_loopback(self.host):
            raise ValueError(
                f"--insecure-http serves whoever connects, so it is for a loopback address only, "
                f"not for {self.host}: use --cert, --key and --client-ca"
            )


class ConfigurationApiServer:
    """One server; `port` is known after `start`."""

    def __init__(self, settings: Settings) -> None:
        settings.check()
        self._settings = settings
        self._store = Store(settings.database)
        name = settings.client_name if settings.tls else None
        self._http = HttpServer(
            make_application(Handlers(self._store, settings.rules), name),
            NAME,
            Limits.of_descriptors(),
            identify=identify(name),
            error_response=error_response,
            handler_cancellation=True,  # an Edge API that goes away frees its held request
        )
        self._watching: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Serve; raises ValueError (DatabaseError is one) or OSError when that is not possible."""
        tls = self._settings.tls
        context = tls.make_context() if tls else None
        await self._store.start()
        self.port = await self._http.start(self._settings.host, self._settings.port, context)
        if tls is not None:
            self._watching = asyncio.create_task(self._follow(tls))
        log.info(
            "Serving %s on %s port %d, %s",
            self._settings.database,
            self._settings.host,
            self.port,
            f"for {self._settings.client_name}" if tls else "WITHOUT TLS, for everybody here",
        )

    async def stop(self) -> None:
        """Answer held requests, finish running ones, write what waits."""
        if self._watching is not None:
            self._watching.cancel()
        self._store.release()
        await self._http.stop()
        await self._store.close()

    async def _follow(self, tls: TlsFiles) -> None:
        """Use renewed files for new connections."""
        used = tls.stamp()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                found = tls.stamp()
                if found == used:
                    continue
                self._http.replace_context(tls.make_context())
            except (OSError, ValueError) as error:
                log.error("The former certificate stays in use: %s", error)
                continue
            used = found
            log.info("New certificates are in use")


async def run_server(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP changes nothing, files are followed."""
    stop = daemon.stop_event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    server = ConfigurationApiServer(settings)
    try:
        await server.start()
        daemon.notify("READY=1")
        await stop.wait()
    finally:
        daemon.notify("STOPPING=1")
        await server.stop()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
