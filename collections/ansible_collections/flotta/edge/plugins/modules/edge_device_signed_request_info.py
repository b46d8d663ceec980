#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_device_signed_request_info
short_description: Read the requests of devices to join
version_added: 0.1.0
description:
  - Returns EdgeDeviceSignedRequests, all of them or those with a name or in a state.
  - A request disappears with its EdgeDevice. One that was declined stays, because it keeps the device out.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Id of the device. The list is empty if it does not request to join.
      - When omitted, the requests of all devices.
    type: str
  state:
    description:
      - Only requests in this state. V(pending) ones wait for a decision.
      - When omitted, requests in any state.
    type: str
    choices: [pending, approved, declined]
  target_namespace:
    description:
      - Only requests for this namespace.
    type: str
  explain:
    description:
      - Whether each request gets an explanation, as C(flotta explain device) prints it.
      - Needs permission to read EdgeDevices, too.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
attributes:
  check_mode:
    description: Reads only.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
seealso:
  - module: flotta.edge.edge_device_signed_request
"""

EXAMPLES = r"""
- name: Find the devices that wait for an approval
  flotta.edge.edge_device_signed_request_info:
    kubeconfig: /etc/flotta/kubeconfig/admin.kubeconfig
    state: pending
  register: waiting

- name: Show them, with the codes on their consoles
  ansible.builtin.debug:
    msg: "{{ item.metadata.name }} {{ item.code }}"
  loop: "{{ waiting.requests }}"
  loop_control:
    label: "{{ item.metadata.name }}"

- name: Find out why a device did not join
  flotta.edge.edge_device_signed_request_info:
    name: till-17
    explain: true
"""

RETURN = r"""
requests:
  description: The EdgeDeviceSignedRequests by name, as the resource API returns them, each with some more fields.
  type: list
  elements: dict
  returned: success
  contains:
    metadata:
      description: Name, namespace, annotations and other metadata.
      type: dict
      returned: always
    spec:
      description: What the device requests, what it reported of itself, and the decision.
      type: dict
      returned: always
    status:
      description: State of the request, and who or which rule decided.
      type: dict
      returned: when the operator has seen it
    state:
      description: How the request is decided, V(pending), V(approved) or V(declined).
      type: str
      returned: always
      sample: pending
    code:
      description: The code on the console of the device. Empty if the request names no key.
      type: str
      returned: always
      sample: 3F7K-92QM
    explanation:
      description: Lines that explain the state of the request, and what to do.
      type: list
      elements: str
      returned: with O(explain=true)
      sample: ["till-17 requests to join. Approve it with: flotta approve till-17"]
  sample:
    - apiVersion: management.project-flotta.io/v1alpha1
      kind: EdgeDeviceSignedRequest
      metadata: {name: till-17, namespace: default}
      spec: {approved: false, targetNamespace: shops}
      status: {phase: pending}
      state: pending
      code: 3F7K-92QM
reason:
  description: Stable code of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: Forbidden
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.joining import (
        REQUEST_NAMESPACE,
        code_of,
        decided_state,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.request_explanation import (
        explain_request,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        Client,
        Objects,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        EDGE_DEVICE,
        SIGNED_REQUEST,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.devices import (
        SignedRequest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        Key,
        key_of,
        name_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so


@dataclass(frozen=True)
class Parameters(api.Connection):
    """The parameters of the module."""

    name: str | None
    state: str | None  # None: any
    target_namespace: str | None
    explain: bool


async def read_requests(client: Client, parameters: Parameters) -> list[Manifest]:
    """Return the requests that the parameters select, by name."""
    found = await find_requests(client, parameters.name)
    wanted = [request for request in found if is_wanted(request, parameters)]
    devices = await find_devices(client, wanted) if parameters.explain else set()
    return [
        {**describe(request), **(explain(request, devices) if parameters.explain else {})}
        for request in sorted(wanted, key=name_of)
    ]


async def find_requests(client: Client, name: str | None) -> Objects[SignedRequest]:
    """Return the request of a device, or all."""
    if not name:
        return await client.list(SIGNED_REQUEST, REQUEST_NAMESPACE)
    found = await client.get_or_none(SIGNED_REQUEST, name, REQUEST_NAMESPACE)
    return [found] if found else []


def is_wanted(request: SignedRequest, parameters: Parameters) -> bool:
    """Tell whether state and namespace of a request are those of the parameters, where these are given."""
    namespace = request["spec"].get("targetNamespace")
    return parameters.state in (None, decided_state(request)) and (
        parameters.target_namespace in (None, namespace)
    )


async def find_devices(client: Client, requests: Sequence[SignedRequest]) -> set[Key]:
    """Return namespace and name of all devices, or of the only one that is asked about."""
    if len(requests) != 1:
        return {key_of(device) for device in await client.list(EDGE_DEVICE)}
    device = await client.get_or_none(EDGE_DEVICE, *reversed(device_key(requests[0])))
    return {key_of(device)} if device else set()


def device_key(request: SignedRequest) -> Key:
    """Return namespace and name of the EdgeDevice that follows from a request."""
    return request["spec"]["targetNamespace"], name_of(request)


def describe(request: SignedRequest) -> Manifest:
    """Return a request with what follows from it."""
    return {**request, "state": decided_state(request), "code": code_of(request)}


def explain(request: SignedRequest, devices: Collection[Key]) -> Manifest:
    """Return the explanation of a request."""
    return {"explanation": explain_request(request, has_device=device_key(request) in devices)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            "name": {"type": "str"},
            "state": {"type": "str", "choices": ["pending", "approved", "declined"]},
            "target_namespace": {"type": "str"},
            "explain": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        return {"changed": False, "requests": await read_requests(client, parameters)}

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
