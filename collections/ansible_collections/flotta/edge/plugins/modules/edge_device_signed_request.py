#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_device_signed_request
short_description: Approve or decline a device that requests to join
version_added: 0.1.0
description:
  - A device that enrols requests to join by an EdgeDeviceSignedRequest, which has the id of the device as its name. This module decides
    about it, as C(flotta approve) and C(flotta decline) do. Who decided is recorded.
  - The operator creates the EdgeDevice of an approved device. O(target_namespace), O(target_set) and O(labels) are read then, once. When the
    EdgeDevice exists, they are changed by M(flotta.edge.edge_device).
  - Devices that the rule of a registration batch admits need no decision.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Id of the device.
    type: str
    required: true
  state:
    description:
      - V(approved) lets the device join, also one that was declined before.
      - V(declined) keeps it out. It withdraws an approval, too, but an EdgeDevice that exists stays, and the module warns about it.
      - The options O(target_namespace), O(target_set), O(labels) and O(code) are about an approval, and refused with V(declined).
    type: str
    choices: [approved, declined]
    default: approved
  target_namespace:
    description:
      - Namespace in which the EdgeDevice is created. It exists, and the registration certificate of the device allows it.
      - When omitted, the one that the device requests.
    type: str
  target_set:
    description:
      - EdgeDeviceSet that the device joins.
    type: str
  labels:
    description:
      - Labels that the EdgeDevice gets, beside those of its registration batch.
    type: dict
    default: {}
  code:
    description:
      - The code on the console of the device. The device is approved only if its key has this code. Upper and lower case, hyphens and spaces
        do not matter.
    type: str
  wait:
    description:
      - Whether to wait until the device requests to join, if it does not yet, and then until the EdgeDevice exists, or with
        O(state=declined), until the operator has recorded the decision.
      - With V(false), the module fails for a device that does not request to join.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
attributes:
  check_mode:
    description:
      - Reports what would change, and fails where the resource API would refuse it.
      - Does not wait; with O(wait=true), a request that does not exist counts as one that is still to come.
    support: full
  diff_mode:
    description: Shows decision, target and labels before and after.
    support: full
  idempotent:
    description: Changes nothing when the request is decided like this, whoever decided.
    support: full
seealso:
  - module: flotta.edge.edge_device_signed_request_info
  - module: flotta.edge.edge_device
  - module: flotta.edge.registration_certificate
"""

EXAMPLES = r"""
- name: Let a till join, and wait until it has an EdgeDevice
  flotta.edge.edge_device_signed_request:
    kubeconfig: /etc/flotta/kubeconfig/admin.kubeconfig
    name: till-17
    target_namespace: shops
    labels:
      role: till
    wait: true

- name: Let it join only if its console shows this code
  flotta.edge.edge_device_signed_request:
    name: till-18
    code: 3F7K-92QM

- name: Keep a device out
  flotta.edge.edge_device_signed_request:
    name: raspberrypi
    state: declined

- name: Find the devices that wait
  flotta.edge.edge_device_signed_request_info:
    state: pending
  register: waiting

- name: Approve those that the inventory knows
  flotta.edge.edge_device_signed_request:
    name: "{{ item }}"
  loop: "{{ waiting.requests | map(attribute='metadata.name') | intersect(groups['flotta_devices']) }}"
"""

RETURN = r"""
request:
  description: The EdgeDeviceSignedRequest, as the resource API returns it. In check mode, as it is before the change.
  type: dict
  returned: when it exists
  contains:
    metadata:
      description: Name, namespace, annotations and other metadata.
      type: dict
      returned: always
    spec:
      description: What the device requests, and the decision.
      type: dict
      returned: always
      sample: {approved: true, targetNamespace: shops}
    status:
      description: State of the request, and who or which rule decided.
      type: dict
      returned: when the operator has seen it
  sample:
    apiVersion: management.project-flotta.io/v1alpha1
    kind: EdgeDeviceSignedRequest
    metadata: {name: till-17, namespace: default}
    spec: {approved: true, labels: {role: till}, targetNamespace: shops}
    status:
      decision: {at: "2026-05-01T12:00:00Z", by: "root (flotta.edge.edge_device_signed_request)"}
      phase: approved
code:
  description: The code on the console of the device. Empty if the request names no key.
  type: str
  returned: when the request exists
  sample: 3F7K-92QM
device:
  description: The EdgeDevice of the request, as the resource API returns it.
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
      description: State of the device.
      type: dict
      returned: when the device has reported
  sample:
    metadata: {labels: {edgedeviceSignedRequest: "true", role: till}, name: till-17, namespace: shops}
    spec: {requestTime: "2026-05-01T12:00:00Z"}
reason:
  description: Reason code of what the module waited for in vain, or of the error of the resource API, such as C(Invalid).
  type: str
  returned: failure, if there is one
  sample: CreationRefused
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _labels as label_texts
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.approval import (
        Target,
        approve_patch,
        decline_patch,
        get_request,
        patch_request,
        require_code,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.authors import name_author
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.joining import (
        REQUEST_NAMESPACE,
        code_of,
        decided_state,
        is_approved,
        is_declined,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.request_explanation import (
        explain_request,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.merge_patch import (
        apply_merge_patch,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.migration.manifests import (
        Json,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.changes import (
        as_read,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        Client,
        retry_on_conflict,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
        SIGNED_REQUEST,
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
        generation_of,
        is_being_deleted,
        name_of,
        spec_of,
        status_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

PROGRAM = "flotta.edge.edge_device_signed_request"
OF_APPROVAL = ("target_namespace", "target_set", "labels", "code")  # options


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module."""

    name: str
    state: str  # approved or declined
    target_namespace: str | None
    target_set: str | None
    labels: Mapping[str, Json]  # YAML makes numbers of some values
    code: str | None


@dataclass(frozen=True)
class Outcome:
    """A request before and after a decision, and its EdgeDevice before it."""

    before: SignedRequest
    after: SignedRequest
    device: EdgeDevice | None


def decision_of(request: SignedRequest) -> Manifest:
    """Return the part of a request that this module can change."""
    spec = spec_of(request)
    return {
        "state": decided_state(request),
        "targetNamespace": spec.get("targetNamespace", ""),
        "targetSet": spec.get("targetSet", ""),
        "labels": dict(spec.get("labels") or {}),
    }


class WantedDecision:
    """The decision that the parameters ask for."""

    def __init__(self, module: AnsibleModule, client: Client, parameters: Parameters) -> None:
        self.module, self.client, self.parameters = module, client, parameters
        labels = label_texts.label_values(parameters.labels)
        self.target = Target(parameters.target_namespace, parameters.target_set, labels)

    async def ensure(self) -> Manifest:
        """Decide about the request; return the result of the module."""
        self.require_effect()
        if await self.is_still_to_come():
            return {"changed": True}
        outcome = await retry_on_conflict(self.decide)
        self.warn_about_a_device_that_stays(outcome)
        request, device = outcome.after, outcome.device
        if self.parameters.wait and not self.module.check_mode:
            request, device = await self.wait_decided(request)
        before, after = decision_of(outcome.before), decision_of(outcome.after)
        shown = outcome.before if self.module.check_mode else request
        return {
            "changed": before != after,
            "request": shown,
            "code": code_of(shown),
            "diff": api.make_diff(before, after),
            **({"device": device} if device else {}),
        }

    def require_effect(self) -> None:
        """Raise ValueError for what only an approval has, beside another decision."""
        vain = [name for name in OF_APPROVAL if getattr(self.parameters, name)]
        if vain and self.parameters.state != "approved":
            raise ValueError(
                f"{', '.join(vain)} has no effect with state {self.parameters.state}; leave it out."
            )

    async def is_still_to_come(self) -> bool:
        """Wait until there is a request, if that is wanted. In check mode, tell whether there is none."""
        if not self.parameters.wait:
            return False
        if self.module.check_mode:
            return await self.find() is None
        await api.wait_until(self.parameters, self.find, self.describe_absence)
        return False

    async def find(self) -> SignedRequest | None:
        """Return the request, None when it does not exist."""
        return await self.client.get_or_none(
            SIGNED_REQUEST, self.parameters.name, REQUEST_NAMESPACE
        )

    def describe_absence(self) -> str:
        """Say that the device does not request to join."""
        return (
            f"Device {self.parameters.name} did not request to join within {self.parameters.wait_timeout} s. Its log says why; on the device, "
            "run: journalctl -u flotta-gateway"
        )

    async def decide(self) -> Outcome:
        """Change the request as desired; raises Conflict if somebody else changes it meanwhile."""
        before = await get_request(self.client, self.parameters.name)
        if is_being_deleted(before):
            raise ValueError(api.LEAVING.format(f"The request of {self.parameters.name}"))
        device = await self.find_device(before)
        patch = self.make_patch(before, device)
        after: SignedRequest = apply_merge_patch(before, patch)
        if decision_of(before) != decision_of(after):
            patch, dry_run = as_read(patch, before), self.module.check_mode
            after = await patch_request(self.client, name_of(before), patch, dry_run=dry_run)
        return Outcome(before, after, device)

    async def find_device(self, request: SignedRequest) -> EdgeDevice | None:
        """Return the EdgeDevice of a request, None when it does not exist."""
        namespace = request["spec"]["targetNamespace"]
        return await self.client.get_or_none(EDGE_DEVICE, self.parameters.name, namespace)

    def make_patch(self, request: SignedRequest, device: EdgeDevice | None) -> MergePatch:
        """Return what changes in the request. Raises ValueError if it must not be decided like this."""
        author = name_author(PROGRAM)
        if self.parameters.state == "declined":
            return {} if is_declined(request) else decline_patch(author)
        if self.parameters.code is not None:
            require_code(request, self.parameters.code)
        target = self.target if device is None else self.target_beside(request, device)
        if not is_approved(request):
            return approve_patch(target, author)
        return {"spec": target.spec()}  # whoever approved it stays on record

    def target_beside(self, request: SignedRequest, device: EdgeDevice) -> Target:
        """Return the target of a request whose EdgeDevice exists: nothing changes any more. Warns, or raises ValueError."""
        name, namespace = name_of(device), request["spec"]["targetNamespace"]
        if self.target.namespace not in (None, namespace):
            raise ValueError(
                f"Device {name} is in namespace {namespace} already. Leave out target_namespace; or, to move the device, decommission it and let "
                "it join again."
            )
        wanted: SignedRequest = apply_merge_patch(request, {"spec": self.target.spec()})
        if decision_of(wanted) != decision_of(request):
            self.module.warn(
                f"The EdgeDevice of {name} exists, so target_set and labels of its request would have no effect. They stay as they are; change the "
                "labels of the device with flotta.edge.edge_device."
            )
        return Target()

    def warn_about_a_device_that_stays(self, outcome: Outcome) -> None:
        """Warn if the device that was declined is part of the fleet."""
        if self.parameters.state == "declined" and outcome.device is not None:
            namespace = outcome.before["spec"]["targetNamespace"]
            self.module.warn(
                f"Device {self.parameters.name} is declined, but still part of the fleet. To remove it, use flotta.edge.edge_device with state: absent, "
                f"or run: flotta decommission {self.parameters.name} -n {namespace}"
            )

    async def wait_decided(self, decided: SignedRequest) -> tuple[SignedRequest, EdgeDevice | None]:
        """Return request and EdgeDevice once the operator has acted on the decision."""
        last = decided

        async def look() -> tuple[SignedRequest, EdgeDevice | None] | None:
            nonlocal last
            last = await get_request(self.client, self.parameters.name)
            device = await self.find_device(last)
            is_done = device is not None if is_approved(last) else was_recorded(last)
            return (last, device) if is_done else None

        return await api.wait_until(self.parameters, look, lambda: self.describe_delay(last))

    def describe_delay(self, request: SignedRequest) -> api.Delayed:
        """Say what the operator has not done, and why."""
        lines = " ".join(explain_request(request))
        sentence = f"The operator has not acted on the decision within {self.parameters.wait_timeout} s: {lines}"
        return api.Delayed(sentence, reason_of(request))


def reason_of(request: SignedRequest) -> str | None:
    """Return the reason code that the operator gave for the state of a request as it is now."""
    status = status_of(request)
    if status.get("observedGeneration", 0) < generation_of(request):
        return None
    held = (item.get("reason") for item in conditions_of(request) if item["status"] == "True")
    return next(held, None)


def was_recorded(request: SignedRequest) -> bool:
    """Tell whether the operator has recorded that the request is declined."""
    status = status_of(request)
    seen = status.get("observedGeneration", 0) >= generation_of(request)
    return seen and status.get("phase") == "declined"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.WAIT_SPEC,
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["approved", "declined"], "default": "approved"},
            "target_namespace": {"type": "str"},
            "target_set": {"type": "str"},
            "labels": {"type": "dict", "default": {}},
            "code": {"type": "str"},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        return await WantedDecision(module, client, parameters).ensure()

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
