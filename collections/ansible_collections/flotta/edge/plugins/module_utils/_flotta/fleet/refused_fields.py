# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/refused_fields.py: change that.
"""Fields of an EdgeWorkload's pod that no device carries out.

The resource API refuses them; an earlier release may have stored them
(docs/reference/pod-fields.md#refused-fields).
"""

from __future__ import annotations

from ..pod_fields.check import describe_refused, find_refused
from ..resources.objects.workloads import EdgeWorkload
from ..resources.views import spec_of


class RefusedFields(Exception):
    """An EdgeWorkload has fields that no device carries out; the text is a sentence."""


def check_fields(workload: EdgeWorkload) -> None:
    """Raise RefusedFields for an EdgeWorkload that no device can run as it is written."""
    if refused := refused_fields(workload):
        raise RefusedFields(refused)


def refused_fields(workload: EdgeWorkload) -> str:
    """Return a sentence about the fields that are refused on every podman, "" for none."""
    pod = (spec_of(workload).get("pod") or {}).get("spec") or {}
    return describe_refused(find_refused(pod))
