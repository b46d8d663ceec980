#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registration_certificate_info
short_description: List registration certificates
version_added: 0.1.0
description:
  - Returns the batches of registration certificates, with their state and how many of their uses are taken. It returns no private key.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Name of one batch. When omitted, all are returned.
    type: str
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.certificates
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
seealso:
  - module: flotta.edge.registration_certificate
"""

EXAMPLES = r"""
- name: Look at the batches
  flotta.edge.registration_certificate_info:
  register: registration

- name: Warn about batches that are nearly used up
  ansible.builtin.debug:
    msg: "{{ item.name }} has {{ item.uses - item.uses_taken }} uses left"
  loop: "{{ registration.batches | selectattr('uses', 'integer') }}"
  loop_control:
    label: "{{ item.name }}"
  when: item.uses - item.uses_taken < 5
"""

RETURN = r"""
batches:
  description: The batches, by name.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the batch.
      type: str
      returned: always
      sample: berlin-2027
    state:
      description:
        - V(active) admits devices. V(waiting) has no certificate of its specification yet. V(used up), V(expired) and V(revoked)
          admit none. V(invalid) is not issued, and C(problem) says why.
      type: str
      returned: always
      sample: active
    problem:
      description: Why the certificate is not issued; empty otherwise.
      type: str
      returned: always
      sample: ""
    uses:
      description: How many devices may join; none without a limit.
      type: int
      returned: always
      sample: 50
    uses_taken:
      description: How many devices joined or were approved; 0 without a limit, where it is not counted.
      type: int
      returned: always
      sample: 12
    expires:
      description: When the batch expires, RFC 3339; empty before it is issued.
      type: str
      returned: always
      sample: "2027-07-01T00:00:00Z"
    certificate_fingerprint:
      description: SHA-256 of the certificate, hexadecimal; empty without one.
      type: str
      returned: always
      sample: 3f6b0a5c2d9e4f718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9
    specification:
      description: The specification as the Secret has it, with C(namespaces), C(deviceIDs), C(labels), C(approval) and so on.
      type: dict
      returned: always
      sample: {namespaces: [shops], uses: 50, labels: {site: berlin}, expires: "2027-07-01T00:00:00Z"}
reason:
  description: Stable code of the refusal of the resource API.
  type: str
  returned: when the module fails and there is one
  sample: Forbidden
"""

import datetime
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _cryptography
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.registration import (
        Batches,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.issued_batches import (
        describe,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so
api.import_errors += _cryptography.import_errors


@dataclass(frozen=True)
class Parameters(api.Certificates, api.Connection):
    """The parameters of the module."""

    name: str | None


async def describe_batches(client: Client, parameters: Parameters) -> list[dict[str, object]]:
    """Return the batches that the parameters select."""
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    batches, taken = await Batches(client, parameters.control_plane_namespace).list()
    return [
        describe(batch, now, taken.get(batch.name, 0))
        for batch in batches
        if parameters.name in (None, batch.name)
    ]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.CERTIFICATES_SPEC,
            "name": {"type": "str"},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        return {"changed": False, "batches": await describe_batches(client, parameters)}

    api.run(module, parameters, work, api.connect_to_certificates(module))


if __name__ == "__main__":
    main()
