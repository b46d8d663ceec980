#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_workload
short_description: Run a workload on devices
version_added: 0.1.0
description:
  - Creates, changes or removes an EdgeWorkload, which runs a pod on each device that it selects by name or label.
author:
  - flotta.edge contributors (@project-flotta)
options:
  labels:
    description:
      - Labels of the EdgeWorkload itself, not of devices. Labels that are not listed here stay as they are. V(null) removes a label.
  spec:
    description:
      - The whole specification of the EdgeWorkload. Fields that are not listed here are removed.
      - Field names of earlier releases, such as C(data.paths), are replaced by the current ones, with a warning.
      - A workload that gives Secrets to whatever device reports the labels of its selector gives a warning.
      - With O(state=present), either this or O(definition) is required.
  state:
    description:
      - Whether the workload exists.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Whether to wait until the workload runs on every selected device that is online; at least one device must be
        selected. A pod with startup or readiness probes runs once it is ready; an older pod that runs on because the new one
        cannot be had does not count. With O(state=absent), until the EdgeWorkload is removed.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
  - flotta.edge.manifest
  - flotta.edge.workload_settings
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
  - module: flotta.edge.edge_workload_info
  - module: flotta.edge.edge_device
"""

EXAMPLES = r"""
- name: Run the sample workload on every device with the label app=os-stats
  flotta.edge.edge_workload:
    kubeconfig: /etc/flotta/kubeconfig/admin.kubeconfig
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
              image: localhost/flotta-edge-os-stats:1
              imagePullPolicy: Never
    wait: true

- name: Run a web server on one device, and upload its reports to the device's bucket
  flotta.edge.edge_workload:
    name: web
    spec:
      type: pod
      device: till-1
      data:
        egress:
          - source: reports  # /export/reports in the container
            target: web/reports
      pod:
        spec:
          containers:
            - name: nginx
              image: docker.io/library/nginx:1.29
              ports:
                - containerPort: 80
                  hostPort: 8080

- name: Run what a manifest says
  flotta.edge.edge_workload:
    definition: "{{ lookup('ansible.builtin.file', 'receipts.yaml') | from_yaml }}"
    wait: true

- name: Remove the web server from its device
  flotta.edge.edge_workload:
    name: web
    state: absent
"""

RETURN = r"""
workload:
  description:
    - The EdgeWorkload, as the resource API returns it.
    - In check mode, as it is before the change.
  type: dict
  returned: when it exists
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
reason:
  description:
    - Stable code of what keeps the workload from running, with O(wait=true), or of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: ImagePullFailed
"""

from dataclasses import dataclass

from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._manifests import ManifestModule
from ansible_collections.flotta.edge.plugins.module_utils._options import WORKLOAD_SETTINGS
from ansible_collections.flotta.edge.plugins.module_utils._whole_objects import (
    WholeObject,
    is_observed,
)

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.self_reported import (
        secrets_warning,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.workload_status import (
        describe_status,
        is_failing,
        is_running,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        ApiError,
        Client,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.conditions import (
        ACCEPTED,
        READY,
        find_condition,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
        EDGE_WORKLOAD,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        WorkloadStatus,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.workloads import (
        EdgeWorkload,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        name_of,
        status_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

REASONS = 3  # devices of which a message says why the workload does not run


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module, without those of its object."""

    state: str  # present or absent


def runs_everywhere(workload: EdgeWorkload) -> bool:
    """Tell whether it selects a device, and runs on every selected device that is online."""
    status = status_of(workload)
    matched = status.get("matched", 0)
    ready = find_condition(status.get("conditions"), READY)
    silent = ready is not None and ready.get("reason") == "DevicesSilent"
    return bool(
        is_observed(workload) and matched and (status.get("running", 0) >= matched or silent)
    )


class WantedWorkload(WholeObject):
    """The workload that the parameters name."""

    seen: EdgeWorkload | None = None  # while the module waits: as last read

    async def work(self, state: str) -> Manifest:
        """Create, change or remove the workload as desired; return the result of the module."""
        if state == "absent":
            change = await self.ensure_absent()
            return {"changed": change.changed, "diff": change.diff}
        self.warn_of_secrets()
        change = await self.ensure_present()
        workload = change.obj
        if self.waiting.wait and not self.module.check_mode:
            workload = await api.wait_until(self.waiting, self.find_running, self.describe_delay)
        return {"changed": change.changed, "workload": workload, "diff": change.diff}

    def warn_of_secrets(self) -> None:
        """Warn if devices choose by themselves whether they get the Secrets of the workload."""
        name = self.wanted.name
        try:
            warning = secrets_warning({"metadata": {"name": name}, "spec": self.spec})
        except (AttributeError, KeyError, TypeError):
            return  # not a specification: the API says what is wrong with it
        if warning:
            self.module.warn(f"EdgeWorkload {name}: {warning}")

    async def find_running(self) -> EdgeWorkload | None:
        """Return the workload if it runs on every selected device that is online."""
        self.seen = await self.find()
        return self.seen if self.seen and runs_everywhere(self.seen) else None

    async def describe_delay(self) -> api.Delayed:
        """Return on how many devices the workload runs so far and what keeps it from others, or why it is not accepted."""
        name = self.wanted.name
        if self.seen is None:
            return api.Delayed(
                f"Workload {name} was deleted while the module waited for it; run the task again to create it."
            )
        status = status_of(self.seen)
        accepted = find_condition(status.get("conditions"), ACCEPTED)
        if is_observed(self.seen) and accepted and accepted["status"] == "False":
            text = f"Workload {name} is not accepted: {accepted.get('message', '').rstrip('.')}."
            return api.Delayed(text, accepted.get("reason"))
        text = (
            f"Workload {name} runs on {status.get('running', 0)} of {status.get('matched', 0)} devices after "
            f"{self.waiting.wait_timeout} s. kubectl describe edgedevice, or flotta explain workload {name}, says why."
        )
        entries = (await self.find_entries())[:REASONS]
        sentences = [f"{device}: {describe_status(entry)}." for device, entry in entries]
        ready = find_condition(status.get("conditions"), READY)
        codes = [entry.get("reason") for _device, entry in entries]
        codes += [ready.get("reason")] if ready else []
        return api.Delayed(
            " ".join([text, *self.describe_selection(), *sentences]),
            next(filter(None, codes), None),
        )

    def describe_selection(self) -> list[str]:
        """Return a sentence if the operator has not looked at the workload, or found no device for it."""
        if self.seen is None or not is_observed(self.seen):
            return ["The operator has not looked at it yet; check that flotta-operator runs."]
        if status_of(self.seen).get("matched"):
            return []
        return [
            "It selects no device: compare its selector with the labels of the devices in its namespace, which flotta status shows."
        ]

    async def find_entries(self) -> list[tuple[str, WorkloadStatus]]:
        """Return device and status wherever it does not run, those where it fails first."""
        try:
            devices = await self.client.list(EDGE_DEVICE, self.wanted.namespace)
        except ApiError:  # who may write workloads need not be allowed to read devices
            return []
        found = [
            (name_of(device), entry)
            for device in devices
            for entry in status_of(device).get("workloads") or []
            if entry["name"] == self.wanted.name and not is_running(entry)
        ]
        return sorted(found, key=lambda pair: (not is_failing(pair[1]), pair[0]))


def main() -> None:
    """Run the module."""
    module = ManifestModule(
        "EdgeWorkload",
        WORKLOAD_SETTINGS,
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}
        },
        required_if=[("state", "present", ["spec", "definition"], True)],
    )
    parameters = module.parameters(Parameters)

    async def work(client: Client) -> Manifest:
        wanted = module.wanted(EDGE_WORKLOAD)
        return await WantedWorkload(module, client, EDGE_WORKLOAD, wanted, parameters).work(
            parameters.state
        )

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
