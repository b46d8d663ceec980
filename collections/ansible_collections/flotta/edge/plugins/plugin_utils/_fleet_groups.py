# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the groups to which a device belongs, of which devices can choose no part but the last."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.flotta.edge.plugins.plugin_utils._fleet_records import (
    MEMBER_LABEL,
    Record,
)

UNSAFE = re.compile(r"[^A-Za-z0-9_]")
REPORTED = "device."  # prefix of labels that follow from what a device reports
WITH_OWN_GROUPS = (MEMBER_LABEL, "workload/")  # labels whose meaning has groups of its own
Origin = tuple[str, ...]  # what a group is made of: a word, and what follows it


class GroupNames:
    """Tells the groups of devices, and notes which of them are made of different values.

    `kinds` are words of GROUPS, `label_patterns` shell patterns of label keys; one that begins with ! leaves out what it matches. `foreign`
    are groups of other sources, to which no device brings itself by what it reports.
    """

    def __init__(
        self, kinds: Collection[str], label_patterns: Sequence[str], foreign: Collection[str] = ()
    ) -> None:
        self._foreign = frozenset(foreign)
        self.refused: dict[
            str, str
        ] = {}  # foreign groups, each with a device that reports its value
        self._sources = [GROUPS[kind] for kind in GROUPS if kind in kinds and kind != "label"]
        self._with_labels = "label" in kinds
        self._patterns = label_patterns
        self._keys: dict[str, bool] = {}  # whether there are groups of a label
        self._names: dict[Origin, str] = {}
        self._origins: dict[str, Origin] = {}
        self.mixed: dict[str, tuple[Origin, Origin]] = {}  # groups, each with two of its origins

    def of(self, record: Record) -> list[str]:
        """Return the groups of a device, each once."""
        origins = [origin for source in self._sources for origin in source(record)]
        if self._with_labels:
            origins += [
                ("label", key, value)
                for key, value in record["labels"].items()
                if self._has_group(key)
            ]
        names = dict.fromkeys(map(self._name, origins))
        if not self._foreign.isdisjoint(names):
            for name in {self._name(origin) for origin in origins if _is_reported(origin)}:
                if name in self._foreign:
                    del names[name]
                    self.refused.setdefault(name, f"{record['namespace']}/{record['name']}")
        return list(names)

    def _name(self, origin: Origin) -> str:
        known = self._names.get(origin)
        if known is not None:
            return known
        name = "_".join(UNSAFE.sub("_", part) for part in origin if part)
        first = self._origins.setdefault(name, origin)
        if first != origin:
            self.mixed.setdefault(name, (first, origin))
        self._names[origin] = name
        return name

    def _has_group(self, key: str) -> bool:
        if key not in self._keys:
            self._keys[key] = not key.startswith(WITH_OWN_GROUPS) and _matches(key, self._patterns)
        return self._keys[key]


def _is_reported(origin: Origin) -> bool:
    """Tell whether a device itself chooses what a group is made of."""
    return origin[0] == "phase" or (origin[0] == "label" and origin[1].startswith(REPORTED))


def _matches(key: str, patterns: Sequence[str]) -> bool:
    """Tell whether a key matches a pattern, and none of those that leave out. Where all leave out, the others match."""
    refused = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    accepted = [pattern for pattern in patterns if not pattern.startswith("!")]
    if refused and not accepted:
        accepted = ["*"]
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in accepted) and not any(
        fnmatch.fnmatchcase(key, pattern) for pattern in refused
    )


def _by(word: str, field: str) -> Callable[[Record], Iterator[Origin]]:
    def origins(record: Record) -> Iterator[Origin]:
        if record[field]:
            yield word, record[field]

    return origins


def _by_workload(record: Record) -> Iterator[Origin]:
    for name in record["workloads"]:
        yield "workload", name


def _by_label(record: Record) -> Iterator[Origin]:
    for key, value in record["labels"].items():
        yield "label", key, value


GROUPS: Mapping[str, Callable[[Record], Iterator[Origin]]] = {
    "set": _by("set", "set"),
    "label": _by_label,
    "phase": _by("phase", "phase"),
    "state": _by("state", "state"),
    "workload": _by_workload,
    "namespace": _by("namespace", "namespace"),
}


def describe_mixed(mixed: Mapping[str, tuple[Origin, Origin]]) -> str:
    """Return a sentence about groups that are made of different values."""
    name, (first, second) = next(iter(mixed.items()))
    more = f", and so are {len(mixed) - 1} other groups" if len(mixed) > 1 else ""
    return (
        f"The group {name} is made of both {_text(first)} and {_text(second)}{more}: names of groups have letters, digits and _ only. "
        "Use keyed_groups, or a condition on flotta_device, where the difference matters."
    )


def describe_refused(refused: Mapping[str, str]) -> str:
    """Return a sentence about groups of other sources, to which devices would belong by what they report."""
    name, device = next(iter(refused.items()))
    more = f", nor are devices in {len(refused) - 1} other groups" if len(refused) > 1 else ""
    return (
        f"{device} is not in the group {name}, although it reports so, because another source made that group{more}. "
        "Call that group otherwise, or leave phase out of group_by and device.* out of label_groups."
    )


def _text(origin: Sequence[Any]) -> str:
    word, *rest = origin
    return f"{word} {'='.join(rest)}"


def warnings(groups: GroupNames) -> list[str]:
    """Return a sentence for each kind of group that is not as one may expect."""
    return [
        *([describe_mixed(groups.mixed)] if groups.mixed else ()),
        *([describe_refused(groups.refused)] if groups.refused else ()),
    ]
