"""Requests to roll the fleet's CA over, in a ConfigMap of the control plane's namespace.

Neither commands nor operator may read the key of the CA; the Edge API carries requests out
(docs/reference/control-plane.md#rollover-of-the-ca).
"""

from __future__ import annotations

from flotta.identity.rollover import FINISH, ROLL, Phase, RolloverAnswer, RolloverRequest
from flotta.own_names import ROLLOVER_CONFIG_MAP
from flotta.protocol.reasons.authority import CA_ROLLOVER_REFUSED
from flotta.protocol.reasons.reason import NO_REASON, Code
from flotta.protocol.reasons.table import find_rows
from flotta.resources.objects.core import ConfigMap

MAX_ID = 64  # characters of a request's id
PHASES: dict[str | None, Phase] = {"Roll": ROLL, "Finish": FINISH}


def make_request(request: RolloverRequest, namespace: str) -> ConfigMap:
    """Return the ConfigMap of a request that has no answer yet."""
    return {
        "metadata": {"name": ROLLOVER_CONFIG_MAP, "namespace": namespace},
        "data": {
            "phase": request.phase,
            "id": request.id,
            "forced": "true" if request.forced else "false",
            "by": request.by,
        },
    }


def read_request(config_map: ConfigMap | None) -> RolloverRequest | None:
    """Return the request, None when there is none or it was answered."""
    data = (config_map.get("data") if config_map else None) or {}
    phase, identifier = PHASES.get(data.get("phase")), data.get("id", "")
    if phase is None or not 0 < len(identifier) <= MAX_ID or data.get("answeredID") == identifier:
        return None
    return RolloverRequest(identifier, phase, data.get("forced") == "true", data.get("by", ""))


def answer_data(request: RolloverRequest, answer: RolloverAnswer) -> dict[str, str]:
    """Return the entries of `data` that answer a request."""
    return {"answeredID": request.id, "reason": answer.code, "message": answer.message}


def read_answer(config_map: ConfigMap | None, request: RolloverRequest) -> RolloverAnswer | None:
    """Return the answer to a request, None when there is none yet."""
    data = (config_map.get("data") if config_map else None) or {}
    if data.get("answeredID") != request.id:
        return None
    return RolloverAnswer(data.get("message", ""), _read_code(data.get("reason", "")))


def _read_code(text: str) -> Code:
    """Return a code of the table; an Edge API of another release may know further ones."""
    if not text:
        return NO_REASON
    return next((row.code for row in find_rows(text)), CA_ROLLOVER_REFUSED)
