"""Calls of the Edge Configuration API, with retries within a budget of time.

Only what can be repeated is: GET and PUT. Which answer counts as what is in
docs/reference/configuration-api.md#what-the-edge-api-does-with-each-answer.
"""

from __future__ import annotations

import asyncio
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from flotta.backoff import Backoff
from flotta.edge_api.backends.remote.circuit import Circuit
from flotta.edge_api.backends.remote.counters import StoreMetrics
from flotta.edge_api.backends.remote.problems import StoreError
from flotta.edge_api.backends.remote.transport import Answer, Transport
from flotta.edge_api.backends.remote.unexpected import explain

ATTEMPTS = 3  # of one call
RETRY = 0.1, 1.0  # first and longest seconds between two attempts
BUDGET = 9.0  # seconds for all attempts of one call; a device's request needs two of them at most
LIMIT = 64 * 1024  # bytes of an answer
DONE = frozenset({200, 201, 204})  # statuses of a PUT that was carried out
REPEATABLE = frozenset({"GET", "PUT"})


class DeviceName(NamedTuple):
    """A device in the paths of the API."""

    namespace: str
    device_id: str

    @property
    def uid(self) -> str:
        """The UID in the certificate of a device to which the store gives none."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.namespace}/{self.device_id}"))

    def path(self, operation: str) -> str:
        """Return the path of an operation, below the base path."""
        namespace, device_id = (urllib.parse.quote(part, safe="") for part in self)
        return f"/namespaces/{namespace}/devices/{device_id}/{operation}"


@dataclass(frozen=True)
class Call:
    """A call: what is sent, and which statuses are answers to it; others are errors."""

    method: str
    path: str
    statuses: frozenset[int]
    headers: Mapping[str, str]
    body: bytes | None = None
    limit: int = LIMIT

    @property
    def operation(self) -> str:
        """The name in metrics, such as `GET registration`."""
        return f"{self.method} {self.path.partition('?')[0].rpartition('/')[2]}"


class Budget:
    """A time until which calls have to be done, as long as a device waits."""

    def __init__(
        self, seconds: float = BUDGET, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left, 0 for none."""
        return max(0.0, self._end - self._clock())


class StoreClient:
    """Makes calls to one store; all of them pass one circuit breaker."""

    def __init__(
        self, transport: Transport, circuit: Circuit, timeout: float, metrics: StoreMetrics
    ) -> None:
        self._transport = transport
        self._circuit = circuit
        self._timeout = timeout
        self._metrics = metrics

    async def call(self, call: Call, budget: Budget | None = None) -> Answer:
        """Return the answer, whose status is one of those of the call; raises StoreError."""
        budget = budget or Budget()
        backoff = Backoff(*RETRY)
        while True:
            try:
                return await self._attempt(call, budget)
            except StoreError as error:
                delay = backoff.next()
                may_repeat = error.retriable and call.method in REPEATABLE
                is_last = backoff.failures >= ATTEMPTS or budget.left <= delay
                is_no_use = self._circuit.is_open or self._circuit.is_erring
                if not may_repeat or is_last or is_no_use:
                    raise
                await asyncio.sleep(delay)

    async def _attempt(self, call: Call, budget: Budget) -> Answer:
        async with self._transport.turn(budget.left):
            is_probe = self._circuit.enter()
            outcome = "cancelled"
            try:
                answer = await self._send(call, budget)
                outcome = "answered"
            except StoreError as error:
                outcome = "failed"
                if error.is_outage:
                    self._circuit.failed(error, is_probe=is_probe)
                else:
                    self._circuit.answered(error)
                raise
            finally:
                self._circuit.left(is_probe=is_probe)
                self._metrics.count_call(call.operation, outcome)
            self._circuit.succeeded()
            return answer

    async def _send(self, call: Call, budget: Budget) -> Answer:
        """Make one attempt; an error that is not an outage is about what the store answered."""
        answer = await self._transport.call(
            call.method,
            call.path,
            headers=call.headers,
            body=call.body,
            limit=call.limit,
            seconds=min(self._timeout, budget.left),
        )
        if answer.status not in call.statuses:
            raise explain(call.operation, answer)
        return answer
