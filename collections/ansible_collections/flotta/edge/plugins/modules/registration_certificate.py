#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registration_certificate
short_description: Read a certificate with which devices may join
version_added: 0.1.0
description:
  - Returns a registration certificate that allows a namespace, its key, and the certificate of the
    Flotta CA.
  - The Edge API keeps one for the namespace V(default). For another namespace one is issued when
    there is none that stays valid for a month.
author:
  - flotta.edge contributors (@project-flotta)
options:
  namespace:
    description:
      - Namespace that a device with this certificate may join.
    type: str
    default: default
  control_plane_namespace:
    description:
      - Namespace of the control plane, as M(flotta.edge.operator) was told.
    type: str
    default: flotta
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
attributes:
  check_mode:
    description: Issues nothing.
    support: full
  diff_mode:
    description: Shows no secrets.
    support: none
  idempotent:
    description: A certificate that is there is returned.
    support: full
"""

EXAMPLES = r"""
- name: Read what a device needs to join
  flotta.edge.registration_certificate:
    namespace: shops
  register: registration
  no_log: true
"""

RETURN = r"""
certificate:
  description: The registration certificate, PEM.
  type: str
  returned: success
key:
  description: Its private key, PEM. Use C(no_log) on the task.
  type: str
  returned: success
ca:
  description: Certificate of the Flotta CA, PEM.
  type: str
  returned: success
"""

import base64
import datetime
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import resource_api as api

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from flotta.identity.authority import Authority
    from flotta.identity.peers import read_peer
    from flotta.own_names import (
        CA_SECRET,
        REGISTRATION_LABEL,
        REGISTRATION_SELECTOR,
        name_registration_secret,
    )
    from flotta.resources.client import AlreadyExists
    from flotta.resources.kinds import SECRET
except ImportError as error:
    Authority = None
    api.import_errors.append(error)  # api.run() says so

if TYPE_CHECKING:
    from flotta.identity.peers import Peer
    from flotta.resources.client import Client

MONTH = datetime.timedelta(days=30)


def decode_entry(secret: dict[str, Any], key: str) -> str:
    """Return one text of a Secret."""
    return base64.b64decode(secret["data"][key]).decode()


def read_certificate(secret: dict[str, Any]) -> Peer:
    """Return what the certificate in a Secret says of its holder."""
    der = x509.load_pem_x509_certificate(decode_entry(secret, "client.crt").encode()).public_bytes(
        Encoding.DER
    )
    return read_peer(der)


def find_usable(
    secrets_found: list[dict[str, Any]], namespace: str, now: datetime.datetime
) -> dict[str, Any] | None:
    """Return the certificate that lasts longest and allows the namespace for a month to come."""
    fitting = []
    for secret in secrets_found:
        peer = read_certificate(secret)
        if namespace in peer.namespaces and peer.not_before <= now and peer.not_after > now + MONTH:
            fitting.append((peer.not_after, secret["metadata"]["name"], secret))
    return max(fitting)[2] if fitting else None


async def issue(
    client: Client, ca: dict[str, Any], namespace: str, place: str, others: list[dict[str, Any]]
) -> dict[str, Any]:
    """Issue a certificate for a namespace; return the Secret that it is kept in."""
    authority = Authority.from_pem(decode_entry(ca, "ca.crt"), decode_entry(ca, "ca.key"))
    issued = authority.issue_registration([namespace])
    data = {"client.crt": issued.certificate, "client.key": issued.key}
    names = [secret["metadata"]["name"] for secret in others]
    name = name_registration_secret(decode_entry(ca, "ca.crt"), namespace, names)
    secret = {
        "metadata": {"name": name, "namespace": place, "labels": {REGISTRATION_LABEL: "true"}},
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
    try:
        return await client.create(SECRET, secret)
    except AlreadyExists:
        return await client.get(SECRET, name, place)


async def ensure_certificate(module: AnsibleModule, client: Client) -> dict[str, Any]:
    """Find or issue a certificate; return the result of the module."""
    namespace, place = module.params["namespace"], module.params["control_plane_namespace"]
    ca = await api.wait_until(
        {
            **module.params,
            "wait_timeout": module.params["wait_timeout"] if module.params["wait"] else 0,
        },
        lambda: client.get_or_none(SECRET, CA_SECRET, place),
        lambda: (
            f"There is no Flotta CA in namespace {place}: the Edge API makes it at its first start. "
            f"Its log says why it did not: journalctl -u flotta-edge-api there, or kubectl -n {place} logs deploy/flotta-edge-api"
        ),
    )
    found = await client.list(SECRET, place, label_selector=REGISTRATION_SELECTOR)
    secret = find_usable(found, namespace, datetime.datetime.now(tz=datetime.timezone.utc))
    if secret is None and not module.check_mode:
        return {
            "changed": True,
            **describe_certificate(await issue(client, ca, namespace, place, found), ca),
        }
    if secret is None:
        return {"changed": True, "certificate": "", "key": "", "ca": decode_entry(ca, "ca.crt")}
    return {"changed": False, **describe_certificate(secret, ca)}


def describe_certificate(secret: dict[str, Any], ca: dict[str, Any]) -> dict[str, str]:
    """Return what Ansible is told of a certificate."""
    return {
        "certificate": decode_entry(secret, "client.crt"),
        "key": decode_entry(secret, "client.key"),
        "ca": decode_entry(ca, "ca.crt"),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.WAIT_SPEC,
            "namespace": {"type": "str", "default": "default"},
            "control_plane_namespace": {"type": "str", "default": "flotta"},
        },
        supports_check_mode=True,
    )

    async def work(client: Client) -> dict[str, Any]:
        return await ensure_certificate(module, client)

    api.run(module, work)


if __name__ == "__main__":
    main()
