# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of devices in the inventory: unique, and never those of other hosts or of groups.

A device may choose its id. Were it called like another host, plays for that host would connect to the device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from ansible_collections.flotta.edge.plugins.plugin_utils._fleet_records import Record


class HostNames:
    """Gives each device and request its name.

    `namespaced` puts the namespace before each name, `prefix` is put before that. `taken` are the names of everything else in the
    inventory.
    """

    def __init__(
        self, records: Iterable[Record], namespaced: bool, prefix: str, taken: Container[str]
    ) -> None:
        keys = {(record["namespace"], record["name"]) for record in records}
        self._counts = Counter(name for _namespace, name in keys)
        self._namespaced, self._prefix, self._taken = namespaced, prefix, taken
        self.renamed: list[str] = []  # names that would have been of something else
        self.left_out: list[str] = []  # devices without a name that is free

    def of(self, record: Record) -> str | None:
        """Return the name of a device, None if neither of its names is free.

        The second one is NAMESPACE_NAME: `_` is in no name of a device or namespace, so it is that of no other device.
        """
        plain = f"{self._prefix}{record['name']}"
        if not self._namespaced and self._counts[record["name"]] == 1 and plain not in self._taken:
            return plain
        name = self._free(f"{record['namespace']}_{record['name']}", record)
        if name and not self._namespaced:
            self.renamed.append(name)
        return name

    def of_request(self, record: Record) -> str | None:
        """Return the name of a request, which is never that of a device: nobody trusts it yet."""
        return self._free(f"request_{record['namespace']}_{record['name']}", record)

    def _free(self, name: str, record: Record) -> str | None:
        if f"{self._prefix}{name}" not in self._taken:
            return f"{self._prefix}{name}"
        self.left_out.append(f"{record['namespace']}/{record['name']}")
        return None


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


def warnings(names: HostNames) -> list[str]:
    """Return a sentence for each kind of name that is not as one may expect."""
    return [
        *([describe_renamed(names.renamed)] if names.renamed else ()),
        *([describe_left_out(names.left_out)] if names.left_out else ()),
    ]
