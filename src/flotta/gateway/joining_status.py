"""How far this device has come with joining, in a file for what shows it to people.

The gateway alone knows it: it enrols, registers and polls. The file changes when phase, reason or
sentence do, and not with every attempt (docs/reference/device.md#joining-status).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flotta.durable_files import write_atomically
from flotta.gateway.errors import GatewayError
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.log_once import LogOnce
from flotta.gateway.settings import Settings
from flotta.gateway.status_codes import describe_refusal
from flotta.printable_text import printable
from flotta.protocol.console_code import console_code
from flotta.protocol.directives import ENROLMENT, ENROLMENT_APPROVED
from flotta.protocol.joining import MAX_MESSAGE, JoiningStatus, Phase, encode_joining
from flotta.protocol.reasons.device_programs import DEVICE_REMOVED, NOT_JOINED, NOT_STORED
from flotta.protocol.reasons.reason import NO_REASON, with_code
from flotta.rfc3339 import format_wire_time

log = logging.getLogger(__name__)

FILE = "joining.json"
MODE = 0o640  # the group is that of the socket
# A refusal that does not pass by itself; others, such as 429 and 503, are trouble on the way.
FINAL = frozenset({400, 401, 403, 404})


@dataclass(frozen=True)
class _Known:
    phase: Phase
    reason: str = NO_REASON
    message: str = ""


class JoiningStatusFile:
    """Writes `joining.json` beside the socket of the gateway."""

    def __init__(self, settings: Settings, store: IdentityStore) -> None:
        self._path = settings.socket.parent / FILE
        self._server = settings.server
        self._device_id = settings.device_id
        self._store = store
        self._known: _Known | None = None
        self._log_once = LogOnce(log)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def note_start(self) -> None:
        """Note that nothing is known yet."""
        self._note(_Known(Phase.CONNECTING))

    def note_error(self, error: GatewayError | OSError) -> None:
        """Note that there was no response, and why."""
        text = str(error.args[0]) if isinstance(error, GatewayError) and error.args else str(error)
        reason = error.reason if isinstance(error, GatewayError) else NOT_STORED
        self._note(_Known(Phase.CONNECTING, reason, text))

    def note_response(self, directive: str, response: HttpResponse) -> None:
        """Note the response to an enrolment or a registration."""
        if directive == ENROLMENT and response.status == 200:
            text = f"Request {self._device_id} waits for the approval of an administrator."
            self._note(_Known(Phase.WAITING, NOT_JOINED, text))
        elif not response.ok:
            self.note_refusal(response)
        elif response.status == ENROLMENT_APPROVED and not self._is(Phase.JOINED):
            self.note_start()

    def note_refusal(self, response: HttpResponse) -> None:
        """Note a response that is not a success."""
        phase = Phase.REFUSED if response.status in FINAL else Phase.CONNECTING
        reason, text = describe_refusal(response, self._device_id)
        self._note(_Known(phase, reason, text))

    def note_joined(self) -> None:
        """Note that the control plane takes this device as one of its own."""
        self._note(_Known(Phase.JOINED))

    def note_removed(self) -> None:
        """Note that the device was decommissioned and takes no further part."""
        text = f"Device {self._device_id} was removed from the fleet."
        self._note(_Known(Phase.REFUSED, DEVICE_REMOVED, text))

    def remove(self) -> None:
        """Remove the file: no gateway runs that could keep it true."""
        self._path.unlink(missing_ok=True)

    def _is(self, phase: Phase) -> bool:
        return self._known is not None and self._known.phase is phase

    def _note(self, known: _Known) -> None:
        if known == self._known:
            return
        try:
            write_atomically(self._path, encode_joining(self._describe(known)), MODE)
        except OSError as error:
            text = f"{self._path} cannot be written: {error.strerror}"
            self._log_once.failed("joining status", with_code(text, NOT_STORED))
            return
        self._known = known

    def _describe(self, known: _Known) -> JoiningStatus:
        return JoiningStatus(
            phase=known.phase,
            reason=printable(known.reason, MAX_MESSAGE),
            message=printable(known.message, MAX_MESSAGE),
            code=self._code(),
            server=self._server,
            device_id=self._device_id,
            since=format_wire_time(datetime.now(UTC)),
        )

    def _code(self) -> str:
        fingerprint = self._store.read_key_fingerprint()
        return console_code(fingerprint) if fingerprint else ""
