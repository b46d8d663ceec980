# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/holder.py: change that.
"""The holder of a registration or device certificate; `peers` reads it from the certificate.

Nothing here needs more than the standard library: the collection uses it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class Peer:
    """The holder of a registration or device certificate."""

    kind: Literal["registration", "device"]
    device_id: str  # lower case; "" for a registration certificate
    namespace: str  # of the device, or the first that a registration certificate allows
    namespaces: tuple[str, ...]  # all that are allowed
    uid: str | None  # of the EdgeDevice; certificates of v0.2 have none
    fingerprint: str  # hex SHA-256 of the certificate's DER
    public_key_fingerprint: str  # hex SHA-256 of its SubjectPublicKeyInfo
    not_before: datetime
    not_after: datetime
    serial_number: str = ""  # hex
    authority: str = ""  # hex key identifier of the CA that issued it; certificates may have none

    def valid_at(self, now: datetime) -> bool:
        """Tell whether `now` (with zone) is in the validity period."""
        return self.not_before <= now <= self.not_after
