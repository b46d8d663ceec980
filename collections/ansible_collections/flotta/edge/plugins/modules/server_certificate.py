#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_certificate
short_description: Issue certificates of other servers
version_added: 0.1.0
description:
  - A server that the Edge API connects to, such as a data store, may have its certificate from the Flotta CA.
  - The module asks for it by a Secret. The Edge API issues the certificate; the module returns it with its private key and the
    certificates of the Flotta CA.
  - When two thirds of its validity have passed, or the CA is rolled over, the Edge API issues another one, which the module then returns.
    So let a playbook run the module now and then, and write what it returns to the server.
  - A result with a private key appears in no output or log, at any verbosity; tasks can use it as usual.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Name of the Secret.
      - When omitted, V(server-) and the first of O(names), with C(-) for other characters than letters and digits.
      - Where another server has that one, the module fails; set O(name) then.
    type: str
  names:
    description:
      - DNS names and addresses at which clients reach the server, at most 64. The first label of a name may be V(*).
      - Required with O(state=present). Their order does not matter, except for the default of O(name).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) issues the certificate, and issues it again when its names change.
      - V(absent) removes the Secret with certificate and key. A server that has the certificate can use it until it expires.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Whether to wait until the Edge API has issued the certificate.
    default: true
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.certificates
  - flotta.edge.connection.waiting
attributes:
  check_mode:
    description:
      - Writes no Secret, and does not wait. Fails where the resource API would refuse it; where its namespace does not exist yet, the
        module warns.
      - RV(certificate) and RV(key) are empty when they would change.
    support: full
  diff_mode:
    description: Shows the names where the result has no private key, as in check mode.
    support: partial
  idempotent:
    description: Changes nothing when the certificate has these names.
    support: full
seealso:
  - module: flotta.edge.registration_certificate
"""

EXAMPLES = r"""
- name: Issue the certificate of the data store
  flotta.edge.server_certificate:
    name: store
    names: [store.example, 192.0.2.7]
  delegate_to: storage
  register: issued

- name: Write what the data store needs
  ansible.builtin.copy:
    content: "{{ item.content }}"
    dest: "/etc/store/{{ item.name }}"
    mode: "0600"
  loop:
    - {name: server.crt, content: "{{ issued.certificate }}"}
    - {name: server.key, content: "{{ issued.key }}"}
    - {name: ca.crt, content: "{{ issued.ca }}"}
  loop_control:
    label: "{{ item.name }}"
  no_log: true

- name: Issue it where the Edge API has no resource API
  flotta.edge.server_certificate:
    names: [store.example]
    certificates_dir: /var/lib/flotta/edge-api/certificates

- name: Remove it
  flotta.edge.server_certificate:
    name: store
    state: absent
"""

RETURN = r"""
name:
  description: Name of the Secret.
  type: str
  returned: success
  sample: store
names:
  description: Names and addresses of the certificate, in the form that they have there.
  type: list
  elements: str
  returned: with state C(present)
  sample: [store.example, 192.0.2.7]
certificate:
  description: The certificate of the server, PEM. Empty if it is not issued.
  type: str
  returned: with state C(present)
  sample: |
    -----BEGIN CERTIFICATE-----
    MIIB...
    -----END CERTIFICATE-----
key:
  description: Private key of the certificate, PEM (SEC 1). Empty if it is not issued.
  type: str
  returned: with state C(present)
  sample: |
    -----BEGIN EC PRIVATE KEY-----
    ...
    -----END EC PRIVATE KEY-----
ca:
  description:
    - Certificates of the Flotta CA, PEM, by which the server knows the Edge API; more than one while the CA is rolled over.
    - Empty if the certificate is not issued.
  type: str
  returned: with state C(present)
  sample: |
    -----BEGIN CERTIFICATE-----
    MIIB...
    -----END CERTIFICATE-----
expires:
  description: When the certificate expires, as date and time of RFC 3339. Empty if it is not issued.
  type: str
  returned: with state C(present)
  sample: "2027-07-01T00:00:00Z"
reason:
  description:
    - Code for what is wrong with the names, or of the error of the resource API. The page I(Reasons) of the documentation says what to do.
  type: str
  returned: when the module fails for such a reason
  sample: ServerRequestInvalid
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _cryptography
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.server_certificates import (
        ServerCertificates,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.issued_servers import (
        IssuedServer,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.identity.server_requests import (
        check_names,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        Client,
        NotFound,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.rfc3339 import format_time
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so
api.import_errors += _cryptography.import_errors


@dataclass(frozen=True)
class Parameters(api.Certificates, api.Connection, api.Waiting):
    """The parameters of the module."""

    name: str | None
    names: Sequence[str]
    state: str


async def ensure_present(
    certificates: ServerCertificates, parameters: Parameters, module: AnsibleModule
) -> Manifest:
    """Issue the certificate if it is not there; return the result of the module."""
    names = check_names(parameters.names)
    name = await certificates.choose_name(parameters.name, names)
    existing = await certificates.find(name)
    if existing is not None and existing.is_leaving:
        raise ValueError(api.LEAVING.format(f"The Secret {name}"))
    changed, check_mode = existing is None or set(existing.names) != set(names), module.check_mode
    if changed:
        try:
            await certificates.ask(name, names, dry_run=check_mode)
        except NotFound:  # an earlier task would create the namespace
            if not check_mode:
                raise
            module.warn(api.NO_NAMESPACE.format(parameters.control_plane_namespace))
    issued = (
        None
        if changed and check_mode
        else await read_issued(certificates, name, parameters, check_mode)
    )
    before = {"names": sorted(existing.names)} if existing else None
    return {
        "changed": changed,
        "name": name,
        "names": list(names),
        "diff": api.make_diff(before, {"names": sorted(names)}) if changed else [],
        **describe(issued),
    }


async def read_issued(
    certificates: ServerCertificates, name: str, parameters: Parameters, check_mode: bool
) -> IssuedServer | None:
    """Return the certificate, None where it is not issued yet."""
    if parameters.wait and not check_mode:
        return await certificates.wait_issued(name, parameters.wait_timeout, parameters.wait_sleep)
    found = await certificates.find(name)
    return found if found and found.is_issued else None


def describe(issued: IssuedServer | None) -> Manifest:
    """Return what a server needs; empty texts while the certificate is not issued."""
    expiry = issued.expiry if issued else None
    return {
        "certificate": issued.certificate if issued else "",
        "key": issued.key if issued else "",
        "ca": issued.authority if issued else "",
        "expires": format_time(expiry.not_after) if expiry else "",
    }


async def ensure_absent(
    certificates: ServerCertificates, parameters: Parameters, module: AnsibleModule
) -> Manifest:
    """Remove the Secret; return the result of the module."""
    if not (parameters.name or parameters.names):
        raise ValueError("It is not said which certificate is to be removed; set name.")
    names = check_names(parameters.names) if parameters.names else ()
    name = await certificates.choose_name(parameters.name, names)
    existing = await certificates.find(name)
    if existing is not None and existing.is_leaving:
        existing = None
    if existing is not None and not module.check_mode:
        await certificates.remove(name)
    before = {"names": sorted(existing.names)} if existing else None
    return {
        "changed": existing is not None,
        "name": name,
        "diff": api.make_diff(before, None) if existing else [],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.CERTIFICATES_SPEC,
            **api.WAIT_SPEC,
            "wait": {"type": "bool", "default": True},
            "name": {"type": "str"},
            "names": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["names"])],
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        certificates = ServerCertificates(client, parameters.control_plane_namespace)
        ensure = ensure_present if parameters.state == "present" else ensure_absent
        return await ensure(certificates, parameters, module)

    api.run(module, parameters, work, api.connect_to_certificates(module))


if __name__ == "__main__":
    main()
