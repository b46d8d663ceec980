# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values and groups that the user composed for one host, made before anything is added to the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Constructed:
    """Stands for the inventory while Ansible composes what belongs to one host, and notes it.

    Ansible would add the host at once, to whatever group or host has the name.
    """

    def __init__(self, host: str, variables: Mapping[str, Any]) -> None:
        self.host = host
        self._variables = dict(variables)
        self.variables: dict[str, Any] = {}  # composed
        self.groups: dict[str, None] = {}  # of the host
        self.parents: dict[tuple[str, str], None] = {}  # a group, and one that is in it

    @property
    def names(self) -> set[str]:
        """All groups that there will be."""
        return {*self.groups, *(group for group, _child in self.parents)}

    def get_host(self, _name: str) -> Constructed:
        """Return what has the variables of the host."""
        return self

    def get_vars(self) -> dict[str, Any]:
        """Return the variables of the host, with those that were composed."""
        return {**self._variables, **self.variables}

    def set_variable(self, _host: str, name: str, value: object) -> None:
        """Note a variable of the host."""
        self.variables[name] = value

    def add_group(self, group: str) -> str:
        """Return the name of a group."""
        return group

    def add_host(self, _host: str, group: str) -> None:
        """Note a keyed group of the host."""
        self.groups[group] = None

    def add_child(self, group: str, child: str) -> None:
        """Note a group of the host, or of one of its groups, as keyed groups come before their parents."""
        if child in self.groups:
            self.parents[group, child] = None
        else:
            self.groups[group] = None
