# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/membership.py: change that.
"""Which device certificates an EdgeDevice accepts.

The rules are in docs/reference/wire-protocol.md#device-id-and-namespace.
"""

from __future__ import annotations

from datetime import timedelta

from ..fleet.adoption import former_identity, identity_of
from ..fleet.former_keys import KeyReplacement
from ..identity.holder import Peer
from ..resources.objects.devices import EdgeDevice
from ..resources.views import uid_of
from ..rfc3339 import parse_time

# Certificates of v0.2 name no EdgeDevice UID, and begin a day before they were signed.
BACKDATED = timedelta(days=1, minutes=5)


def accepts(device: EdgeDevice, peer: Peer) -> bool:
    """Tell whether a certificate for the name of an EdgeDevice was issued for this very object."""
    if former_identity(device) == identity_of(peer):
        return True
    if peer.uid is not None:
        return uid_of(device) == peer.uid
    created = parse_time(device["metadata"]["creationTimestamp"])
    return created is not None and created <= peer.not_before + BACKDATED


def is_of_former_key(device: EdgeDevice, peer: Peer) -> bool:
    """Tell whether a certificate is from before another key replaced that of its device.

    That of a device which an administrator adopted is not.
    """
    if former_identity(device) == identity_of(peer):
        return False
    replacement = KeyReplacement.of(device)
    return replacement is not None and replacement.excludes(peer)
