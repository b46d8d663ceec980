# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Objects of which a task gives the whole specification: fields that it does not have are removed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._manifests import Wanted, without_nulls

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        Client,
        retry_on_conflict,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import Kind
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        annotations_of,
        generation_of,
        labels_of,
        spec_of,
        status_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

# The API adds defaults to what the module sends, so the specifications cannot be compared.
NOTE = "management.project-flotta.io/specification-digest"


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
        """Create or change the object as desired."""
        found = await self.find()
        changed = found is None or not self.is_as_wanted(found)
        before = shown_part(found) if found else None
        after = shown_part(self.changed(found or {"metadata": {}})) if changed else before
        if changed and not self.module.check_mode:
            # The operator may write counts into the object at any time.
            found = await retry_on_conflict(self.write)
        return Change(changed, api.make_diff(before, after), found)

    async def ensure_absent(self) -> Change:
        """Remove the object."""
        found = await self.find()
        if found is None:
            return Change(False, api.make_diff(None, None), None)
        if not self.module.check_mode:
            await self.client.delete(self.kind, self.wanted.name, self.wanted.namespace)
            if self.waiting.wait:
                await api.wait_until(self.waiting, self.is_gone, self.describe_removal)
        return Change(True, api.make_diff(shown_part(found), None), None)

    async def find(self) -> Any:
        """Return the object, None when it does not exist."""
        return await self.client.get_or_none(self.kind, self.wanted.name, self.wanted.namespace)

    def is_as_wanted(self, found: Any) -> bool:
        """Tell whether the object was created from this specification and still has it, and the labels, too."""
        metadata_kept = contains(labels_of(found), self.wanted.labels) and contains(
            annotations_of(found), self.wanted.annotations
        )
        if self.spec is None:
            return metadata_kept
        noted = annotations_of(found).get(NOTE)
        return (
            metadata_kept
            and noted == compute_digest(self.spec)
            and contains(spec_of(found), self.spec)
        )

    async def write(self) -> Any:
        """Create or replace the object; return its new state. Raises Conflict when somebody else changed it meanwhile."""
        found = await self.find()
        if found is None:
            names = {"name": self.wanted.name, "namespace": self.wanted.namespace}
            return await self.client.create(self.kind, self.changed({"metadata": names}))
        return await self.client.replace(self.kind, self.changed(found))

    def changed(self, found: Any) -> Any:
        """Return an object as it is desired."""
        labels = {**labels_of(found), **self.wanted.labels}
        metadata = {**found["metadata"], "labels": labels}
        metadata["annotations"] = {**annotations_of(found), **self.annotations}
        spec = spec_of(found) if self.spec is None else self.spec
        return {**found, "metadata": metadata, "spec": spec}

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations to set."""
        note = {} if self.spec is None else {NOTE: compute_digest(self.spec)}
        return {**self.wanted.annotations, **note}

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


def shown_part(resource: Any) -> Manifest:
    """Return what a diff shows of an object."""
    return {"labels": labels_of(resource), "spec": spec_of(resource)}


def compute_digest(spec: Manifest) -> str:
    """Return a digest of a specification, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def contains(whole: object, part: object) -> bool:
    """Tell whether `whole` has everything in `part`, and maybe more; both are JSON."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(contains, whole, part))
    return whole == part
