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
  - Returns EdgeDevices with their labels, specification and status.
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
"""

EXAMPLES = r"""
- name: Read all tills
  flotta.edge.edge_device_info:
    label_selector: role=till
  register: tills

- name: List the devices that are quarantined
  ansible.builtin.debug:
    msg: "{{ tills.devices | selectattr('spec.quarantine', 'defined') | map(attribute='metadata.name') }}"

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
    spec:
      description: Desired configuration of the device.
      type: dict
      returned: always
      contains:
        quarantine:
          description: Who quarantined the device, when and why, and whether it stops its pods.
          type: dict
          returned: while the device is quarantined
    status:
      description: Conditions, workloads, hardware and other state that the control plane recorded.
      type: dict
      returned: when the device has reported
"""

from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        EdgeDevice,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so


@dataclass(frozen=True)
class Parameters(api.Connection):
    """The parameters of the module."""

    name: str | None
    namespace: str | None
    label_selector: str | None


async def read_devices(client: Client, parameters: Parameters) -> list[EdgeDevice]:
    """Return the devices that the parameters select."""
    if parameters.name:
        namespace = parameters.namespace or "default"
        found = await client.get_or_none(EDGE_DEVICE, parameters.name, namespace)
        return [found] if found else []
    return await client.list(
        EDGE_DEVICE, parameters.namespace or None, label_selector=parameters.label_selector
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            "name": {"type": "str"},
            "namespace": {"type": "str"},
            "label_selector": {"type": "str"},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        return {"changed": False, "devices": await read_devices(client, parameters)}

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
