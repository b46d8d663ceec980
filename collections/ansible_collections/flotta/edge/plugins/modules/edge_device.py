#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_device
short_description: Label, configure, quarantine or decommission a device
version_added: 0.1.0
description:
  - Sets labels and specification of an EdgeDevice, or decommissions the device.
  - Devices register themselves. With O(state=present) and O(wait=true), the module first waits until the device has
    registered, for O(wait_timeout) seconds at most. With O(wait=false), it fails at once for a device that has not.
  - With O(state=absent), the device stops its workloads and removes their data and its own identity. The EdgeDevice
    is removed when the device has acknowledged that, or when the control plane has waited long enough for it.
  - O(state=absent) counts as an administrator's word, so the control plane does not hold the removal of many devices.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Id of the device.
    type: str
    required: true
  namespace:
    description:
      - Namespace of the device.
    type: str
    default: default
  labels:
    description:
      - Labels of the device. Labels that are not listed here stay as they are.
      - Workloads and device sets select devices by these labels.
      - A boolean becomes V("true") or V("false"), a number its text. Put quotes around a value that has to stay as written, such as
        V("1.10") or V("yes").
    type: dict
    default: {}
  spec:
    description:
      - Fields to set in the specification of the EdgeDevice. They are merged into it (a JSON merge patch, RFC 7386).
      - Fields that are not listed here stay as they are; V(null) removes a field.
    type: dict
    default: {}
  state:
    description:
      - Whether the device is part of the fleet.
      - V(absent) decommissions the device, and removes its bucket and the files in it.
    type: str
    choices: [present, absent]
    default: present
  adopt:
    description:
      - Whether to take back a device that has a certificate of this fleet but is unknown to the control plane, for
        instance after an old backup was restored. The EdgeDevice is created if it does not exist, with O(labels).
      - The device gets no configuration until that keeps the workloads that it runs.
      - Changes nothing for a device that is known. Needs permission to read and write ConfigMaps in the namespace of
        the control plane, which is the environment variable E(FLOTTA_NAMESPACE), V(flotta) by default.
    type: bool
    default: false
  quarantined:
    description:
      - Whether the device is kept out because it was lost or stolen. With V(true), the control plane refuses its certificates
        and revokes the access keys of its bucket; nothing is removed. With V(false), it is let in again.
      - When omitted, a quarantine stays as it is.
      - The heartbeats of a quarantined device are refused, so O(wait) does not wait for them. The module warns about that, unless
        this option is V(true).
    type: bool
  quarantine_pods:
    description:
      - What becomes of the pods of a device that O(quarantined=true) quarantines. V(stop) stops them when the device learns of it.
        They start again when it is released.
    type: str
    choices: [stop, keep]
    default: stop
  wait:
    description:
      - Whether to wait until the device is ready, that is, until the control plane receives its heartbeats. With
        O(state=absent), until the EdgeDevice is removed.
    type: bool
    default: false
  wait_timeout:
    description:
      - Maximum number of seconds to wait.
      - With O(state=absent), set more than the C(decommission_timeout) of the control plane, which is 300 by default.
    type: int
    default: 120
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
attributes:
  check_mode:
    description: Reports what would change. Does not wait for the device.
    support: full
  diff_mode:
    description: Shows labels and specification before and after.
    support: full
  idempotent:
    description: Changes nothing when labels and specification are as desired.
    support: full
seealso:
  - module: flotta.edge.edge_device_info
  - module: flotta.edge.edge_workload
"""

EXAMPLES = r"""
- name: Wait until the till is ready and set its role
  flotta.edge.edge_device:
    kubeconfig: /etc/flotta/kubeconfig/admin.kubeconfig
    name: till-1
    labels:
      role: till
    wait: true

- name: Let the till send a heartbeat every 30 seconds
  flotta.edge.edge_device:
    name: till-1
    spec:
      heartbeat:
        periodSeconds: 30

- name: Take back a till after an old backup of the control plane was restored
  flotta.edge.edge_device:
    name: till-1
    adopt: true
    labels:
      role: till

- name: Keep a lost till out until it is found
  flotta.edge.edge_device:
    name: till-1
    quarantined: true

- name: Let it in again
  flotta.edge.edge_device:
    name: till-1
    quarantined: false

- name: Decommission a camera
  flotta.edge.edge_device:
    name: camera-1
    state: absent
    wait: true
    wait_timeout: 330
"""

RETURN = r"""
device:
  description: The EdgeDevice, as the resource API returns it.
  type: dict
  returned: when it exists
  contains:
    metadata:
      description: Name, namespace, labels and other metadata.
      type: dict
      returned: always
    spec:
      description: Desired configuration of the device.
      type: dict
      returned: always
    status:
      description: Conditions, workloads, hardware and other state that the control plane recorded.
      type: dict
      returned: when the device has reported
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _labels
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.adoption import (
        adopt,
        find_newest,
        list_unknown,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.decommissioning import (
        confirm_and_delete,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.quarantine import (
        quarantine,
        release,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.quarantine import (
        KEEP,
        STOP,
        Pods,
        quarantine_of,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.merge_patch import (
        apply_merge_patch,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.migration.manifests import (
        Json,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.conditions import (
        READY,
        condition_status,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        EdgeDevice,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        conditions_of,
        labels_of,
        spec_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

WHERE_TO_LOOK = (
    "Its log says why; on the device, run: journalctl -u flotta-gateway -u flotta-device-worker"
)


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module."""

    name: str
    namespace: str
    labels: Mapping[str, Json]  # YAML makes numbers of some values
    spec: Mapping[str, Json]  # as a merge patch
    adopt: bool
    quarantined: bool | None  # None leaves it as it is
    quarantine_pods: str  # stop or keep
    state: str  # present or absent


def changeable_part(device: EdgeDevice) -> Manifest:
    """Return the part of a device that this module can change."""
    return {"labels": labels_of(device), "spec": spec_of(device)}


def is_ready(device: EdgeDevice) -> bool:
    """Tell whether the control plane receives heartbeats of the device."""
    return condition_status(conditions_of(device), READY) == "True"


class WantedDevice:
    """The device that the parameters name."""

    def __init__(self, module: AnsibleModule, client: Client, parameters: Parameters) -> None:
        self.module, self.client, self.parameters = module, client, parameters
        self.name, self.namespace = parameters.name, parameters.namespace

    async def ensure_present(self) -> Manifest:
        """Configure the device as desired; return the result of the module."""
        adopted = self.parameters.adopt and await self.adopt()
        device = await self.wait_registered()
        if device is None:  # check mode only
            return {"changed": True}
        patch = self.make_patch()
        before = changeable_part(device)
        after: Manifest = apply_merge_patch(before, patch)
        changed = before != after
        if changed and not self.module.check_mode:
            wanted = {"metadata": {"labels": patch["labels"]}, "spec": patch["spec"]}
            device = await self.client.merge_patch(EDGE_DEVICE, self.name, self.namespace, wanted)
        moved = self.must_change_quarantine(device)
        if moved and not self.module.check_mode:
            device = await self.change_quarantine(device)
            after = changeable_part(device)
        if self.parameters.wait and not self.module.check_mode:
            device = await self.wait_ready_unless_quarantined(device)
        diff = api.make_diff(before, after)
        return {"changed": changed or adopted or moved, "device": device, "diff": diff}

    def must_change_quarantine(self, device: EdgeDevice) -> bool:
        """Tell whether the device is not quarantined or released as desired."""
        known, wanted = quarantine_of(device), self.parameters.quarantined
        if wanted is None:
            return False
        return (known is not None) != wanted or (
            known is not None and known.pods != self.wanted_pods
        )

    async def change_quarantine(self, device: EdgeDevice) -> EdgeDevice:
        """Quarantine the device or release it, and return it."""
        if not self.parameters.quarantined:
            return await release(self.client, device)
        return await quarantine(
            self.client, device, self.wanted_pods, "", "flotta.edge.edge_device"
        )

    @property
    def wanted_pods(self) -> Pods:
        """What becomes of the pods of a quarantined device, in the words of the API."""
        return STOP if self.parameters.quarantine_pods == "stop" else KEEP

    async def adopt(self) -> bool:
        """Take the device back if it is unknown to the control plane; tell whether it was."""
        unknown = find_newest(await list_unknown(self.client, self.namespace), self.name)
        if unknown is not None and not self.module.check_mode:
            await adopt(self.client, unknown, _labels.label_values(self.parameters.labels))
        return unknown is not None

    def make_patch(self) -> Manifest:
        """Return the merge patch for the part of the device that this module can change."""
        labels = _labels.label_values(self.parameters.labels)
        metadata: Mapping[str, Json] = {"name": self.name, "labels": labels}
        given = api.replace_old_names(self.module, EDGE_DEVICE, metadata, self.parameters.spec)
        return changeable_part(given)

    async def ensure_absent(self) -> Manifest:
        """Decommission the device; return the result of the module."""
        device = await self.find()
        if device is None:
            return {"changed": False}
        if not self.module.check_mode:
            await confirm_and_delete(self.client, device, "flotta.edge.edge_device")
            if self.parameters.wait:
                await api.wait_until(self.parameters, self.is_gone, self.describe_delay)
        return {"changed": True, "diff": api.make_diff(changeable_part(device), None)}

    async def find(self) -> EdgeDevice | None:
        """Return the device, None when it does not exist."""
        return await self.client.get_or_none(EDGE_DEVICE, self.name, self.namespace)

    async def wait_registered(self) -> EdgeDevice | None:
        """Return the device once it is registered; in check mode None when it is not."""
        if self.module.check_mode:
            return await self.find()
        if not self.parameters.wait:
            return await self.require_registered()
        return await api.wait_until(
            self.parameters,
            self.find,
            lambda: (
                f"Device {self.name} did not register within {self.parameters.wait_timeout} s. "
                f"{WHERE_TO_LOOK}"
            ),
        )

    async def require_registered(self) -> EdgeDevice:
        """Return the device; raises ValueError when it is not registered."""
        device = await self.find()
        if device is None:
            raise ValueError(
                f"Device {self.name} is not registered in namespace {self.namespace}. Check the name (flotta status lists all "
                f"devices), or set wait to true to wait until it registers. {WHERE_TO_LOOK}"
            )
        return device

    async def wait_ready_unless_quarantined(self, device: EdgeDevice) -> EdgeDevice:
        """Return the device once it is ready; at once if it is quarantined, with a warning unless that was asked for."""
        if quarantine_of(device) is None:
            return await self.wait_ready()
        if not self.parameters.quarantined:
            self.module.warn(
                f"Device {self.name} is quarantined, so its heartbeats are refused, and it was not waited for. To let it in again, "
                f"run flotta device release {self.name}, or set quarantined to false."
            )
        return device

    async def wait_ready(self) -> EdgeDevice:
        """Return the device once it is ready."""

        async def find_ready() -> EdgeDevice | None:
            device = await self.find()
            return device if device and is_ready(device) else None

        return await api.wait_until(
            self.parameters,
            find_ready,
            lambda: (
                f"Device {self.name} registered but sent no heartbeat within "
                f"{self.parameters.wait_timeout} s. {WHERE_TO_LOOK}"
            ),
        )

    async def is_gone(self) -> bool:
        """Tell whether the device no longer exists."""
        return await self.find() is None

    def describe_delay(self) -> str:
        """Return why the device still exists."""
        return (
            f"Device {self.name} still exists after {self.parameters.wait_timeout} s: it has not confirmed that it left. "
            "The control plane removes it without that after the operator's decommission_timeout (default 300 s); "
            "set wait_timeout to more than that."
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.WAIT_SPEC,
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "default": "default"},
            "labels": {"type": "dict", "default": {}},
            "spec": {"type": "dict", "default": {}},
            "adopt": {"type": "bool", "default": False},
            "quarantined": {"type": "bool"},
            "quarantine_pods": {"type": "str", "choices": ["stop", "keep"], "default": "stop"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        device = WantedDevice(module, client, parameters)
        present = parameters.state == "present"
        return await (device.ensure_present() if present else device.ensure_absent())

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
