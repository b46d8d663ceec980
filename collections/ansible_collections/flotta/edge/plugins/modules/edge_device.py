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
  - A device that is being decommissioned cannot be configured, and the module fails. It can be quarantined.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Id of the device.
      - When omitted, that in C(metadata.name) of O(definition).
  namespace:
    description:
      - Namespace of the device.
      - When omitted, that in C(metadata.namespace) of O(definition), else V(default).
  labels:
    description:
      - Labels of the device. Labels that are not listed here stay as they are. V(null) removes a label.
      - A boolean becomes V(true) or V(false), a number the text of it.
      - Workloads and device sets select devices by these labels.
  spec:
    description:
      - Fields to set in the specification of the EdgeDevice. Fields that are not listed here stay as they are.
      - V(null) removes a field (a JSON merge patch, RFC 7396).
      - Field names of earlier releases, such as C(heartbeat.period_seconds), are replaced by the current ones, with a warning.
      - While the device is a member of an existing EdgeDeviceSet, the settings of the set apply instead.
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
      - When omitted, V(stop). Needs O(quarantined).
    type: str
    choices: [stop, keep]
  quarantine_reason:
    description:
      - Why the device is quarantined, for whoever looks at it later. At most 1024 characters, on one line. Needs O(quarantined).
      - When omitted or empty, a reason that is recorded stays.
    type: str
  wait:
    description:
      - Whether to wait until the device is ready, that is, until the control plane receives its heartbeats. With
        O(state=absent), until the EdgeDevice is removed.
      - If the task changes the heartbeat of a device without a set, also until the device has taken it over.
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
  - flotta.edge.manifest
  - flotta.edge.device_settings
attributes:
  check_mode:
    description: Reports what would change, and fails where the resource API would refuse it. Does not wait for the device.
    support: full
  diff_mode:
    description: Shows labels and specification before and after.
    support: full
  idempotent:
    description: Changes nothing when labels and specification are as desired.
    support: full
seealso:
  - module: flotta.edge.edge_device_info
  - module: flotta.edge.edge_device_set
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

- name: Let it send the default again
  flotta.edge.edge_device:
    name: till-1
    spec:
      heartbeat:
        periodSeconds: null

- name: Take it out of its set
  flotta.edge.edge_device:
    name: till-1
    labels:
      flotta/member-of: null

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
    quarantine_reason: not at its place at the inventory of June

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
  description:
    - The EdgeDevice, as the resource API returns it.
    - In check mode, as it is before the change.
  type: dict
  returned: when it exists
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
reason:
  description:
    - Stable code of what keeps the device from joining or from being ready, or of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: WaitingForApproval
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._manifests import ManifestModule, Wanted
from ansible_collections.flotta.edge.plugins.module_utils._options import DEVICE_SETTINGS
from ansible_collections.flotta.edge.plugins.module_utils._takeovers import (
    applied_version,
    is_late,
    is_online,
    must_take_over,
)

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
        plan_quarantine,
        plan_release,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.joining import (
        REQUEST_NAMESPACE,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.quarantine import (
        KEEP,
        REASON_LIMIT,
        STOP,
        Pods,
        quarantine_of,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.request_explanation import (
        explain_request,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.tombstones import (
        confirmed_by,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.merge_patch import (
        apply_merge_patch,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        ApiError,
        Client,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.conditions import (
        READY,
        find_condition,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
        MEMBER_LABEL,
        SIGNED_REQUEST,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.device_settings import (
        DeviceSettings,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        EdgeDevice,
        SignedRequest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
        MergePatch,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        conditions_of,
        is_being_deleted,
        labels_of,
        spec_of,
        status_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

WHERE_TO_LOOK = (
    "Its log says why; on the device, run: journalctl -u flotta-gateway -u flotta-device-worker"
)


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module, without those of its object."""

    adopt: bool
    quarantined: bool | None  # None leaves it as it is
    quarantine_pods: str | None  # stop or keep
    quarantine_reason: str | None
    state: str  # present or absent


def former_version(
    device: EdgeDevice, labels: Mapping[str, str], spec: DeviceSettings
) -> str | None:
    """Return the version of the configuration that a device no longer reports once it has the heartbeat of `spec`.

    None for a device whose heartbeat does not change; that of a member of a set is the set's.
    """
    in_set = MEMBER_LABEL in {**labels_of(device), **labels}
    changes = not in_set and must_take_over(device, spec_of(device), spec)
    return applied_version(device) if changes else None


def is_own_request(request: SignedRequest | None, namespace: str) -> bool:
    """Tell whether a request of the name of a device is that of this namespace; requests are in one namespace."""
    return request is not None and spec_of(request).get("targetNamespace") == namespace


class WantedDevice:
    """The device that the parameters name."""

    def __init__(
        self, module: AnsibleModule, client: Client, wanted: Wanted, parameters: Parameters
    ) -> None:
        self.module, self.client, self.wanted = module, client, wanted
        self.parameters = parameters
        self.name, self.namespace = wanted.name, wanted.namespace
        self.seen: EdgeDevice | None = None  # while the module waits: as last read
        self.former: str | None = (
            None  # version of the configuration that must not be reported any more
        )

    async def ensure_present(self) -> Manifest:
        """Configure the device as desired; return the result of the module."""
        adopted = self.parameters.adopt and await self.adopt()
        device = await self.wait_registered(adopted)
        if device is None:  # check mode only
            return {"changed": True, "diff": api.make_diff(None, self.part_to_come())}
        self.require_kept(device)
        written = await self.write(device)
        before, after = self.wanted.part_of(device), self.wanted.part_of(written)
        shown = device if self.module.check_mode else written
        if self.parameters.wait and not self.module.check_mode:
            shown = await self.wait_ready_unless_quarantined(written)
        diff = api.make_diff(before, after)
        return {"changed": adopted or before != after, "device": shown, "diff": diff}

    async def write(self, device: EdgeDevice) -> EdgeDevice:
        """Return the device as the task changes it; in check mode, it is not stored."""
        patch = self.make_patch(device)
        wanted = apply_merge_patch(device, patch)
        if self.wanted.part_of(wanted) == self.wanted.part_of(device):
            return device
        written = await self.client.merge_patch(
            EDGE_DEVICE, self.name, self.namespace, patch, dry_run=self.module.check_mode
        )
        self.former = former_version(device, labels_of(written), spec_of(written))
        return written

    def make_patch(self, device: EdgeDevice) -> MergePatch:
        """Return the merge patch of what the parameters set."""
        spec = {**(self.wanted.spec or {}), **self.plan_quarantine(device)}
        return {"metadata": self.wanted.metadata_patch, "spec": spec}

    def part_to_come(self) -> Manifest:
        """Return the part of a device that is not registered yet as this module would change it."""
        unknown: Any = {"metadata": {}}
        return self.wanted.part_of(apply_merge_patch(unknown, self.make_patch(unknown)))

    def require_kept(self, device: EdgeDevice) -> None:
        """Raise ValueError for a device that is leaving, which can only be quarantined."""
        if is_being_deleted(device) and not self.parameters.quarantined:
            raise ValueError(
                f"Device {self.name} is being decommissioned, so it cannot be configured. Run the task again when it has registered again."
            )

    def plan_quarantine(self, device: EdgeDevice) -> MergePatch:
        """Return the merge patch of the specification that quarantines or releases the device, empty if it is as desired."""
        if self.parameters.quarantined is None:
            return {}
        if not self.parameters.quarantined:
            return plan_release(device)
        reason = self.parameters.quarantine_reason or ""
        if len(reason) > REASON_LIMIT:
            raise ValueError(
                f"quarantine_reason has {len(reason)} characters, and {REASON_LIMIT} can be recorded. Shorten it."
            )
        return plan_quarantine(device, self.wanted_pods, reason, "flotta.edge.edge_device")

    @property
    def wanted_pods(self) -> Pods:
        """What becomes of the pods of a quarantined device, in the words of the API."""
        return KEEP if self.parameters.quarantine_pods == "keep" else STOP

    async def adopt(self) -> bool:
        """Take the device back if it is unknown to the control plane; tell whether it was."""
        unknown = find_newest(await list_unknown(self.client, self.namespace), self.name)
        if unknown is not None and not self.module.check_mode:
            labels = {key: value for key, value in self.wanted.labels.items() if value is not None}
            await adopt(self.client, unknown, labels)
        return unknown is not None

    async def ensure_absent(self) -> Manifest:
        """Decommission the device, unless somebody did; return the result of the module."""
        device = await self.find()
        if device is None:
            return {"changed": False, "diff": api.make_diff(None, None)}
        leaving = is_being_deleted(device) and bool(confirmed_by(device))
        if not self.module.check_mode:
            await confirm_and_delete(self.client, device, "flotta.edge.edge_device")
            if self.parameters.wait:
                await api.wait_until(self.parameters, self.is_gone, self.describe_delay)
        before = self.wanted.part_of(device)
        return {"changed": not leaving, "diff": api.make_diff(before, before if leaving else None)}

    async def find(self) -> EdgeDevice | None:
        """Return the device, None when it does not exist."""
        return await self.client.get_or_none(EDGE_DEVICE, self.name, self.namespace)

    async def wait_registered(self, adopted: bool) -> EdgeDevice | None:
        """Return the device once it is registered; in check mode None when it is not, but would be waited for or adopted."""
        if self.module.check_mode and (self.parameters.wait or adopted):
            return await self.find()
        if not self.parameters.wait:
            return await self.require_registered()
        return await api.wait_until(
            self.parameters,
            self.find,
            lambda: self.describe_missing(
                f"Device {self.name} did not register within {self.parameters.wait_timeout} s."
            ),
        )

    async def require_registered(self) -> EdgeDevice:
        """Return the device; raises Delayed when it is not registered."""
        device = await self.find()
        if device is None:
            raise await self.describe_missing(
                f"Device {self.name} is not registered in namespace {self.namespace}. Check the name (flotta status lists all "
                "devices), or set wait to true to wait until it registers."
            )
        return device

    async def describe_missing(self, sentence: str) -> api.Delayed:
        """Return why the device has not registered: what its request waits for, or where to look."""
        try:
            request = await self.client.get_or_none(SIGNED_REQUEST, self.name, REQUEST_NAMESPACE)
        except ApiError:  # who may change devices need not be allowed to read requests
            request = None
        if request is None or not is_own_request(request, self.namespace):
            return api.Delayed(f"{sentence} {WHERE_TO_LOOK}")
        current = [
            condition.get("reason")
            for condition in status_of(request).get("conditions") or ()
            if condition["status"] == "True"
        ]
        return api.Delayed(" ".join([sentence, *explain_request(request)]), *current[:1])

    async def wait_ready_unless_quarantined(self, device: EdgeDevice) -> EdgeDevice:
        """Return the device once it is ready; at once if it is quarantined, with a warning unless that was asked for."""
        if quarantine_of(device) is None:
            return await api.wait_until(self.parameters, self.find_ready, self.describe_silence)
        if not self.parameters.quarantined:
            self.module.warn(
                f"Device {self.name} is quarantined, so its heartbeats are refused, and it was not waited for. To let it in again, "
                f"run flotta device release {self.name}, or set quarantined to false."
            )
        return device

    async def find_ready(self) -> EdgeDevice | None:
        """Return the device if it is ready, and has taken over its heartbeat."""
        self.seen = await self.find()
        ready = self.seen is not None and is_online(self.seen) and not self.is_late(self.seen)
        return self.seen if ready else None

    def is_late(self, device: EdgeDevice) -> bool:
        """Tell whether the device still has the heartbeat that the task changed."""
        return self.former is not None and is_late(device, self.former)

    async def describe_silence(self) -> api.Delayed:
        """Return why the device is not ready."""
        seconds = f"{self.parameters.wait_timeout} s"
        if self.seen is None:
            return api.Delayed(
                f"Device {self.name} was removed while the module waited for it. {WHERE_TO_LOOK}"
            )
        ready = find_condition(conditions_of(self.seen), READY)
        if ready is None:
            return api.Delayed(
                f"Device {self.name} registered but sent no heartbeat within {seconds}. {WHERE_TO_LOOK}"
            )
        if self.is_late(self.seen):
            return api.Delayed(
                f"Device {self.name} is ready but has not taken over its heartbeat within {seconds}. {WHERE_TO_LOOK}"
            )
        message = ready.get("message", "").rstrip(".")
        return api.Delayed(
            f"Device {self.name} is not ready after {seconds}: {message}. {WHERE_TO_LOOK}",
            ready.get("reason"),
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
    module = ManifestModule(
        "EdgeDevice",
        DEVICE_SETTINGS,
        argument_spec={
            "adopt": {"type": "bool", "default": False},
            "quarantined": {"type": "bool"},
            "quarantine_pods": {"type": "str", "choices": ["stop", "keep"]},
            "quarantine_reason": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_by={"quarantine_pods": ["quarantined"], "quarantine_reason": ["quarantined"]},
    )
    parameters = module.parameters(Parameters)

    async def work(client: Client) -> Manifest:
        device = WantedDevice(module, client, module.wanted(EDGE_DEVICE), parameters)
        present = parameters.state == "present"
        return await (device.ensure_present() if present else device.ensure_absent())

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
