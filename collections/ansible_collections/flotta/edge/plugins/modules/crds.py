#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crds
short_description: Install the CRDs of flotta on Kubernetes
version_added: 0.1.0
description:
  - Installs the CustomResourceDefinitions (CRDs) of this release on a Kubernetes cluster, upgrades older ones, or
    removes them.
  - A CRD of ObjectBucketClaim that a storage system installed stays as it is.
  - The embedded resource API has the CRDs built in and does not need this module.
author:
  - flotta.edge contributors (@project-flotta)
options:
  state:
    description:
      - Whether the CRDs are installed.
      - With V(absent), the module fails while custom resources of the fleet exist, unless O(force=true).
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - With O(state=present), takes over CRDs that another tool manages.
      - With O(state=absent), deletes all custom resources of the fleet together with the CRDs. Devices are not notified,
        and buckets stay on the S3 server.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the cluster serves the CRDs.
      - With O(state=absent), the module always waits until they are removed.
    type: bool
    default: true
  wait_timeout:
    description:
      - Maximum number of seconds to wait.
    type: int
    default: 120
extends_documentation_fragment:
  - flotta.edge.connection
attributes:
  check_mode:
    description: Reports what would change, as the API server computes it.
    support: full
  diff_mode:
    description: Shows the CRDs before and after.
    support: full
  idempotent:
    description: Changes nothing when the CRDs are those of this release.
    support: full
seealso:
  - module: flotta.edge.operator
"""

EXAMPLES = r"""
- name: Install the CRDs, or upgrade them to this release
  flotta.edge.crds:
    kubeconfig: ~/.kube/config

- name: Remove the CRDs after the last device, workload and other custom resource
  flotta.edge.crds:
    kubeconfig: ~/.kube/config
    state: absent
"""

RETURN = r"""
crds:
  description: Names of the CRDs that are installed or were removed.
  type: list
  elements: str
  returned: success
  sample: [edgedevices.management.project-flotta.io]
version:
  description: Release of the CRDs.
  type: str
  returned: success
  sample: 0.1.0
previous_version:
  description: Release of the CRDs before. Empty when none were installed.
  type: str
  returned: success
  sample: ""
reason:
  description: Code of the refusal of the API server.
  type: str
  returned: when the module fails and there is one
  sample: Forbidden
"""

from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.installation.crds import (
        CrdOutcome,
        install_crds,
        remove_crds,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import Client
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so


@dataclass(frozen=True)
class Parameters(api.Connection):
    """The parameters of the module."""

    state: str  # present or absent
    force: bool
    wait: bool
    wait_timeout: int  # seconds


async def apply_state(client: Client, parameters: Parameters, *, check_mode: bool) -> CrdOutcome:
    """Install or remove the CRDs, as the parameters say."""
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
