# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/adoption.py: change that.
"""Adoption: an EdgeDevice accepts the certificate of a device that this control plane did not know.

The device proves its key in the TLS handshake, and the administrator named it; its next renewal
gives it a certificate for the new EdgeDevice. Such a device, and one that joins again with what it
runs, gets no configuration that would remove a workload and its files, unless somebody says so
(docs/reference/control-plane.md#adoption).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..identity.holder import Peer
from ..printable_text import cut
from ..protocol.reasons.conditions import RELEASED
from ..protocol.reasons.refusals import CONFIGURATION_WITHHELD
from ..resources.conditions import ConditionState
from ..resources.kinds import GROUP, WITHHELD_ANNOTATION
from ..resources.objects.devices import EdgeDevice
from ..resources.views import annotations_of, status_of

FORMER_UID_ANNOTATION = f"{GROUP}/former-uid"
FORMER_KEY_ANNOTATION = f"{GROUP}/former-key-fingerprint"
MESSAGE_LIMIT = 4096  # characters; a device may report many workloads


@dataclass(frozen=True)
class FormerIdentity:
    """What a certificate says of a device that was adopted."""

    uid: str  # of its former EdgeDevice; "" in certificates of v0.2
    key_fingerprint: str


def identity_of(peer: Peer) -> FormerIdentity:
    """Return the identity that a device certificate proves."""
    return FormerIdentity(peer.uid or "", peer.public_key_fingerprint)


def former_identity(device: EdgeDevice) -> FormerIdentity | None:
    """Return the identity that an administrator adopted for this EdgeDevice, None for none."""
    annotations = annotations_of(device)
    key = annotations.get(FORMER_KEY_ANNOTATION, "")
    return FormerIdentity(annotations.get(FORMER_UID_ANNOTATION, ""), key) if key else None


def is_withheld(device: EdgeDevice) -> bool:
    """Tell whether the device gets no configuration until it is known to keep what it runs."""
    return annotations_of(device).get(WITHHELD_ANNOTATION) == "true"


def find_losses(running: Iterable[str], delivered: Iterable[str]) -> list[str]:
    """Return the workloads that a device would remove with its files, sorted.

    `running` are those that it reports, `delivered` those that the configuration describes. One in
    `unresolved_workloads` is not among these: the device may have nothing of it to keep.
    """
    return sorted(set(running) - set(delivered))


def forgets_unresolved(device: EdgeDevice) -> bool:
    """Tell whether the agent is one of v0.2, which does not know `unresolved_workloads`.

    Such an agent has sent heartbeats, but no version
    (docs/reference/control-plane.md#broken-references).
    """
    status = status_of(device)
    return bool(status.get("phase")) and not status.get("agentVersion")


def find_unprotected(device: EdgeDevice, unresolved: Collection[str]) -> list[str]:
    """Return the workloads that an agent of v0.2 would remove for a broken reference, sorted.

    `unresolved` are those that its configuration names as `unresolved_workloads`.
    """
    if not unresolved or not forgets_unresolved(device):
        return []
    reported = {entry["name"] for entry in status_of(device).get("workloads") or ()}
    return sorted(reported.intersection(unresolved))


def judge_release(losses: Sequence[str]) -> ConditionState:
    """Return the state of condition ConfigurationReleased, given what the device would lose."""
    if not losses:
        return "True", RELEASED, "The device has reported; its configuration keeps what it runs."
    message = (
        f"The device runs {', '.join(losses)}, which its configuration does not contain. Create "
        "the EdgeWorkloads that are missing, give the EdgeDevice the labels that select them, or "
        "mend what condition Configured names: a workload that cannot be delivered counts as "
        "missing. If the device is to remove them with their files, remove the "
        f"annotation {WITHHELD_ANNOTATION}."
    )
    return "False", CONFIGURATION_WITHHELD, cut(message, MESSAGE_LIMIT)
