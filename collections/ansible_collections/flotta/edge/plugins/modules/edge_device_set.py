#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_device_set
short_description: Give many devices the same settings
version_added: 0.1.0
description:
  - Creates, changes or removes an EdgeDeviceSet. Its settings are in effect on each device of the namespace whose label C(flotta/member-of)
    has its name.
  - The settings of a set replace those of its members as a whole. What the set does not have takes its default, even if a member has it.
  - When a set is removed, its members use their own settings until it exists again. Nothing is removed from a device.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Name of the set.
      - When omitted, that in C(metadata.name) of O(definition).
  namespace:
    description:
      - Namespace of the set and of its members.
      - When omitted, that in C(metadata.namespace) of O(definition), else V(default).
  labels:
    description:
      - Labels of the EdgeDeviceSet itself, not of its members. Labels that are not listed here stay as they are. V(null) removes a
        label.
      - To put a device into the set, set the label C(flotta/member-of) of the device, for example with M(flotta.edge.edge_device).
  spec:
    description:
      - The whole specification of the EdgeDeviceSet. Fields that are not listed here are removed.
      - Field names of earlier releases, such as C(heartbeat.period_seconds), are replaced by the current ones, with a warning.
      - When neither this nor O(definition) is given, the settings stay as they are; a new set has none, so its members get all defaults.
  state:
    description:
      - Whether the set exists.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Whether to wait until the operator has accepted the settings, and no member that is online lacks a part of them, for example
        because a Secret does not exist. If the task changes the heartbeat, also until each member that is online has taken it over.
      - Members are not waited for if the user may not list EdgeDevices. The module warns about that.
      - With O(state=absent), until the EdgeDeviceSet is removed.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
  - flotta.edge.manifest
  - flotta.edge.device_settings
attributes:
  check_mode:
    description: Reports what would change, and fails where the resource API would refuse it.
    support: full
  diff_mode:
    description: Shows labels and specification before and after.
    support: full
  idempotent:
    description: Changes nothing when labels and specification are as desired.
    support: full
seealso:
  - module: flotta.edge.edge_device
  - module: flotta.edge.edge_device_info
"""

EXAMPLES = r"""
- name: Let all tills of the north send heartbeats every 30 seconds, and keep their files in one bucket
  flotta.edge.edge_device_set:
    name: tills-north
    namespace: shops
    spec:
      heartbeat:
        periodSeconds: 30
      storage:
        s3:
          configMapName: north-bucket
          secretName: north-bucket-key
    wait: true

- name: Put a till into the set
  flotta.edge.edge_device:
    name: till-1
    namespace: shops
    labels:
      flotta/member-of: tills-north

- name: Create what a manifest says
  flotta.edge.edge_device_set:
    definition: "{{ lookup('ansible.builtin.file', 'tills-south.yaml') | from_yaml }}"

- name: Let the members use their own settings again
  flotta.edge.edge_device_set:
    name: tills-north
    namespace: shops
    state: absent
"""

RETURN = r"""
device_set:
  description:
    - The EdgeDeviceSet, as the resource API returns it.
    - In check mode, as it is before the change.
  type: dict
  returned: when it exists
  contains:
    metadata:
      description: Name, namespace and other metadata.
      type: dict
      returned: always
      sample: {name: tills-north, namespace: shops, generation: 1}
    spec:
      description: The settings of the members, with the defaults of the API.
      type: dict
      returned: always
      sample: {heartbeat: {periodSeconds: 30}}
    status:
      description: Counts of the members, and whether the settings are valid.
      type: dict
      returned: when the operator has handled the set
      contains:
        observedGeneration:
          description: Generation of the set that this status belongs to.
          type: int
          returned: always
          sample: 1
        members:
          description: Number of devices in the set.
          type: int
          returned: always
          sample: 12
        ready:
          description: Number of members that are ready.
          type: int
          returned: always
          sample: 11
        conditions:
          description: Conditions of the types C(Accepted) and C(Updatable).
          type: list
          elements: dict
          returned: always
          sample: [{type: Accepted, status: "True", reason: Valid, message: Its settings are in effect on all members}]
reason:
  description:
    - Stable code of what is wrong with the settings, with O(wait=true), or of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: StorageContradiction
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._manifests import ManifestModule
from ansible_collections.flotta.edge.plugins.module_utils._options import DEVICE_SETTINGS
from ansible_collections.flotta.edge.plugins.module_utils._takeovers import (
    applied_version,
    is_late,
    is_online,
    must_take_over,
)
from ansible_collections.flotta.edge.plugins.module_utils._whole_objects import (
    WholeObject,
    is_observed,
)

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        Client,
        Forbidden,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.conditions import (
        ACCEPTED,
        CONFIGURED,
        find_condition,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
        EDGE_DEVICE_SET,
        MEMBER_LABEL,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.device_settings import (
        EdgeDeviceSet,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        EdgeDevice,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Condition,
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        conditions_of,
        name_of,
        spec_of,
        status_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

NAMED = 3  # members of which a message says what is missing


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module, without those of its object."""

    state: str  # present or absent


def missing_parts(device: EdgeDevice) -> list[str]:
    """Return what a device that is online lacks of its own settings, in lines; not what its workloads lack."""
    conditions, status = conditions_of(device), status_of(device)
    configured = find_condition(conditions, CONFIGURED)
    if configured is None or configured["status"] != "False":
        return []
    if not is_online(device):
        return []
    workloads = tuple(f"{entry['name']}: " for entry in status.get("workloads") or ())
    lines = configured.get("message", "").splitlines()
    return [line for line in lines if not line.startswith(workloads)]


def former_versions(
    members: Sequence[EdgeDevice], old: EdgeDeviceSet | None, new: EdgeDeviceSet
) -> dict[str, str]:
    """Return what the members that get another heartbeat report so far; without a set, their own settings were in effect."""
    return {
        name_of(device): applied_version(device)
        for device in members
        if must_take_over(device, spec_of(old) if old else spec_of(device), spec_of(new))
    }


class WantedSet(WholeObject):
    """The set that the parameters name."""

    seen: EdgeDeviceSet | None = None  # while the module waits: as last read
    hidden = False  # whether the user may not read its members
    lacking: list[EdgeDevice]  # the members that lacked something then
    late: list[EdgeDevice]  # those that had not taken over the heartbeat
    former: dict[
        str, str
    ]  # what these reported before the change: name → version of the configuration

    async def work(self, state: str) -> Manifest:
        """Create, change or remove the set as desired; return the result of the module."""
        if state == "absent":
            change = await self.ensure_absent()
            return {"changed": change.changed, "diff": change.diff}
        waits = self.waiting.wait and not self.module.check_mode
        old, members = await self.find(), await self.read_members() if waits else []
        change = await self.ensure_present()
        device_set = change.obj
        if waits:
            self.former = former_versions(members, old, device_set)
            device_set = await api.wait_until(
                self.waiting, self.find_in_effect, self.describe_delay
            )
        return {"changed": change.changed, "device_set": device_set, "diff": change.diff}

    async def find_in_effect(self) -> EdgeDeviceSet | None:
        """Return the set if the operator has accepted it and every member that is online has all of it."""
        self.seen, self.lacking, self.late = await self.find(), [], []
        accepted = self.accepted()
        if self.seen is None or accepted is None or accepted["status"] != "True":
            return None
        members = await self.read_members()
        self.lacking = [device for device in members if missing_parts(device)]
        self.late = [
            device
            for device in members
            if name_of(device) in self.former and is_late(device, self.former[name_of(device)])
        ]
        return None if self.lacking or self.late else self.seen

    def accepted(self) -> Condition | None:
        """Return the operator's judgement about the present settings, None if it has not judged them yet."""
        if self.seen is None or not is_observed(self.seen):
            return None
        return find_condition(conditions_of(self.seen), ACCEPTED)

    async def read_members(self) -> list[EdgeDevice]:
        """Return the devices of the set; none to a user who may not read devices, with a warning."""
        selector = f"{MEMBER_LABEL}={self.wanted.name}"
        try:
            return await self.client.list(
                EDGE_DEVICE, self.wanted.namespace, label_selector=selector
            )
        except Forbidden:
            if not self.hidden:
                self.hidden = True
                self.module.warn(
                    f"Whether the members of EdgeDeviceSet {self.wanted.name} take over its settings was not waited for: the user may "
                    "not list EdgeDevices."
                )
            return []

    async def describe_delay(self) -> api.Delayed:
        """Return what keeps the settings from being in effect."""
        name, accepted = self.wanted.name, self.accepted()
        if self.seen is None:
            return api.Delayed(
                f"EdgeDeviceSet {name} was deleted while the module waited for it; run the task again to create it."
            )
        if accepted is None:
            return api.Delayed(
                f"The operator has not looked at EdgeDeviceSet {name} within {self.waiting.wait_timeout} s; check that it runs: "
                "systemctl status flotta-operator, or its Deployment on Kubernetes."
            )
        if accepted["status"] != "True":
            message = accepted.get("message", "").rstrip(".")
            text = f"EdgeDeviceSet {name} is not accepted: {message}."
            return api.Delayed(text, accepted.get("reason"))
        return self.describe_lacking() if self.lacking else self.describe_late()

    def describe_late(self) -> api.Delayed:
        """Return which members still have the former heartbeat."""
        names = ", ".join(name_of(device) for device in self.late[:NAMED])
        return api.Delayed(
            f"{len(self.late)} members of EdgeDeviceSet {self.wanted.name} that are online have not taken over its heartbeat after "
            f"{self.waiting.wait_timeout} s: {names}. On such a device, run: journalctl -u flotta-device-worker"
        )

    def describe_lacking(self) -> api.Delayed:
        """Return what the members that are online lack, of the first of them."""
        sentences = [
            f"{name_of(device)}: {'; '.join(line.rstrip('.') for line in missing_parts(device))}."
            for device in self.lacking[:NAMED]
        ]
        configured = find_condition(conditions_of(self.lacking[0]), CONFIGURED)
        text = (
            f"{len(self.lacking)} members of EdgeDeviceSet {self.wanted.name} that are online do not get all of its settings after "
            f"{self.waiting.wait_timeout} s."
        )
        return api.Delayed(
            " ".join([text, *sentences]), configured.get("reason") if configured else None
        )


def main() -> None:
    """Run the module."""
    module = ManifestModule(
        "EdgeDeviceSet",
        DEVICE_SETTINGS,
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}
        },
    )
    parameters = module.parameters(Parameters)

    async def work(client: Client) -> Manifest:
        wanted = module.wanted(EDGE_DEVICE_SET)
        return await WantedSet(module, client, EDGE_DEVICE_SET, wanted, parameters).work(
            parameters.state
        )

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
