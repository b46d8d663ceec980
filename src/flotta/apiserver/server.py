"""The whole server: its parts are assembled and run until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from pathlib import Path

from flotta import daemon
from flotta.apiserver.catalogue import build_registry
from flotta.apiserver.controllers.expiry import EventExpiry
from flotta.apiserver.controllers.garbage import GarbageCollector
from flotta.apiserver.controllers.namespaces import NamespaceController
from flotta.apiserver.core.namespace import INITIAL
from flotta.apiserver.http import responses
from flotta.apiserver.http.authn import engine_context, identify
from flotta.apiserver.http.authorization import Authorization
from flotta.apiserver.http.discovery import Discovery
from flotta.apiserver.http.documents import Documents
from flotta.apiserver.http.router import Router, Services
from flotta.apiserver.http.streams import Streams
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.admission import admit_object
from flotta.apiserver.objects.metadata import prepare_new
from flotta.apiserver.objects.writes import Objects
from flotta.apiserver.schema.openapi import make_documents
from flotta.apiserver.storage.database import Database
from flotta.apiserver.storage.store import Store
from flotta.apiserver.storage.watch_cache import (
    KEPT_BYTES,
    KEPT_EVENTS,
    KEPT_SECONDS,
    ObjectKey,
    WatchCache,
)
from flotta.resources import crds, roles
from flotta.serving.http_server import HttpServer
from flotta.serving.limits import Limits

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 5.0  # that requests in progress have at the end
OPEN_SECONDS = 900  # in which a database of many GiB of an earlier release is read and rewritten
PKI_FILES = ("ca.crt", "server.crt", "server.key")


@dataclass(frozen=True)
class Settings:
    """The options of `flotta-apiserver serve`."""

    host: str
    port: int
    database: Path
    pki: Path
    kept_events: int = KEPT_EVENTS
    kept_seconds: float = KEPT_SECONDS
    kept_bytes: int = KEPT_BYTES


async def run_server(settings: Settings) -> None:
    """Run the resource API until SIGTERM or SIGINT."""
    _check_pki(settings.pki)
    stop = daemon.stop_event()
    watch_cache = WatchCache(settings.kept_events, settings.kept_seconds, settings.kept_bytes)
    daemon.notify(f"EXTEND_TIMEOUT_USEC={OPEN_SECONDS * 1_000_000}")
    store = Store(Database(settings.database), watch_cache)
    store.start()
    services = _make_services(store)
    await _create_namespaces(services.objects)
    controllers = _start_controllers(services.objects)
    http = await _start_listening(Router(services), settings)
    daemon.notify("READY=1")
    await _wait_for_end(stop, controllers)
    daemon.notify("STOPPING=1")
    services.streams.stop()
    await http.stop()
    for task in controllers:
        task.cancel()
    await asyncio.gather(*controllers, return_exceptions=True)
    await store.stop()


def _check_pki(pki: Path) -> None:
    missing = [name for name in PKI_FILES if not (pki / name).exists()]
    if missing:
        names = ", ".join(missing)
        raise ValueError(f"{names} missing in {pki}: run `flotta-apiserver init` first")


def _make_services(store: Store) -> Services:
    registry = build_registry(crds.load())
    return Services(
        Objects(store, registry),
        Authorization(roles.load()),
        Discovery(registry),
        Documents(make_documents(registry.resources)),
        Streams(),
    )


def _start_controllers(objects: Objects) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(GarbageCollector(objects).run(), name="garbage"),
        asyncio.create_task(NamespaceController(objects).run(), name="namespaces"),
        asyncio.create_task(EventExpiry(objects).run(), name="event expiry"),
    ]


async def _wait_for_end(stop: asyncio.Event, controllers: list[asyncio.Task[None]]) -> None:
    """Wait for the signal to stop; a controller that ends by itself ends the server."""
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([waiting, *controllers], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        await task


async def _start_listening(router: Router, settings: Settings) -> HttpServer:
    authority, certificate, key = (settings.pki / name for name in PKI_FILES)
    context = engine_context(certificate, key, authority)
    # After SIGHUP a renewed certificate serves new connections.
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGHUP, context.load_cert_chain, certificate, key
    )
    http = HttpServer(
        router.application(),
        "flotta-apiserver",
        Limits.of_descriptors(),
        identify=identify,
        error_response=responses.error_response,
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    port = await http.start(settings.host, settings.port, context)
    log.info("Listening on %s port %d", settings.host, port)
    return http


async def _create_namespaces(objects: Objects) -> None:
    resource = objects.registry.namespaces
    for name in INITIAL:
        key = ObjectKey(resource.qualified, "", name)
        if objects.store.newest(key) is not None:
            continue
        head: JsonObject = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        prepare_new(head, resource)
        namespace, _ = admit_object(head, resource, None)
        await objects.store.put(key, namespace)
