#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crds
short_description: Install the kinds of a fleet on Kubernetes
version_added: 0.1.0
description:
  - Installs the CustomResourceDefinitions of this release on a Kubernetes cluster, brings older ones up to date, or
    removes them.
  - The definition of ObjectBucketClaim is left to the storage system that brought it, where there is one.
  - The embedded engine has these kinds built in and does not need this module.
author:
  - flotta.edge contributors (@project-flotta)
options:
  state:
    description:
      - Whether the cluster knows the kinds.
      - With V(absent), the module refuses as long as objects of the kinds exist, unless O(force=true).
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - With O(state=present), takes over definitions that somebody else manages.
      - With O(state=absent), deletes all objects of the fleet together with the definitions. Devices are not told, and
        buckets stay on the S3 server.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the kinds are served. Removal is always waited for.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait at most.
    type: int
    default: 120
extends_documentation_fragment:
  - flotta.edge.connection
attributes:
  check_mode:
    description: Reports what would change, as the API server computes it.
    support: full
  diff_mode:
    description: Shows the definitions before and after.
    support: full
  idempotent:
    description: Definitions that are as in this release are left alone.
    support: full
seealso:
  - module: flotta.edge.operator
"""

EXAMPLES = r"""
- name: Have the kinds of the fleet
  flotta.edge.crds:
    kubeconfig: ~/.kube/config

- name: Remove the kinds when no device is left
  flotta.edge.crds:
    kubeconfig: ~/.kube/config
    state: absent
"""

RETURN = r"""
crds:
  description: Names of the definitions that are installed, or were removed.
  type: list
  elements: str
  returned: success
  sample: [edgedevices.management.project-flotta.io]
version:
  description: Release of the definitions.
  type: str
  returned: success
previous_version:
  description: Release of the definitions that were there before. Empty when there were none.
  type: str
  returned: success
"""

from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import resource_api as api

try:
    from flotta.installation.crds import CrdOutcome, install_crds, remove_crds
    from flotta.resources.client import Client
    from flotta.resources.objects.meta import Manifest
except ImportError as error:
    api.import_errors.append(error)  # api.run() says so


@dataclass(frozen=True)
class Parameters(api.Connection):
    """The parameters of the module."""

    state: str  # present or absent
    force: bool
    wait: bool
    wait_timeout: int  # seconds


async def apply_state(client: Client, parameters: Parameters, *, check_mode: bool) -> CrdOutcome:
    """Install or remove the definitions, as the parameters say."""
    if parameters.state == "absent":
        return await remove_crds(
            client,
            check_mode=check_mode,
            force=parameters.force,
            wait_timeout=parameters.wait_timeout,
        )
    return await install_crds(
        client,
        check_mode=check_mode,
        force=parameters.force,
        wait_timeout=parameters.wait_timeout if parameters.wait else 0,
    )


def describe_outcome(found: CrdOutcome) -> Manifest:
    """Return the result of the module."""
    return {
        "changed": bool(found.changes),
        "diff": [change.as_ansible_diff() for change in found.changes],
        "crds": found.names,
        "version": found.version,
        "previous_version": found.previous,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        found = await apply_state(client, parameters, check_mode=module.check_mode)
        return describe_outcome(found)

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
