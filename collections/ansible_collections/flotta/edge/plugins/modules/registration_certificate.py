#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registration_certificate
short_description: Read or issue a registration certificate
version_added: 0.1.0
description:
  - Returns a registration certificate with which a device may join a namespace, its private key, and the certificate
    of the Flotta CA.
  - The Edge API keeps such a certificate for its C(registration_namespaces). When no certificate of the current
    Flotta CA allows the namespace and stays valid for another 30 days, the module issues one, unless O(issue=false).
  - The result appears in no output or log, at any verbosity; tasks can use it as usual.
author:
  - flotta.edge contributors (@project-flotta)
options:
  namespace:
    description:
      - Namespace that devices with this certificate may join.
    type: str
    default: default
  control_plane_namespace:
    description:
      - Namespace of the control plane.
      - The O(flotta.edge.operator#module:namespace) with which it was installed; V(flotta) for an embedded control plane.
    type: str
    default: flotta
  issue:
    description:
      - Whether to issue a certificate if there is no suitable one. V(false) only reads, and fails instead.
    type: bool
    default: true
  wait:
    description:
      - Whether to wait until the Edge API has created the Flotta CA, which it does at its first start.
    type: bool
    default: false
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
attributes:
  check_mode:
    description: Issues no certificate, and does not wait. RV(certificate) and RV(key) are empty when there is none.
    support: full
  diff_mode:
    description: Shows nothing, because all results are secrets.
    support: none
  idempotent:
    description: Returns the existing certificate when there is a suitable one.
    support: full
seealso:
  - module: flotta.edge.operator
"""

EXAMPLES = r"""
- name: Read what a device needs to join the namespace shops
  flotta.edge.registration_certificate:
    namespace: shops
  register: registration
"""

RETURN = r"""
certificate:
  description: The registration certificate, PEM.
  type: str
  returned: success
key:
  description:
    - Private key of the registration certificate, PEM.
    - An EC key is in the form SEC 1 (C(EC PRIVATE KEY)), which agents of Project Flotta v0.2 read as well, whatever its
      form in the Secret.
  type: str
  returned: success
ca:
  description: Certificate of the Flotta CA, PEM.
  type: str
  returned: success
"""

import base64
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import resource_api as api

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from flotta.identity.authority import Authority
    from flotta.identity.issuers import issued_by, load_bundle
    from flotta.identity.keys import load_key, to_traditional_pem
    from flotta.identity.lifetime import load_certificate
    from flotta.identity.peers import Peer, read_peer
    from flotta.own_names import (
        CA_SECRET,
        REGISTRATION_LABEL,
        REGISTRATION_SELECTOR,
        name_registration_secret,
    )
    from flotta.resources.client import AlreadyExists, Client
    from flotta.resources.kinds import SECRET
    from flotta.resources.objects.core import Secret
    from flotta.resources.objects.meta import Manifest
    from flotta.resources.views import name_of
except ImportError as error:
    api.import_errors.append(error)  # api.run() says so

MONTH = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module."""

    namespace: str
    control_plane_namespace: str
    issue: bool


def decode_entry(secret: Secret, key: str) -> str:
    """Return the text of an entry of a Secret."""
    return base64.b64decode(secret["data"][key]).decode()


def read_certificate(secret: Secret, authorities: Sequence[x509.Certificate]) -> Peer | None:
    """Return what the registration certificate in a Secret says, None unless a current CA issued it for its key."""
    try:
        certificate = load_certificate(decode_entry(secret, "client.crt"))
        key = load_key(decode_entry(secret, "client.key"))
        peer = read_peer(certificate.public_bytes(Encoding.DER))
    except (KeyError, ValueError):  # an entry is missing or not what it has to be
        return None
    usable = issued_by(certificate, authorities) and certificate.public_key() == key.public_key()
    return peer if usable and peer.kind == "registration" else None


def is_usable(peer: Peer, namespace: str, now: datetime.datetime) -> bool:
    """Tell whether a certificate allows the namespace now and for another 30 days."""
    return namespace in peer.namespaces and peer.not_before <= now and peer.not_after > now + MONTH


def find_usable(
    secrets_found: Sequence[Secret], ca: Secret, namespace: str, now: datetime.datetime
) -> Secret | None:
    """Return the Secret with the usable certificate that is valid longest, None without one."""
    authorities = load_bundle(decode_entry(ca, "ca.crt"))
    peers = ((read_certificate(secret, authorities), secret) for secret in secrets_found)
    usable = [
        (peer.not_after, name_of(secret), secret)
        for peer, secret in peers
        if peer and is_usable(peer, namespace, now)
    ]
    return max(usable)[-1] if usable else None


def load_authority(ca: Secret) -> Authority:
    """Return the CA that a Secret holds; raises ValueError with a sentence when that is damaged."""
    try:
        load_bundle(decode_entry(ca, "ca.crt"))
        return Authority.from_pem(decode_entry(ca, "ca.crt"), decode_entry(ca, "ca.key"))
    except (KeyError, ValueError) as error:
        place = ca["metadata"].get("namespace", "")
        raise ValueError(
            f"The Secret {place}/{name_of(ca)} is damaged ({error}). Restore it from a backup: without it, devices do not trust the "
            "control plane."
        ) from error


async def issue(
    client: Client, ca: Secret, parameters: Parameters, others: Sequence[Secret]
) -> Secret:
    """Issue a certificate for a namespace; return the Secret that holds it.

    `others` are the Secrets whose names are in use.
    """
    authority = load_authority(ca)
    issued = authority.issue_registration([parameters.namespace])
    place = parameters.control_plane_namespace
    name = name_registration_secret(
        decode_entry(ca, "ca.crt"), parameters.namespace, list(map(name_of, others))
    )
    data = {"client.crt": issued.certificate, "client.key": issued.key}
    secret: Secret = {
        "metadata": {"name": name, "namespace": place, "labels": {REGISTRATION_LABEL: "true"}},
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
    try:
        return await client.create(SECRET, secret)
    except AlreadyExists:
        return await client.get(SECRET, name, place)


async def find_authority(client: Client, parameters: Parameters) -> Secret:
    """Return the Secret of the Flotta CA; wait for it if the parameters say so."""
    place = parameters.control_plane_namespace
    return await api.wait_until(
        parameters if parameters.wait else replace(parameters, wait_timeout=0),
        lambda: client.get_or_none(SECRET, CA_SECRET, place),
        lambda: (
            f"There is no Flotta CA in namespace {place}: the Edge API creates it at its first start. Its log says why it "
            f"did not: journalctl -u flotta-edge-api on its host, or kubectl -n {place} logs deploy/flotta-edge-api"
        ),
    )


async def ensure_certificate(
    client: Client, parameters: Parameters, *, check_mode: bool
) -> Manifest:
    """Find or issue a certificate; return the result of the module."""
    if (
        check_mode
        and await client.get_or_none(SECRET, CA_SECRET, parameters.control_plane_namespace) is None
    ):
        return {"changed": True, "certificate": "", "key": "", "ca": ""}
    ca = await find_authority(client, parameters)
    load_authority(ca)
    found = await client.list(
        SECRET, parameters.control_plane_namespace, label_selector=REGISTRATION_SELECTOR
    )
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    secret = find_usable(found, ca, parameters.namespace, now)
    if secret is not None:
        return {"changed": False, **describe_certificate(secret, ca)}
    if not parameters.issue:
        raise ValueError(
            f"No registration certificate of the current Flotta CA allows the namespace {parameters.namespace} for another 30 "
            "days. Leave out issue to issue one, or add the namespace to registration_namespaces of the control plane."
        )
    if check_mode:
        return {"changed": True, "certificate": "", "key": "", "ca": decode_entry(ca, "ca.crt")}
    issued = await issue(client, ca, parameters, found)
    return {"changed": True, **describe_certificate(issued, ca)}


def describe_certificate(secret: Secret, ca: Secret) -> dict[str, str]:
    """Return the certificate, its key and the CA as the module returns them."""
    return {
        "certificate": decode_entry(secret, "client.crt"),
        "key": to_traditional_pem(decode_entry(secret, "client.key").encode()).decode(),
        "ca": decode_entry(ca, "ca.crt"),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.WAIT_SPEC,
            "namespace": {"type": "str", "default": "default"},
            "control_plane_namespace": {"type": "str", "default": "flotta"},
            "issue": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    parameters = Parameters(**module.params)

    async def work(client: Client) -> Manifest:
        return await ensure_certificate(client, parameters, check_mode=module.check_mode)

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
