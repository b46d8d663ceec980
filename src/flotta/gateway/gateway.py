"""The gateway as a whole: runs its parts side by side and connects them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from flotta.daemon import notify
from flotta.gateway.certificate_requests import CertificateRequests
from flotta.gateway.clock import Clock
from flotta.gateway.decommission import Decommission
from flotta.gateway.dispatcher import DispatcherService
from flotta.gateway.edge_api_client import Channel, EdgeApiClient
from flotta.gateway.errors import GatewayError, IdentityUnusable
from flotta.gateway.facts import ConnectionStatus, build_connection_status
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity import Identity
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.inbox import deliver_data, execute_command, read_delay
from flotta.gateway.joining_status import JoiningStatusFile
from flotta.gateway.outbox import Outbox
from flotta.gateway.polls import Poll
from flotta.gateway.quarantine import announce_acceptance, announce_refusal
from flotta.gateway.rejoining import Rejoining
from flotta.gateway.renewal import Renewal
from flotta.gateway.settings import Settings
from flotta.gateway.workers import Workers
from flotta.protocol import directives
from flotta.protocol.envelope import Message, encode, new_data_message, new_message
from flotta.protocol.reasons.device_programs import IDENTITY_REMAINS
from flotta.protocol.unix_server import GuardedServer
from flotta.unforeseen import run_again

log = logging.getLogger(__name__)

ANNOUNCEMENT_DELAY = 0.5  # seconds in which several changes of workers become one announcement
MICROSECONDS = 1_000_000  # of a second
JOINING = frozenset({directives.ENROLMENT, directives.REGISTRATION})
SIGNS_OF_LIFE = 2  # keep-alives within WatchdogSec, as sd_watchdog_enabled(3) recommends
OFFLINE_TIMEOUT = 3.0  # seconds for the last message at shutdown


class Gateway:
    """Connects the parts and runs them until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        clock = Clock(settings.state_folder / "clock")
        registration_files = (settings.cert_file, settings.key_file)
        self._store = IdentityStore(
            settings.device_folder, registration_files, settings.ca_root, settings.device_id
        )
        self._edge_api = EdgeApiClient(settings, self._store, clock)
        self._joining = JoiningStatusFile(settings, self._store)
        self._status_changed = asyncio.Event()
        self._workers = Workers(settings.workers_folder, settings.timing, self._status_changed.set)
        self._certificate_requests = CertificateRequests(
            settings, self._store, self._edge_api, self._use_new_identity
        )
        self._renewal = Renewal(
            self._store, self._certificate_requests, clock, settings.timing, settings.device_id
        )
        self._outbox = Outbox(
            settings.device_id,
            self._store,
            self._edge_api,
            self._certificate_requests,
            self._renewal,
        )
        self._rejoining = Rejoining(
            settings, self._store, self._certificate_requests, self._post_data, self._joining
        )
        self._outbox.on_unregistered = self._rejoining.request_rejoin
        self._outbox.on_response = self._note_delivery
        self._outbox.on_failed = self._note_failure
        self._decommission = Decommission(
            settings, self._store, self._edge_api, self._workers, clock
        )
        self._may_poll = asyncio.Event()
        self._disconnect: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve workers and follow the Edge API until `stop` is set."""
        server = GuardedServer(
            [DispatcherService(self.settings, self._workers, self._outbox)], self.settings.users
        )
        await server.listen(str(self.settings.socket), self.settings.group)
        try:
            self._joining.note_start()
            self._workers.adopt_running()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._run_until_parked()),
                    group.create_task(_feed_watchdog()),
                ]
                notify("READY=1")
                await stop.wait()
                notify("STOPPING=1")
                for task in tasks:
                    task.cancel()
            await self._announce_offline()
        finally:
            server.close()
            self.settings.socket.unlink(missing_ok=True)
            self._joining.remove()
            self._workers.close()
            self._edge_api.reconnect()

    async def _run_until_parked(self) -> None:
        if not self._decommission.marker.exists():
            self._check_identity()
            await self._follow_edge_api()
            await self._decommission.run(self._disconnect.result())
        self._outbox.closed = True
        self._may_poll.clear()
        self._joining.note_removed()
        await self._decommission.park()

    def _check_identity(self) -> None:
        settings = self.settings
        self._store.rewrite_keys()
        try:
            identity = self._store.load_current()
        except IdentityUnusable as error:
            log.error("%s", error)
            self._joining.note_error(error)
            return
        log.info(
            "Device %s, server %s, %s certificate valid to %s",
            settings.device_id,
            settings.server,
            identity.peer.kind,
            identity.peer.not_after.isoformat(timespec="seconds"),
        )
        if identity.is_device:
            self._may_poll.set()

    async def _follow_edge_api(self) -> None:
        """Poll, renew and announce until a disconnect command arrives."""
        handlers = {
            directives.PING: self._send_pong,
            directives.RECONNECT: self._reconnect_later,
            directives.DISCONNECT: self._begin_disconnect,
        }
        control = self._make_poll("control", lambda body: execute_command(body, handlers))
        control.on_accepted = self._note_acceptance
        control.on_refused = self._note_refusal
        control.on_failed = self._joining.note_error
        polls = (
            control,
            self._make_poll("data", lambda body: deliver_data(body, self._workers)),
        )
        _, data = polls
        self._outbox.on_configuration_wanted = data.forget
        async with asyncio.TaskGroup() as group:
            runs: list[Callable[[], Awaitable[None]]] = [
                *(partial(poll.run, self._may_poll) for poll in polls),
                self._renewal.run,
                self._rejoining.run,
                self._announce_workers,
            ]
            tasks = [group.create_task(run_again(run)) for run in runs]
            await asyncio.shield(self._disconnect)
            for task in tasks:
                task.cancel()

    def _make_poll(self, channel: Channel, handle_body: Callable[[bytes], Awaitable[bool]]) -> Poll:
        poll = Poll(channel, self.settings, self._store, self._edge_api, handle_body)
        poll.on_accepted = self._confirm_identity
        poll.on_unauthorized = self._renewal.demand
        return poll

    def _note_refusal(self, response: HttpResponse) -> None:
        announce_refusal(response, self._workers)
        self._joining.note_refusal(response)

    def _note_failure(self, directive: str, error: GatewayError | OSError) -> None:
        if directive in JOINING:
            self._joining.note_error(error)

    def _note_delivery(self, directive: str, response: HttpResponse) -> None:
        if directive in JOINING:
            self._joining.note_response(directive, response)
        elif response.ok and response.identity is not None and response.identity.is_device:
            self._joining.note_joined()

    def _note_acceptance(self, identity: Identity) -> None:
        if not self._disconnect.done():  # a device that is removed must not start its pods before
            announce_acceptance(self._workers)
            self._joining.note_joined()
        self._confirm_identity(identity)

    def _confirm_identity(self, identity: Identity) -> None:
        """Remove earlier certificates: the Edge API accepted this one."""
        self._renewal.confirm_identity()
        try:
            self._store.mark_used(identity)
        except OSError as error:
            log.warning(
                "The earlier certificates could not be removed: %s [%s]", error, IDENTITY_REMAINS
            )

    def _use_new_identity(self, _: Identity) -> None:
        self._edge_api.reconnect()
        self._renewal.note_new_identity()
        self._may_poll.set()
        self._status_changed.set()
        self._joining.note_joined()

    async def _announce_workers(self) -> None:
        """Report to the Edge API that the device is online and which workers it has; best effort.

        See docs/reference/wire-protocol.md#events-and-connection-status.
        """
        announced: ConnectionStatus | None = None
        self._status_changed.set()
        while True:
            await self._status_changed.wait()
            await self._may_poll.wait()
            await asyncio.sleep(ANNOUNCEMENT_DELAY)
            self._status_changed.clear()
            status = build_connection_status(
                "online", self._workers.list_features(), self.settings.tags
            )
            if status != announced and await self._send_control(
                new_message("connection-status", status)
            ):
                announced = status
                self._joining.note_joined()

    async def _send_control(self, event: Message) -> bool:
        try:
            return (await self._edge_api.post("control", encode(event))).ok
        except GatewayError as error:
            log.debug("A %s message was not sent: %s", event.type, error)
            return False

    async def _post_data(self, directive: str, content: msgspec.Raw) -> HttpResponse:
        return await self._edge_api.post("data", encode(new_data_message(directive, content)))

    async def _announce_offline(self) -> None:
        """Report to the Edge API that this device goes offline, within OFFLINE_TIMEOUT."""
        if self._may_poll.is_set() and not self._outbox.closed:
            status = build_connection_status("offline", {}, self.settings.tags)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OFFLINE_TIMEOUT):
                    await self._send_control(new_message("connection-status", status))

    async def _send_pong(self, command: Message, _: dict[str, str]) -> None:
        await self._send_control(
            new_message("event", directives.PONG, response_to=command.message_id)
        )

    async def _reconnect_later(self, _: Message, arguments: dict[str, str]) -> None:
        """Close the connections, and open them again after the delay in the command."""
        self._may_poll.clear()
        asyncio.get_running_loop().call_later(read_delay(arguments), self._reconnect_now)

    def _reconnect_now(self) -> None:
        self._edge_api.reconnect()
        self._may_poll.set()

    async def _begin_disconnect(self, command: Message, _: dict[str, str]) -> None:
        if not self._disconnect.done():
            self._disconnect.set_result(command.message_id)


async def _feed_watchdog() -> None:
    """Notify systemd that the event loop runs, if the unit has WatchdogSec."""
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    while microseconds:
        notify("WATCHDOG=1")
        await asyncio.sleep(microseconds / MICROSECONDS / SIGNS_OF_LIFE)
