#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_workload_info
short_description: Read the workloads of a fleet
version_added: 0.1.0
description:
  - Returns EdgeWorkloads with their specification and status, and on demand with an explanation of their state.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Name of a workload.
      - When omitted, all workloads are returned. The list is empty when no workload has this name.
    type: str
  namespace:
    description:
      - Namespace of the workloads.
      - When omitted, all namespaces, or V(default) together with O(name).
    type: str
  label_selector:
    description:
      - Returns only workloads whose own labels match this label selector of Kubernetes, for example V(team=shop).
      - Ignored together with O(name).
    type: str
  explain:
    description:
      - Whether to add the sentences of C(flotta explain workload) to each workload. They say where it runs, where it fails and why, and
        why it does not run on other devices.
      - Needs permission to read EdgeDevices and Events, too.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
seealso:
  - module: flotta.edge.edge_workload
  - module: flotta.edge.edge_device_info
"""

EXAMPLES = r"""
- name: Read all workloads of the shops
  flotta.edge.edge_workload_info:
    namespace: shops
  register: shops

- name: List those that fail somewhere
  ansible.builtin.debug:
    msg: "{{ shops.workloads | selectattr('status.failed', 'defined') | selectattr('status.failed') | map(attribute='metadata.name') }}"

- name: Say why a workload does not run everywhere
  flotta.edge.edge_workload_info:
    name: receipts
    namespace: shops
    explain: true
  register: receipts

- name: Show it
  ansible.builtin.debug:
    var: receipts.workloads[0].explanation
"""

RETURN = r"""
workloads:
  description: The EdgeWorkloads, as the resource API returns them.
  type: list
  elements: dict
  returned: success
  contains:
    metadata:
      description: Name, namespace and other metadata.
      type: dict
      returned: always
      sample: {name: web, namespace: shops, generation: 2}
    spec:
      description: The specification, with the defaults of the API.
      type: dict
      returned: always
      sample: {type: pod, device: till-1, pod: {spec: {containers: [{name: nginx, image: "docker.io/library/nginx:1.29"}]}}}
    status:
      description: On how many devices the workload runs, and whether that is the desired state.
      type: dict
      returned: when the operator has handled the workload
      contains:
        observedGeneration:
          description: Generation of the workload that this status belongs to.
          type: int
          returned: always
          sample: 2
        matched:
          description: Number of devices that should run it.
          type: int
          returned: always
          sample: 4
        running:
          description: Number of devices on which it runs.
          type: int
          returned: always
          sample: 3
        failed:
          description: Number of devices on which it fails.
          type: int
          returned: always
          sample: 1
        conditions:
          description: Conditions of the types C(Ready), C(Accepted) and C(Updatable).
          type: list
          elements: dict
          returned: always
          sample: [{type: Ready, status: "False", reason: Failing, message: It fails on 1 of 4 devices}]
    explanation:
      description: Sentences about the state of the workload, one for each line of C(flotta explain workload).
      type: list
      elements: str
      returned: when O(explain=true)
      sample: [receipts selects 2 devices., "On till-1: receipts is Running.", "Not on camera-1: it has no label role; the workload requires role=till."]
reason:
  description: Stable code of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: Forbidden
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._explanations import explained_workloads
from ansible_collections.flotta.edge.plugins.module_utils._selections import (
    SELECTION_SPEC,
    Selection,
    read_selected,
)

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_WORKLOAD,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**api.CONNECTION_SPEC, **SELECTION_SPEC}, supports_check_mode=True
    )
    selection = Selection(**module.params)

    async def work(client: Client) -> Manifest:
        found = await read_selected(client, EDGE_WORKLOAD, selection, explained_workloads)
        return {"changed": False, "workloads": found}

    api.run(module, selection, work)


if __name__ == "__main__":
    main()
