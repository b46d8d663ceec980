#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_workload
short_description: Place a workload on devices
version_added: 0.1.0
description:
  - Creates, changes or removes an EdgeWorkload, which runs a pod on each device that it selects.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Name of the workload.
    type: str
    required: true
  namespace:
    description:
      - Namespace of the workload and of the devices it selects.
    type: str
    default: default
  spec:
    description:
      - The whole specification. What it does not name is removed.
      - Names of fields that earlier releases used (as C(data.paths)) are replaced, with a warning.
      - Required with O(state=present).
    type: dict
  state:
    description:
      - Whether the workload exists.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Wait until the workload runs on every device that it selects, and that still reports; it must
        select one at least. With O(state=absent), until it is gone.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
attributes:
  check_mode:
    description: Reports what would change.
    support: full
  diff_mode:
    description: Shows the specification before and after.
    support: full
  idempotent:
    description: A workload that was made from the same specification is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Run the statistics on every device with this label
  flotta.edge.edge_workload:
    name: os-stats
    spec:
      type: pod
      deviceSelector:
        matchLabels:
          app: os-stats
      pod:
        spec:
          containers:
            - name: os-stats
              image: localhost/flotta-edge-os-stats:latest
    wait: true
"""

RETURN = r"""
workload:
  description: The EdgeWorkload.
  type: dict
  returned: when it exists
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import resource_api as api

try:
    from flotta.resources.client import retry_on_conflict
    from flotta.resources.conditions import READY
    from flotta.resources.kinds import EDGE_WORKLOAD
except ImportError as error:
    EDGE_WORKLOAD = None
    api.import_errors.append(error)  # api.run() says so

if TYPE_CHECKING:
    from flotta.resources.client import Client

# The API adds defaults to what we send, so the specification itself cannot be compared.
NOTE = "management.project-flotta.io/specification-digest"


def compute_digest(spec: dict[str, Any]) -> str:
    """Return a digest of a specification that its order has no influence on."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def contains(whole: Any, part: Any) -> bool:
    """Tell whether everything in `part` is so in `whole`, which may hold more."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(contains, whole, part))
    return whole == part


class EdgeWorkload:
    """One workload as the parameters name it."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.module, self.client = module, client
        self.params = module.params
        self.name, self.namespace = module.params["name"], module.params["namespace"]

    async def ensure_present(self) -> dict[str, Any]:
        """Have the workload as the parameters say; return the result of the module."""
        workload = await self.find()
        spec = api.replace_old_names(self.module, EDGE_WORKLOAD, self.params["spec"])[0]
        changed = not (
            workload
            and self.noted_digest(workload) == compute_digest(spec)
            and contains(workload["spec"], spec)
        )
        before = workload and workload["spec"]
        if changed and not self.module.check_mode:
            # The operator writes counts into the object at any time.
            workload = await retry_on_conflict(lambda: self.write(spec))
        if self.params["wait"] and not self.module.check_mode:
            workload = await api.wait_until(self.params, self.find_running, self.describe_delay)
        return {
            "changed": changed,
            "workload": workload,
            "diff": api.make_diff(before, spec if changed else before),
        }

    async def ensure_absent(self) -> dict[str, Any]:
        """Have no such workload; return the result of the module."""
        workload = await self.find()
        if workload is None:
            return {"changed": False}
        if not self.module.check_mode:
            await self.client.delete(EDGE_WORKLOAD, self.name, self.namespace)
            if self.params["wait"]:
                await api.wait_until(
                    self.params, self.is_gone, lambda: f"Workload {self.name} is still there."
                )
        return {"changed": True, "diff": api.make_diff(workload["spec"], None)}

    async def find(self) -> dict[str, Any] | None:
        """Return the workload, None when there is none."""
        return await self.client.get_or_none(EDGE_WORKLOAD, self.name, self.namespace)

    def noted_digest(self, workload: dict[str, Any]) -> str | None:
        """Return the digest of the specification that a workload was made from."""
        return (workload["metadata"].get("annotations") or {}).get(NOTE)

    async def write(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Create or replace the workload; return its new state."""
        workload = await self.find()
        metadata = (
            dict(workload["metadata"])
            if workload
            else {"name": self.name, "namespace": self.namespace}
        )
        metadata["annotations"] = {
            **(metadata.get("annotations") or {}),
            NOTE: compute_digest(spec),
        }
        wanted = {**(workload or {}), "metadata": metadata, "spec": spec}
        if workload:
            return await self.client.replace(EDGE_WORKLOAD, wanted)
        return await self.client.create(EDGE_WORKLOAD, wanted)

    async def is_gone(self) -> bool:
        """Tell whether the workload is not there any more."""
        return await self.find() is None

    async def find_running(self) -> dict[str, Any] | None:
        """Return the workload if it runs on every device that still reports."""
        self.seen = await self.find()
        if self.seen is None:
            return None
        status = self.seen.get("status") or {}
        observed = status.get("observedGeneration", 0) >= self.seen["metadata"].get("generation", 0)
        matched = status.get("matched", 0)
        everywhere = (
            status.get("running", 0) >= matched
            or api.find_condition(self.seen, READY).get("reason") == "DevicesSilent"
        )
        return self.seen if observed and matched and everywhere else None

    def describe_delay(self) -> str:
        """Return on how many devices the workload runs yet."""
        if self.seen is None:
            return f"Workload {self.name} was deleted while the module waited for it; run the task again to have it."
        status = self.seen.get("status") or {}
        return (
            f"Workload {self.name} runs on {status.get('running', 0)} of {status.get('matched', 0)} devices after "
            f"{self.params['wait_timeout']} s. kubectl describe edgedevice says why."
        )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.WAIT_SPEC,
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": "default"},
            "spec": {"type": "dict"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["spec"])],
        supports_check_mode=True,
    )

    async def work(client: Client) -> dict[str, Any]:
        workload = EdgeWorkload(module, client)
        return await (
            workload.ensure_present()
            if module.params["state"] == "present"
            else workload.ensure_absent()
        )

    api.run(module, work)


if __name__ == "__main__":
    main()
