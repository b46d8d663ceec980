# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/authority.py: change that.
"""Reasons about the fleet's certificates: the rollover of its CA, and what expires."""

from __future__ import annotations

from ...protocol.reasons.reason import Event, Log, Rows

EDGE_API = Log("flotta-edge-api")

LOGGED = Rows()
REPORTED = Rows()
CA_ROLLOVER_REFUSED = LOGGED.add(
    "CARolloverRefused",
    EDGE_API,
    "The CA was not rolled over: it is of your own PKI, or a Secret is missing or cannot be used. "
    "Nothing was changed.",
    "The line says which, and what to do. `flotta certificates` shows the CAs that are trusted.",
)
FORMER_CA_IN_USE = LOGGED.add(
    "FormerCAInUse",
    EDGE_API,
    "The former CA stays trusted: devices may need it, because they have not renewed, cannot "
    "renew, or are still to be wiped.",
    "Do what the line says about the devices that it names, or [give them up]"
    "(../how-to/roll-the-ca.md#take-the-former-ca-out).",
)

SERVER_REQUEST_INVALID = LOGGED.add(
    "ServerRequestInvalid",
    EDGE_API,
    "A Secret asks for the certificate of another server in a way that cannot be carried out: the "
    "request is not JSON of the right form, or has a name that is none. Its annotation "
    "`management.project-flotta.io/server-certificate-error` says the same.",
    "Ask again: `flotta certificates issue --server NAMES`.",
)

EXPIRY = (
    "A certificate of the control plane expires soon, or has expired, and was not renewed.",
    "`flotta certificates` shows what expires, and what to do.",
)
CERTIFICATE_EXPIRES = LOGGED.add("CertificateExpires", EDGE_API, *EXPIRY)
REPORTED.add("CertificateExpires", Event("Secret", "Warning", "Edge API"), *EXPIRY)

SECTIONS = (LOGGED, REPORTED)
