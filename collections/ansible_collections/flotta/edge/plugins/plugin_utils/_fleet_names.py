# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of devices in the inventory: unique, and never those of other hosts or of groups.

A device may choose its id. Were it called like another host, plays for that host would connect to the device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from ansible_collections.flotta.edge.plugins.plugin_utils._fleet_records import Record


class HostNames:
    """Gives each device its name.

    `always_namespaced` puts the namespace before each name, `prefix` is put before that. `is_taken` tells whether a name is that of
    something else in the inventory.
    """

    def __init__(
        self,
        records: Iterable[Record],
        always_namespaced: bool,
        prefix: str,
        is_taken: Callable[[str], bool],
    ) -> None:
        keys = {(record["namespace"], record["name"]) for record in records}
        self._counts = Counter(name for _namespace, name in keys)
        self._always, self._prefix, self._is_taken = always_namespaced, prefix, is_taken
        self.renamed: list[str] = []  # names that would have been of something else
        self.left_out: list[str] = []  # devices without a name that is free

    def of(self, record: Record) -> str | None:
        """Return the name of a device, None if neither of its names is free.

        The second one is NAMESPACE_NAME: `_` is in no name of a device or namespace, so it is that of no other device.
        """
        plain = f"{self._prefix}{record['name']}"
        if not self._always and self._counts[record["name"]] == 1 and not self._is_taken(plain):
            return plain
        name = f"{self._prefix}{record['namespace']}_{record['name']}"
        if self._is_taken(name):
            self.left_out.append(f"{record['namespace']}/{record['name']}")
            return None
        if not self._always:
            self.renamed.append(name)
        return name


def describe_renamed(names: list[str]) -> str:
    """Return a sentence about devices that are not called by their own name."""
    return (
        f"{_first(names)} ha{'s' if len(names) == 1 else 've'} the namespace in the name, because a device of another namespace, a host "
        "or a group of the inventory is called the same. Set hostname to namespaced, so that all names have it."
    )


def describe_left_out(names: list[str]) -> str:
    """Return a sentence about devices that are not in the inventory."""
    return (
        f"{_first(names)} {'is' if len(names) == 1 else 'are'} left out, because hosts or groups of the inventory are called the same. "
        "Set hostname_prefix, so that names of this source differ from all others."
    )


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(sorted(names)[:5]) + more
