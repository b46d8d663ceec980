# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/former_keys.py: change that.
"""Which certificates are from before another key took the place of the one of their device.

A device that keeps no key comes back with another one
(docs/reference/control-plane.md#devices-that-keep-no-key).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ..fleet.joining import (
    KEY_ANNOTATION,
    KEY_REPLACED_ANNOTATION,
    RENEWED_FROM_ANNOTATION,
)
from ..identity.holder import Peer
from ..resources.objects.devices import EdgeDevice
from ..resources.views import annotations_of
from ..rfc3339 import parse_time


@dataclass(frozen=True)
class KeyReplacement:
    """The present keys of a device, and since when; fingerprints in hex."""

    key: str
    renewed_from: str  # "" before the first renewal since then
    time: str  # RFC 3339

    @classmethod
    def of(cls, device: EdgeDevice) -> Self | None:
        """Return the replacement that an EdgeDevice notes, None if its key was never replaced."""
        noted = annotations_of(device)
        time = noted.get(KEY_REPLACED_ANNOTATION)
        if not time:
            return None
        return cls(noted.get(KEY_ANNOTATION, ""), noted.get(RENEWED_FROM_ANNOTATION, ""), time)

    def excludes(self, peer: Peer) -> bool:
        """Tell whether the certificate may be of a key from before.

        The present key, and the one that asked for its certificate, which the device may not have
        got yet, are known. Of others the time decides: no former key gets a certificate after the
        replacement, but one may have been signed a moment later, by a server whose clock differs.
        Certificates begin CLOCK_SKEW before they are signed, so that is the margin. A time that
        cannot be read says nothing.
        """
        if peer.public_key_fingerprint in (self.key, self.renewed_from):
            return False
        try:
            replaced = parse_time(self.time)
        except ValueError:
            return False
        return replaced is not None and peer.not_before <= replaced
