"""The workers on this device: registrations, addresses and the messages for them.

See docs/reference/wire-protocol.md#from-the-edge-api-to-the-worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

from flotta.backoff import Backoff
from flotta.gateway.log_once import LogOnce
from flotta.gateway.settings import Timing
from flotta.protocol.directives import DEVICE
from flotta.protocol.grpc import RECEIVED_DISCONNECT, Data, EventNotification, WorkerStub
from flotta.protocol.reasons.device_programs import UNREADABLE_MESSAGE, WORKER_UNAVAILABLE
from flotta.protocol.reasons.reason import with_code

log = logging.getLogger(__name__)

MAX_WAITING = 4  # messages that wait for their workers: each may have 32 MiB
# It becomes the name of a socket. Workers of others have names such as `rhc_playbook`.
HANDLER = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# Fields of proc_pid_stat(5), counted from 1.
AFTER_NAME, STARTTIME = 3, 22
# A worker is on this machine and is called again sooner than the Edge API: divisors of the delays
# `retry_first` and `retry_cap` of `Timing` (seconds).
MESSAGE_RETRY_DIVISORS = 4, 2  # of the first delay and of the longest, for a message
DISCONNECT_RETRY_DIVISOR = 6  # of the longest delay
OTHERS_TIMEOUT = 5.0  # seconds for other workers than `device` to confirm a disconnect
LISTEN_DELAY = 0.2  # seconds; a worker begins to listen after it got its address
DISCONNECT = EventNotification(name=RECEIVED_DISCONNECT)
CALL_ERRORS = (GRPCError, ProtocolError, StreamTerminatedError, OSError, TimeoutError)


class ProcessIdentity(NamedTuple):
    """The identity of a process, which its pid alone is not: pids are reused."""

    pid: int
    start_time: str  # clock ticks since boot, field 22 of proc_pid_stat(5)


class _Latest(NamedTuple):
    """The latest message for a directive, and the SHA-256 of its content."""

    digest: bytes
    message: Data


@dataclass
class Worker:
    """A registered worker and the task that feeds it with the latest message."""

    handler: str
    process: ProcessIdentity | None  # None when found, not registered
    features: dict[str, str]
    channel: Channel
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    taken: bytes = b""  # digest of the last message that it accepted
    told: EventNotification | None = None  # the last event that it confirmed
    feeding: asyncio.Task[None] | None = None
    disconnected: bool = False
    closed: bool = False

    @property
    def alive(self) -> bool:
        """Whether the process that registered still exists."""
        return self.process is not None and _identify_process(self.process.pid) == self.process

    def close(self) -> None:
        """Stop feeding, then drop the connection."""
        self.closed = True
        if self.feeding is not None:
            self.feeding.cancel()
            self.feeding.add_done_callback(lambda _: self.channel.close())
        else:
            self.channel.close()


class Workers:
    """Registered workers by handler, and the latest message for each directive."""

    def __init__(self, folder: Path, timing: Timing, changed: Callable[[], None]) -> None:
        self._folder = folder
        self._timing = timing
        self._changed = changed
        self._workers: dict[str, Worker] = {}
        self._latest: dict[str, _Latest] = {}  # by directive
        self._event: EventNotification | None = None  # that every worker has to know
        self._log_once = LogOnce(log)
        self._arrived = asyncio.Event()

    def adopt_running(self) -> None:
        """Take over workers that registered before this gateway was restarted."""
        for path in sorted(self._folder.glob("*.sock")):
            if _is_handler(path.stem):
                self._add_worker(path.stem, None, {})

    def register(self, handler: str, pid: int, features: Mapping[str, str]) -> str | None:
        """Return the path at which a worker must listen; None while another one is alive.

        It is a path without a scheme, because workers of v0.2 listen at it as it is.
        """
        if not _is_handler(handler):
            return None
        process = _identify_process(pid)
        known = self._workers.get(handler)
        if known and known.process != process and known.alive:
            log.warning(
                "Worker %s (pid %d) is refused: another process serves this handler [%s]",
                handler,
                pid,
                WORKER_UNAVAILABLE,
            )
            return None
        _remove_left_behind(self._socket_path(handler))
        self._add_worker(handler, process, dict(features))
        log.info("Worker %s registered (pid %d)", handler, pid)
        return str(self._socket_path(handler))

    def list_features(self) -> dict[str, dict[str, str]]:
        """Return the features of each handler, for the connection status."""
        return {handler: worker.features for handler, worker in self._workers.items()}

    def deliver(self, message: Data) -> bool:
        """Queue a message for its worker; return whether its content differs from the last.

        Only the latest message for a directive is kept. A worker that registers later,
        or again, gets the latest message then.
        """
        if not self._may_keep(message.directive):
            log.warning(
                "Ignored a message for %r: there is no such worker [%s]",
                message.directive,
                UNREADABLE_MESSAGE,
            )
            return False
        digest = hashlib.sha256(message.content).digest()
        known = self._latest.get(message.directive)
        if known is not None and known.digest == digest:
            return False
        self._latest[message.directive] = _Latest(digest, message)
        worker = self._workers.get(message.directive)
        if worker is None:
            log.info("The message for %r waits until its worker registers", message.directive)
        else:
            worker.wake.set()
        return True

    def announce(self, event: EventNotification) -> None:
        """Tell every worker, also one that registers later, this event instead of the last one."""
        if event == self._event:
            return
        self._event = event
        for worker in self._workers.values():
            worker.wake.set()

    def _may_keep(self, directive: str) -> bool:
        """Tell whether a worker of this name may register, and its message has room until then."""
        waiting = self._latest.keys() - self._workers.keys() - {directive}
        return _is_handler(directive) and len(waiting) < MAX_WAITING

    def forget_messages(self) -> None:
        """Drop all messages received so far."""
        self._latest.clear()

    async def disconnect(self) -> None:
        """Send RECEIVED_DISCONNECT to every worker; return when `device` has confirmed it.

        Other workers get one call each, and little time: they have nothing that came from the
        control plane, and one that does not answer must not keep a device in the fleet.
        See docs/reference/wire-protocol.md#disconnect.
        """
        backoff = Backoff(
            self._timing.retry_first, self._timing.retry_cap / DISCONNECT_RETRY_DIVISOR
        )
        while DEVICE not in self._workers or self._still_connected():
            await asyncio.gather(*map(self._disconnect_worker, self._still_connected()))
            if DEVICE not in self._workers:
                log.warning(
                    "The disconnect waits until the worker %s registers and cleans up [%s]",
                    DEVICE,
                    WORKER_UNAVAILABLE,
                )
                await self.wait_for_worker()
            elif self._still_connected():
                await self.wait_for_worker(backoff.next())

    async def _disconnect_worker(self, worker: Worker) -> None:
        is_device = worker.handler == DEVICE
        seconds = self._timing.cleanup_timeout if is_device else OTHERS_TIMEOUT
        confirmed = await self._call(worker, "disconnect", _notify(worker, DISCONNECT, seconds))
        worker.disconnected = confirmed or not is_device

    async def wait_for_worker(self, seconds: float | None = None) -> None:
        """Wait until a worker registers, at most `seconds` if given."""
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()

    def close(self) -> None:
        """Drop all workers."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def _still_connected(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if not worker.disconnected]

    def _add_worker(
        self, handler: str, process: ProcessIdentity | None, features: dict[str, str]
    ) -> None:
        earlier = self._workers.pop(handler, None)
        if earlier is not None:
            earlier.close()
        worker = Worker(handler, process, features, Channel(path=str(self._socket_path(handler))))
        worker.feeding = asyncio.create_task(self._feed_worker(worker), name=f"feed {handler}")
        self._workers[handler] = worker
        self._arrived.set()
        self._changed()

    def _socket_path(self, handler: str) -> Path:
        return self._folder / f"{handler}.sock"

    async def _feed_worker(self, worker: Worker) -> None:
        """Pass on the latest event and message until the worker accepts them, then the next."""
        first, longest = MESSAGE_RETRY_DIVISORS
        backoff = Backoff(self._timing.retry_first / first, self._timing.retry_cap / longest)
        await asyncio.sleep(LISTEN_DELAY)
        # grpclib turns a cancellation into an error of the call when the connection ends as well.
        while not worker.closed:
            worker.wake.clear()
            accepted = await self._pass_event(worker), await self._pass_message(worker)
            if all(accepted):
                backoff.reset()
                await worker.wake.wait()
            else:
                await asyncio.sleep(backoff.next())

    async def _pass_event(self, worker: Worker) -> bool:
        """Tell the worker the latest event; tell whether it knows it."""
        event = self._event
        if event is None or event is worker.told:
            return True
        call = _notify(worker, event, self._timing.worker_timeout)
        if not await self._call(worker, "event", call):
            return False
        worker.told = event
        return True

    async def _pass_message(self, worker: Worker) -> bool:
        """Send the latest message; tell whether the worker has it."""
        latest = self._latest.get(worker.handler)
        if latest is None or latest.digest == worker.taken:
            return True
        call = WorkerStub(worker.channel).Send(latest.message, timeout=self._timing.worker_timeout)
        if not await self._call(worker, "message", call):
            return False
        worker.taken = latest.digest
        return True

    async def _call(self, worker: Worker, what: str, call: Awaitable[object]) -> bool:
        """Carry out a call; tell whether the worker confirmed it, and log if it did not."""
        activity = f"{what} for worker {worker.handler}"
        try:
            await call
        except CALL_ERRORS as error:
            reason = f"the worker did not confirm it ({_describe_error(error)})"
            self._log_once.failed(activity, with_code(reason, WORKER_UNAVAILABLE))
            return False
        self._log_once.recovered(activity)
        return True


async def _notify(worker: Worker, event: EventNotification, seconds: float) -> None:
    try:
        await WorkerStub(worker.channel).NotifyEvent(event, timeout=seconds)
    except GRPCError as error:
        if event is DISCONNECT or error.status is not Status.UNIMPLEMENTED:
            raise  # a worker may know no events, but must confirm that it removed everything


def _is_handler(text: str) -> bool:
    return HANDLER.fullmatch(text) is not None


def _remove_left_behind(path: Path) -> None:
    """Remove a socket at which nobody listens: a worker of v0.2 cannot listen where there is one.

    It does not expect it, because its own gateway gives it another, abstract name each time.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                path.unlink()
        except OSError:
            pass  # there is none, or somebody listens who is busy


def _identify_process(pid: int) -> ProcessIdentity | None:
    """Return the identity of a process, None when it does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    _, _, fields = stat.rpartition(")")  # the name in brackets may contain anything
    return ProcessIdentity(pid, fields.split()[STARTTIME - AFTER_NAME])


def _describe_error(error: BaseException) -> str:
    return str(error) or type(error).__name__
