# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/identity/subjects.py: change that.
"""What the subjects of the fleet's certificates say (docs/reference/wire-protocol.md)."""

from __future__ import annotations

from ..own_names import EDGE_API

ORGANIZATION = "flotta-operator"
REGISTRATION_NAME = "register"
# Common names that devices may not have: a data store may know the Edge API by its name alone.
RESERVED_NAMES = (REGISTRATION_NAME, EDGE_API)
MAX_NAME_LENGTH = 64  # characters; ub-common-name, RFC 5280 appendix A
