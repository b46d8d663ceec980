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
  name:
    description:
      - Name of the workload.
    type: str
    required: true
  namespace:
    description:
      - Namespace of the workload and of the devices that it selects.
    type: str
    default: default
  spec:
    description:
      - The whole specification of the EdgeWorkload. Fields that are not listed here are removed.
      - Field names of earlier releases, such as C(data.paths), are replaced by the current ones, with a warning.
      - A workload that gives Secrets to whatever device reports the labels of its selector gives a warning.
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
      - Whether to wait until the workload runs on every selected device that is online; at least one device must be
        selected. A pod with startup or readiness probes runs once it is ready; an older pod that runs on because the new one
        cannot be had does not count. With O(state=absent), until the EdgeWorkload is removed.
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
    description: Changes nothing when the workload was created from the same specification.
    support: full
seealso:
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

- name: Remove the web server from its device
  flotta.edge.edge_workload:
    name: web
    state: absent
"""

RETURN = r"""
workload:
  description: The EdgeWorkload, as the resource API returns it.
  type: dict
  returned: when it exists
  contains:
    metadata:
      description: Name, namespace and other metadata.
      type: dict
      returned: always
    spec:
      description: The specification, with defaults.
      type: dict
      returned: always
    status:
      description: How many devices the workload selects and runs on, and its conditions.
      type: dict
      returned: when the operator has handled the workload
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.self_reported import (
        secrets_warning,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.workload_status import (
        describe_status,
        is_failing,
        is_running,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.migration.manifests import (
        Json,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        ApiError,
        Client,
        retry_on_conflict,
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
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
        ObjectMeta,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.workloads import (
        EdgeWorkload,
        EdgeWorkloadSpec,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        annotations_of,
        generation_of,
        name_of,
        status_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

# The API adds defaults to what the module sends, so the specifications cannot be compared.
NOTE = "management.project-flotta.io/specification-digest"
REASONS = 3  # devices of which a message says why the workload does not run


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module."""

    name: str
    namespace: str
    spec: Mapping[str, Json] | None  # given with state present
    state: str  # present or absent


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


def is_made_from(workload: EdgeWorkload, spec: EdgeWorkloadSpec) -> bool:
    """Tell whether a workload was created from this specification and still has it."""
    noted = annotations_of(workload).get(NOTE)
    return noted == compute_digest(spec) and contains(workload["spec"], spec)


def is_observed(workload: EdgeWorkload) -> bool:
    """Tell whether the status is that of the present specification."""
    return status_of(workload).get("observedGeneration", 0) >= generation_of(workload)


def runs_everywhere(workload: EdgeWorkload) -> bool:
    """Tell whether it selects a device, and runs on every selected device that is online."""
    status = status_of(workload)
    matched = status.get("matched", 0)
    ready = find_condition(status.get("conditions"), READY)
    silent = ready is not None and ready.get("reason") == "DevicesSilent"
    return bool(
        is_observed(workload) and matched and (status.get("running", 0) >= matched or silent)
    )


class WantedWorkload:
    """The workload that the parameters name."""

    def __init__(self, module: AnsibleModule, client: Client, parameters: Parameters) -> None:
        self.module, self.client, self.parameters = module, client, parameters
        self.name, self.namespace = parameters.name, parameters.namespace
        self.seen: EdgeWorkload | None = None  # while the module waits: as last read

    async def ensure_present(self) -> Manifest:
        """Create or change the workload as desired; return the result of the module."""
        workload = await self.find()
        spec = self.read_spec()
        self.warn_of_secrets(spec)
        changed = workload is None or not is_made_from(workload, spec)
        before = workload["spec"] if workload else None
        if changed and not self.module.check_mode:
            # The operator may write counts into the object at any time.
            workload = await retry_on_conflict(lambda: self.write(spec))
        if self.parameters.wait and not self.module.check_mode:
            workload = await self.wait_running()
        diff = api.make_diff(before, spec if changed else before)
        return {"changed": changed, "workload": workload, "diff": diff}

    def read_spec(self) -> EdgeWorkloadSpec:
        """Return the specification of the parameters."""
        metadata = {"name": self.name}
        given = api.replace_old_names(self.module, EDGE_WORKLOAD, metadata, self.parameters.spec)
        return given["spec"]

    def warn_of_secrets(self, spec: EdgeWorkloadSpec) -> None:
        """Warn if devices choose by themselves whether they get the Secrets of the workload."""
        try:
            warning = secrets_warning({"metadata": {"name": self.name}, "spec": spec})
        except (AttributeError, KeyError, TypeError):
            return  # not a specification: the API says what is wrong with it
        if warning:
            self.module.warn(f"EdgeWorkload {self.name}: {warning}")

    async def ensure_absent(self) -> Manifest:
        """Remove the workload; return the result of the module."""
        workload = await self.find()
        if workload is None:
            return {"changed": False}
        if not self.module.check_mode:
            await self.client.delete(EDGE_WORKLOAD, self.name, self.namespace)
            if self.parameters.wait:
                await api.wait_until(self.parameters, self.is_gone, self.describe_removal)
        return {"changed": True, "diff": api.make_diff(workload["spec"], None)}

    async def find(self) -> EdgeWorkload | None:
        """Return the workload, None when it does not exist."""
        return await self.client.get_or_none(EDGE_WORKLOAD, self.name, self.namespace)

    async def write(self, spec: EdgeWorkloadSpec) -> EdgeWorkload:
        """Create or replace the workload; return its new state."""
        workload = await self.find()
        note = {NOTE: compute_digest(spec)}
        if workload is None:
            metadata: ObjectMeta = {"name": self.name, "namespace": self.namespace}
            metadata["annotations"] = note
            return await self.client.create(EDGE_WORKLOAD, {"metadata": metadata, "spec": spec})
        metadata = {**workload["metadata"], "annotations": {**annotations_of(workload), **note}}
        wanted: EdgeWorkload = {**workload, "metadata": metadata, "spec": spec}
        return await self.client.replace(EDGE_WORKLOAD, wanted)

    async def is_gone(self) -> bool:
        """Tell whether the workload no longer exists."""
        return await self.find() is None

    def describe_removal(self) -> str:
        """Return why the workload still exists."""
        return (
            f"Workload {self.name} still exists after {self.parameters.wait_timeout} s. "
            "Its finalizers keep it; check that the operator runs, which removes those of flotta."
        )

    async def wait_running(self) -> EdgeWorkload:
        """Wait until the workload runs; raises TimeoutError with what keeps it from that."""
        try:
            return await api.wait_until(self.parameters, self.find_running, self.describe_delay)
        except TimeoutError as error:
            raise TimeoutError(" ".join([str(error), *await self.find_reasons()])) from error

    async def find_reasons(self) -> list[str]:
        """Return a sentence for each of the first devices on which it does not run, those where it fails first."""
        try:
            devices = await self.client.list(EDGE_DEVICE, self.namespace)
        except ApiError:  # who may write workloads need not be allowed to read devices
            return []
        found = [
            (not is_failing(entry), f"{name_of(device)}: {describe_status(entry)}.")
            for device in devices
            for entry in status_of(device).get("workloads") or []
            if entry["name"] == self.name and not is_running(entry)
        ]
        return [sentence for runs_so_far, sentence in sorted(found)[:REASONS]]

    async def find_running(self) -> EdgeWorkload | None:
        """Return the workload if it runs on every selected device that is online."""
        self.seen = await self.find()
        return self.seen if self.seen and runs_everywhere(self.seen) else None

    def describe_delay(self) -> str:
        """Return on how many devices the workload runs so far, or why it is not accepted."""
        if self.seen is None:
            return f"Workload {self.name} was deleted while the module waited for it; run the task again to create it."
        status = status_of(self.seen)
        accepted = find_condition(status.get("conditions"), ACCEPTED)
        if is_observed(self.seen) and accepted and accepted["status"] == "False":
            return f"Workload {self.name} is not accepted: {accepted.get('message', '')}."
        return (
            f"Workload {self.name} runs on {status.get('running', 0)} of {status.get('matched', 0)} devices after "
            f"{self.parameters.wait_timeout} s. kubectl describe edgedevice, or flotta explain workload {self.name}, says why."
        )


def main() -> None:
    """Run the module."""
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
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        workload = WantedWorkload(module, client, parameters)
        present = parameters.state == "present"
        return await (workload.ensure_present() if present else workload.ensure_absent())

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
