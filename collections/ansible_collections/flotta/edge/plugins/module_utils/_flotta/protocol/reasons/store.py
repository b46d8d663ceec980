# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/store.py: change that.
"""Reasons about a remote data store that no device is told."""

from __future__ import annotations

from ...protocol.reasons.reason import Log, Rows

EDGE_API = Log("flotta-edge-api")

LOGGED = Rows()
WIPES_HELD = LOGGED.add(
    "WipesHeld",
    EDGE_API,
    "The remote data store says of more devices that they are `unregistered` than may remove "
    "everything in an hour, or who may cannot be recorded. The others keep running.",
    "If it is meant, raise `REMOTE_BACKEND_WIPES_PER_HOUR`; otherwise correct the store. If the "
    "log says that the record cannot be used, mend the Secret `flotta-wipe-grants`. See [The "
    "brake on wipes](configuration-api.md#the-brake-on-wipes).",
)

SECTIONS = (LOGGED,)
