"""The gateway as a whole: what runs side by side, and what one part's news mean for the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable

import msgspec

from flotta.daemon import notify
from flotta.gateway.clock import Clock
from flotta.gateway.decommission import Decommission
from flotta.gateway.dispatcher import Dispatcher
from flotta.gateway.edge_api import Channel, EdgeApi
from flotta.gateway.errors import GatewayError, IdentityUnusable
from flotta.gateway.facts import connection_status
from flotta.gateway.inbox import delay, take_command, take_data
from flotta.gateway.lane import Answer
from flotta.gateway.outbox import Outbox
from flotta.gateway.pairs import Identity
from flotta.gateway.polls import Poll
from flotta.gateway.registration import Registration
from flotta.gateway.rejoining import Rejoining
from flotta.gateway.renewal import Renewal
from flotta.gateway.settings import Settings
from flotta.gateway.store import IdentityStore
from flotta.gateway.workers import Workers
from flotta.protocol import directives
from flotta.protocol.envelope import Message, data_message, encode, message
from flotta.protocol.unix_server import GuardedServer

log = logging.getLogger(__name__)

GATHERING = 0.5  # seconds in which several changes of workers make one announcement
FAREWELL = 3.0  # seconds for the last message at shutdown


class Gateway:
    """Wire the parts together and run them until asked to stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        clock = Clock(settings.state_folder / "clock")
        pair = (settings.cert_file, settings.key_file)
        self._store = IdentityStore(
            settings.device_folder, pair, settings.ca_root, settings.device_id
        )
        self._edge_api = EdgeApi(settings, self._store, clock)
        self._announce = asyncio.Event()
        self._workers = Workers(settings.workers_folder, settings.pace, self._announce.set)
        self._registration = Registration(settings, self._store, self._edge_api, self._installed)
        self._renewal = Renewal(
            self._store, self._registration, clock, settings.pace, settings.device_id
        )
        self._outbox = Outbox(
            settings.device_id, self._store, self._edge_api, self._registration, self._renewal
        )
        self._rejoining = Rejoining(settings, self._store, self._registration, self._post_data)
        self._outbox.unregistered = self._rejoining.need
        self._decommission = Decommission(
            settings, self._store, self._edge_api, self._workers, clock
        )
        self._gate = asyncio.Event()
        self._disconnect: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve workers and follow the Edge API until `stop` is set."""
        server = GuardedServer(
            [Dispatcher(self.settings, self._workers, self._outbox)], self.settings.users
        )
        await server.listen(str(self.settings.socket), self.settings.group)
        try:
            self._workers.find()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._live()), group.create_task(_watchdog())]
                notify("READY=1")
                await stop.wait()
                notify("STOPPING=1")
                for task in tasks:
                    task.cancel()
            await self._farewell()
        finally:
            server.close()
            self.settings.socket.unlink(missing_ok=True)
            self._workers.close()
            self._edge_api.reconnect()

    async def _live(self) -> None:
        if not self._decommission.marker.exists():
            self._introduce()
            await self._follow()
            await self._decommission.run(self._disconnect.result())
        self._outbox.closed = True
        self._gate.clear()
        await self._decommission.park()

    def _introduce(self) -> None:
        settings = self.settings
        try:
            identity = self._store.current()
        except IdentityUnusable as error:
            log.error("%s", error)
            return
        log.info(
            "Device %s, server %s, %s certificate valid to %s",
            settings.device_id,
            settings.server,
            identity.peer.kind,
            identity.peer.not_after.isoformat(timespec="seconds"),
        )
        if identity.is_device:
            self._gate.set()

    async def _follow(self) -> None:
        """Poll, renew and announce until a disconnect command arrives."""
        handlers = {
            directives.PING: self._pong,
            directives.RECONNECT: self._reconnect,
            directives.DISCONNECT: self._leave,
        }
        polls = (
            self._poll("control", lambda body: take_command(body, handlers)),
            self._poll("data", lambda body: take_data(body, self._workers)),
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(poll.run(self._gate)) for poll in polls]
            tasks.append(group.create_task(self._renewal.run()))
            tasks.append(group.create_task(self._rejoining.run()))
            tasks.append(group.create_task(self._announcements()))
            await asyncio.shield(self._disconnect)
            for task in tasks:
                task.cancel()

    def _poll(self, channel: Channel, take: Callable[[bytes], Awaitable[bool]]) -> Poll:
        poll = Poll(channel, self.settings, self._store, self._edge_api, take)
        poll.accepted = self._accepted
        poll.unauthorized = self._renewal.demand
        return poll

    def _accepted(self, identity: Identity) -> None:
        """The Edge API answered to this certificate: earlier ones are not needed any more."""
        self._renewal.confirm()
        try:
            self._store.mark_used(identity)
        except OSError as error:
            log.warning("The earlier certificates could not be removed: %s", error)

    def _installed(self, _: Identity) -> None:
        self._edge_api.reconnect()
        self._renewal.identity_changed()
        self._gate.set()
        self._announce.set()

    async def _announcements(self) -> None:
        """Tell the Edge API that the device is online and which workers it has; best effort."""
        said: dict[str, object] | None = None
        self._announce.set()
        while True:
            await self._announce.wait()
            await self._gate.wait()
            await asyncio.sleep(GATHERING)
            self._announce.clear()
            status = connection_status("online", self._workers.features(), self.settings.tags)
            if status != said and await self._say(message("connection-status", status)):
                said = status

    async def _say(self, event: Message) -> bool:
        try:
            return (await self._edge_api.post("control", encode(event))).good
        except GatewayError as error:
            log.debug("A %s message was not sent: %s", event.type, error)
            return False

    async def _post_data(self, directive: str, content: msgspec.Raw) -> Answer:
        return await self._edge_api.post("data", encode(data_message(directive, content)))

    async def _farewell(self) -> None:
        """Say that this device goes offline, if that is quickly done."""
        if self._gate.is_set() and not self._outbox.closed:
            status = connection_status("offline", {}, self.settings.tags)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._say(message("connection-status", status))

    async def _pong(self, command: Message, _: dict[str, str]) -> None:
        await self._say(message("event", directives.PONG, response_to=command.message_id))

    async def _reconnect(self, _: Message, arguments: dict[str, str]) -> None:
        """Close the connections, and open them again after the delay that was asked for."""
        self._gate.clear()
        asyncio.get_running_loop().call_later(delay(arguments), self._resume)

    def _resume(self) -> None:
        self._edge_api.reconnect()
        self._gate.set()

    async def _leave(self, command: Message, _: dict[str, str]) -> None:
        if not self._disconnect.done():
            self._disconnect.set_result(command.message_id)


async def _watchdog() -> None:
    """Show systemd that the loop turns, where the unit asks for it (WatchdogSec)."""
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    while microseconds:
        notify("WATCHDOG=1")
        await asyncio.sleep(microseconds / 2_000_000)
