# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/dns1123.py: change that.
"""Names after RFC 1123 as Kubernetes defines them (apimachinery, util/validation).

In Kubernetes only the whole name has a maximum length, not the labels of a subdomain.
"""

from __future__ import annotations

import re

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
MAX_LABEL = 63  # characters
MAX_SUBDOMAIN = 253  # characters
LABEL_PATTERN = re.compile(LABEL)
SUBDOMAIN_PATTERN = re.compile(SUBDOMAIN)


def is_label(text: str) -> bool:
    """Tell whether the text can name a Namespace or a Service: one lower-case DNS label."""
    return len(text) <= MAX_LABEL and LABEL_PATTERN.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Tell whether the text can name most Kubernetes objects: DNS labels joined by dots."""
    return len(text) <= MAX_SUBDOMAIN and SUBDOMAIN_PATTERN.fullmatch(text) is not None
