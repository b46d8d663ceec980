# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/field.py: change that.
"""What one field of a PodSpec means on a device."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ..pod_fields.values import NO_VALUE, Values


class PodmanVersion(NamedTuple):
    """Major and minor number of a release of podman."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Support(StrEnum):
    """What happens to a value that is not refused."""

    HONOURED = "honoured"  # podman carries it out
    EMULATED = "emulated"  # the worker carries it out
    REFUSED = "refused"


@dataclass(frozen=True)
class Refusal:
    """Values that are refused: all but `unless`, on every podman or only `before` a release.

    `reason` and `instead`, what to write or do, are clauses; together they are a sentence.
    """

    reason: str
    instead: str
    unless: Values = NO_VALUE
    before: PodmanVersion | None = None

    def refuses(self, value: object, podman: PodmanVersion | None) -> bool:
        """Tell whether a value is refused by this podman; None is one of which nothing is known."""
        if self.before is not None and (podman is None or podman >= self.before):
            return False
        return not self.unless.admits(value)

    @property
    def message(self) -> str:
        """The sentence for the author of the workload, without the path."""
        return f"{self.reason}; {self.instead}"


@dataclass(frozen=True)
class Field:
    """A row of the table.

    `path` is as in `kubectl explain`, from the PodSpec on: `[]` after a list, and `{a,b}` for
    fields of which the same is true. `how` says what happens to a value that is not refused.
    """

    path: str
    support: Support
    how: str = ""
    refusals: tuple[Refusal, ...] = ()


def honoured(path: str, how: str = "", *refusals: Refusal) -> Field:
    """Return the row of a field that podman carries out."""
    return Field(path, Support.HONOURED, how, refusals)


def ignored_before(podman: PodmanVersion, unless: Values = NO_VALUE) -> Refusal:
    """Return the refusal of a field that podman carries out only from a release on.

    `unless` are values that podman carries out before, too.
    """
    return Refusal(
        f"podman before {podman} ignores it",
        f"remove it, or install podman {podman} or later on the device",
        unless,
        podman,
    )


def emulated(path: str, how: str, *refusals: Refusal) -> Field:
    """Return the row of a field that the worker carries out."""
    return Field(path, Support.EMULATED, how, refusals)


def out_of_range(values: Values) -> Refusal:
    """Return the refusal of numbers other than these."""
    return Refusal("this number is not possible", f"use {values.words}", values)


def refused(path: str, reason: str, instead: str, unless: Values = NO_VALUE) -> Field:
    """Return the row of a field that does not work on any device.

    `unless` are values that mean the same as no value.
    """
    return Field(path, Support.REFUSED, "", (Refusal(reason, instead, unless),))


def expand(path: str) -> list[str]:
    """Return the paths that a path with `{a,b}` stands for."""
    before, opened, rest = path.partition("{")
    if not opened:
        return [path]
    choices, _, after = rest.partition("}")
    return [before + choice + end for choice in choices.split(",") for end in expand(after)]
