# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/playbooks.py: change that.
"""EdgeConfig and PlaybookExecution, which are only stored (docs/reference/crds.md#edgeconfig)."""

from __future__ import annotations

from typing import Required, TypedDict

from ...resources.objects.meta import Condition, CustomResource


class Playbook(TypedDict, total=False):
    """A playbook and how to run it."""

    content: Required[str]
    timeoutSeconds: int
    executionStrategy: str


class EdgePlaybook(TypedDict, total=False):
    """The playbooks of an EdgeConfig."""

    user: str
    playbooks: list[Playbook]


class PlaybookExecutionStatus(TypedDict, total=False):
    """The result of a playbook."""

    conditions: list[Condition]


class EdgeConfigSpec(TypedDict, total=False):
    """The playbooks for the devices of an EdgeConfig."""

    edgePlaybook: EdgePlaybook


class EdgeConfigStatus(TypedDict, total=False):
    """The results of an EdgeConfig's playbooks."""

    edgePlaybookStatus: PlaybookExecutionStatus


class EdgeConfig(CustomResource[EdgeConfigSpec, EdgeConfigStatus]):
    """Playbooks for devices."""


class PlaybookExecutionSpec(TypedDict, total=False):
    """One run of one playbook on one device."""

    playbook: Playbook
    executionAttempt: int


class PlaybookExecution(CustomResource[PlaybookExecutionSpec, PlaybookExecutionStatus]):
    """One run of one playbook on one device, and its result."""
