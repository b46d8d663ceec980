# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/directives.py: change that.
"""Names of directives, commands and events.

A directive says what a `data` message is about (docs/reference/wire-protocol.md#envelopes).
"""

from __future__ import annotations

from typing import Literal

ENROLMENT = "enrolment"
# HTTP status of an approved enrolment, 200 before that
# (docs/reference/wire-protocol.md#post-dataout).
ENROLMENT_APPROVED = 208
REGISTRATION = "registration"
HEARTBEAT = "heartbeat"
# Header of the response to a heartbeat, and its values: what the device is asked to report, or that
# it is to renew its certificate because the CA was rolled over.
WANTED_HEADER = "Flotta-Wanted"
HARDWARE = "hardware"
CERTIFICATE = "certificate"
ANSIBLE = "ansible"
DEVICE = "device"  # the configuration; also the handler name of the worker that receives it

# Field in the body of a refusal, and its values: whether a quarantined device stops its pods
# (docs/reference/wire-protocol.md#quarantine).
PODS_FIELD = "pods"
STOP_PODS: Literal["Stop"] = "Stop"
KEEP_PODS: Literal["Keep"] = "Keep"

# From the worker to the gateway only: send the configuration again, also if it did not change.
CONFIGURATION_WANTED = "configuration-wanted"

DISCONNECT = "disconnect"  # a command, and the event that acknowledges it
RECONNECT = "reconnect"  # a command
PING = "ping"  # a command
PONG = "pong"  # the event that acknowledges it
