"""Joining again without the worker, when the device certificate is lost or of another fleet.

A worker that has registered once keeps working with its stored configuration and does not enrol
again. So when it sends messages while the gateway has only the registration certificate (a new
control plane, a changed device id, damaged files), the gateway enrols and registers by itself; the
hardware follows with the worker's heartbeats (docs/reference/device.md#joining-again).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import msgspec

from flotta.backoff import Backoff
from flotta.gateway.certificate_requests import CertificateRequests
from flotta.gateway.errors import GatewayError, describe_error
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.joining_status import JoiningStatusFile
from flotta.gateway.log_once import LogOnce
from flotta.gateway.settings import Settings
from flotta.gateway.status_codes import explain_refusal
from flotta.protocol.directives import ENROLMENT, ENROLMENT_APPROVED, REGISTRATION

log = logging.getLogger(__name__)

WORKER_TIMEOUT = 5.0  # seconds in which a worker may enrol by itself

PostMessage = Callable[[str, msgspec.Raw], Awaitable[HttpResponse]]


class Rejoining:
    """Enrols and registers when it is needed."""

    def __init__(
        self,
        settings: Settings,
        store: IdentityStore,
        certificate_requests: CertificateRequests,
        post: PostMessage,
        joining: JoiningStatusFile,
    ) -> None:
        self._device_id = settings.device_id
        self._timing = settings.timing
        self._store = store
        self._certificate_requests = certificate_requests
        self._post = post
        self._joining = joining
        self._needed = asyncio.Event()
        self._log_once = LogOnce(log)

    def request_rejoin(self) -> None:
        """Join again: a worker sent a message, but the device has no certificate of its own."""
        self._needed.set()

    async def run(self) -> None:
        """Join whenever it is needed, until cancelled."""
        while True:
            await self._needed.wait()
            await asyncio.sleep(min(WORKER_TIMEOUT, self._timing.quick_delay))
            await self._join()
            self._needed.clear()

    async def _join(self) -> None:
        backoff = Backoff(self._timing.retry_first, self._timing.retry_cap)
        while not self._has_certificate():
            wait = 0.0
            try:
                response = await self._try_to_join()
                if response.status == 200:
                    break
                self._log_once.failed("joining again", explain_refusal(response, self._device_id))
                wait = response.retry_after
            except (GatewayError, OSError) as error:
                self._log_once.failed("joining again", describe_error(error))
                self._joining.note_error(error)
            await asyncio.sleep(backoff.next(wait))
        self._log_once.recovered("joining again")

    async def _try_to_join(self) -> HttpResponse:
        enrolment = self._certificate_requests.add_fingerprint(b'{"features":{}}')
        response = await self._post(ENROLMENT, enrolment)
        self._joining.note_response(ENROLMENT, response)
        if response.status == 200:  # recorded, not approved yet
            return HttpResponse(404, response.headers)
        if response.status != ENROLMENT_APPROVED:
            return response
        response = await self._certificate_requests.register(
            b"{}", lambda content: self._post(REGISTRATION, content)
        )
        self._joining.note_response(REGISTRATION, response)
        return response

    def _has_certificate(self) -> bool:
        with contextlib.suppress(GatewayError):
            return self._store.load_current().is_device
        return False
