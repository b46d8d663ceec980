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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.flotta.edge.plugins.module_utils import resource_api as api

try:
    from flotta.resources.client import retry_on_conflict
    from flotta.resources.kinds import EDGE_WORKLOAD
except ImportError:
    EDGE_WORKLOAD = None  # api.run() says so

# The API adds defaults to what we send, so the specification itself cannot be compared.
NOTE = "management.project-flotta.io/specification-digest"


def digest(spec):
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def contains(whole, part):
    """Tell whether everything in `part` is so in `whole`, which may hold more."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(contains, whole, part))
    return whole == part


class EdgeWorkload:
    """One workload as the parameters name it."""

    def __init__(self, module, client):
        self.module, self.client = module, client
        self.params = module.params
        self.name, self.namespace = module.params["name"], module.params["namespace"]

    async def present(self):
        workload = await self.find()
        spec = api.modern(self.module, EDGE_WORKLOAD, self.params["spec"])[0]
        changed = not (
            workload and self.noted(workload) == digest(spec) and contains(workload["spec"], spec)
        )
        before = workload and workload["spec"]
        if changed and not self.module.check_mode:
            # The operator writes figures into the object at any time.
            workload = await retry_on_conflict(lambda: self.write(spec))
        if self.params["wait"] and not self.module.check_mode:
            workload = await api.wait_until(self.params, self.running, self.not_running)
        return {
            "changed": changed,
            "workload": workload,
            "diff": api.difference(before, spec if changed else before),
        }

    async def absent(self):
        workload = await self.find()
        if workload is None:
            return {"changed": False}
        if not self.module.check_mode:
            await self.client.delete(EDGE_WORKLOAD, self.name, self.namespace)
            if self.params["wait"]:
                await api.wait_until(
                    self.params, self.gone, lambda: f"Workload {self.name} is still there."
                )
        return {"changed": True, "diff": api.difference(workload["spec"], None)}

    async def find(self):
        return await api.find(self.client, EDGE_WORKLOAD, self.name, self.namespace)

    def noted(self, workload):
        return (workload["metadata"].get("annotations") or {}).get(NOTE)

    async def write(self, spec):
        workload = await self.find()
        metadata = (
            dict(workload["metadata"])
            if workload
            else {"name": self.name, "namespace": self.namespace}
        )
        metadata["annotations"] = {**(metadata.get("annotations") or {}), NOTE: digest(spec)}
        wanted = {**(workload or {}), "metadata": metadata, "spec": spec}
        if workload:
            return await self.client.replace(EDGE_WORKLOAD, wanted)
        return await self.client.create(EDGE_WORKLOAD, wanted)

    async def gone(self):
        return await self.find() is None

    async def running(self):
        self.seen = await self.find()
        status = (self.seen or {}).get("status") or {}
        observed = status.get("observedGeneration", 0) >= (self.seen or {})["metadata"].get(
            "generation", 0
        )
        matched = status.get("matched", 0)
        everywhere = status.get("running", 0) >= matched or self.reason(status) == "DevicesSilent"
        return self.seen if observed and matched and everywhere else None

    def reason(self, status):
        return next(
            (one["reason"] for one in status.get("conditions", []) if one["type"] == "Ready"), ""
        )

    def not_running(self):
        status = (self.seen or {}).get("status") or {}
        return (
            f"Workload {self.name} runs on {status.get('running', 0)} of {status.get('matched', 0)} devices after "
            f"{self.params['wait_timeout']} s. kubectl describe edgedevice says why."
        )


def main():
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

    async def work(client):
        workload = EdgeWorkload(module, client)
        return await (
            workload.present() if module.params["state"] == "present" else workload.absent()
        )

    api.run(module, work)


if __name__ == "__main__":
    main()
