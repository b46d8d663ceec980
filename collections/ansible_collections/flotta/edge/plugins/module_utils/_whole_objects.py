# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Objects of which a task gives the whole specification: fields that it does not have are removed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._manifests import Wanted, without_nulls

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.merge_patch import (
        apply_merge_patch,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        Client,
        NotFound,
        retry_on_conflict,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import Kind
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        generation_of,
        is_being_deleted,
        spec_of,
        status_of,
        uid_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so


@dataclass(frozen=True)
class Change:
    """What became of an object, or would in check mode; `obj` is the object as it is now, None if it does not exist."""

    changed: bool
    diff: dict[str, Manifest]
    obj: Any  # of the kind


class WholeObject:
    """The object that the parameters of a module name."""

    def __init__(
        self,
        module: AnsibleModule,
        client: Client,
        kind: Kind[Any],
        wanted: Wanted,
        waiting: api.Waiting,
    ) -> None:
        self.module, self.client, self.kind = module, client, kind
        self.wanted, self.waiting = wanted, waiting
        self.spec: Any = without_nulls(wanted.spec)  # None leaves it as it is

    async def ensure_present(self) -> Change:
        """Create or change the object as desired. Raises ValueError with a sentence for one that is being deleted."""
        found = await self.find()
        if found is not None and is_being_deleted(found):
            raise ValueError(api.LEAVING.format(f"{self.kind.kind} {self.wanted.name}"))
        # The API adds defaults to what the module sends, so it has to say what the object would become.
        tried = await retry_on_conflict(partial(self.write, dry_run=True))
        before, after = found and self.wanted.part_of(found), self.wanted.part_of(tried)
        changed = before != after
        if changed and not self.module.check_mode:
            # The operator may write counts into the object at any time.
            found = await retry_on_conflict(self.write)
        return Change(changed, api.make_diff(before, after), found)

    async def ensure_absent(self) -> Change:
        """Remove the object; one that is being deleted already is only waited for."""
        found = await self.find()
        if found is None:
            return Change(False, api.make_diff(None, None), None)
        leaving = is_being_deleted(found)
        if not self.module.check_mode:
            if not leaving:
                await self.delete(found)
            if self.waiting.wait:
                await api.wait_until(self.waiting, self.is_gone, self.describe_removal)
        before = self.wanted.part_of(found)
        return Change(not leaving, api.make_diff(before, before if leaving else None), None)

    async def find(self) -> Any:
        """Return the object, None when it does not exist."""
        return await self.client.get_or_none(self.kind, self.wanted.name, self.wanted.namespace)

    async def write(self, *, dry_run: bool = False) -> Any:
        """Create or replace the object; return its new state. Raises Conflict when somebody else changed it meanwhile."""
        found = await self.find()
        if found is None:
            names = {"name": self.wanted.name, "namespace": self.wanted.namespace}
            new = self.changed({"metadata": names})
            return await self.client.create(self.kind, new, dry_run=dry_run)
        return await self.client.replace(self.kind, self.changed(found), dry_run=dry_run)

    async def delete(self, found: Any) -> None:
        """Delete the object that was found, not another one that has its name by now."""
        names = self.wanted.name, self.wanted.namespace
        with contextlib.suppress(NotFound):
            await self.client.delete(self.kind, *names, uid=uid_of(found))

    def changed(self, found: Any) -> Any:
        """Return an object as it is desired."""
        metadata = apply_merge_patch(found["metadata"], self.wanted.metadata_patch)
        spec = spec_of(found) if self.spec is None else self.spec
        return {**found, "metadata": metadata, "spec": spec}

    async def is_gone(self) -> bool:
        """Tell whether the object no longer exists."""
        return await self.find() is None

    def describe_removal(self) -> str:
        """Return why the object still exists."""
        return (
            f"{self.kind.kind} {self.wanted.name} still exists after {self.waiting.wait_timeout} s. "
            "Its finalizers keep it; check that the operator runs, which removes those of flotta."
        )


def is_observed(found: Any) -> bool:
    """Tell whether the status of an object is that of its present specification."""
    return bool(status_of(found).get("observedGeneration", 0) >= generation_of(found))
