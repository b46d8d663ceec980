#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_device_info
short_description: Read the devices of a fleet
version_added: 0.1.0
description:
  - Returns EdgeDevices with their labels, specification and status, and on demand with an explanation of their state.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Id of a device.
      - When omitted, all devices are returned. The list is empty when no device has this id.
    type: str
  namespace:
    description:
      - Namespace of the devices.
      - When omitted, all namespaces, or V(default) together with O(name).
    type: str
  label_selector:
    description:
      - Returns only devices that match this label selector of Kubernetes, for example V(role=till,app).
      - Ignored together with O(name).
    type: str
  explain:
    description:
      - Whether to add the sentences of C(flotta explain device) to each device. They say what runs on it, what does not and why, and what
        to do about it.
      - Needs permission to read EdgeWorkloads, Events and EdgeDeviceSignedRequests, too.
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
  - module: flotta.edge.edge_device
  - module: flotta.edge.edge_workload_info
"""

EXAMPLES = r"""
- name: Read all tills
  flotta.edge.edge_device_info:
    label_selector: role=till
  register: tills

- name: List the devices that are quarantined
  ansible.builtin.debug:
    msg: "{{ tills.devices | selectattr('spec.quarantine', 'defined') | map(attribute='metadata.name') }}"

- name: Say what is wrong with a till
  flotta.edge.edge_device_info:
    name: till-1
    explain: true
  register: till

- name: Show it
  ansible.builtin.debug:
    var: till.devices[0].explanation

- name: Fail when a till is not ready
  ansible.builtin.assert:
    that: item.status.conditions | selectattr('type', 'equalto', 'Ready') | map(attribute='status') | first == 'True'
    fail_msg: "{{ item.metadata.name }} is not ready"
  loop: "{{ tills.devices }}"
  loop_control:
    label: "{{ item.metadata.name }}"
"""

RETURN = r"""
devices:
  description: The EdgeDevices, as the resource API returns them.
  type: list
  elements: dict
  returned: success
  contains:
    metadata:
      description: Name, namespace, labels and other metadata.
      type: dict
      returned: always
      sample: {name: till-1, namespace: shops, labels: {role: till, device.cpu-architecture: x86_64}}
    spec:
      description: Desired settings of the device.
      type: dict
      returned: always
      sample: {heartbeat: {periodSeconds: 30}}
      contains:
        quarantine:
          description: Who quarantined the device, when and why, and whether it stops its pods.
          type: dict
          returned: while the device is quarantined
          sample: {pods: Stop, by: root (flotta.edge.edge_device), since: "2026-06-01T08:00:00Z", reason: lost}
    status:
      description: What the device reports, and what the control plane finds out about it.
      type: dict
      returned: when the device has registered
      contains:
        phase:
          description: State that the device reports, V(up) or V(degraded).
          type: str
          returned: when it has sent a heartbeat
          sample: up
        lastSeenTime:
          description: When the device was last heard from.
          type: str
          returned: when it has sent a heartbeat
          sample: "2026-06-01T08:00:00Z"
        conditions:
          description: Conditions such as C(Ready), C(Configured), C(Accepted) and C(StorageReady).
          type: list
          elements: dict
          returned: when there are some
          sample: [{type: Ready, status: "True", reason: HeartbeatReceived, message: The device sends heartbeats.}]
        workloads:
          description: The workloads of the device with phase, reason and message.
          type: list
          elements: dict
          returned: when there are some
          sample: [{name: receipts, phase: Running, filesUp: 12, filesDown: 3}]
        hardware:
          description: Hardware inventory as the device reported it.
          type: dict
          returned: when it was reported
          sample: {hostname: till-1, cpu: {architecture: x86_64}}
    explanation:
      description: Sentences about the state of the device, one for each line of C(flotta explain device).
      type: list
      elements: str
      returned: when O(explain=true)
      sample: ["till-1 is ready. It reports in time and everything works. Last seen: 12 s ago.", receipts is Running.]
reason:
  description: Stable code of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: Forbidden
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._explanations import explained_devices
from ansible_collections.flotta.edge.plugins.module_utils._selections import (
    SELECTION_SPEC,
    Selection,
    read_selected,
)

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
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
        found = await read_selected(client, EDGE_DEVICE, selection, explained_devices)
        return {"changed": False, "devices": found}

    api.run(module, selection, work)


if __name__ == "__main__":
    main()
