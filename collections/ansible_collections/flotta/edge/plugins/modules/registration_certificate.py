#!/usr/bin/python
# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registration_certificate
short_description: Issue and end registration certificates
version_added: 0.1.0
description:
  - A registration certificate lets devices request to join. It belongs to a batch, which says until when, how often, for which
    namespaces and ids it may be used, and whether a rule approves the devices.
  - The module writes the specification of a batch. The Edge API issues the certificate; the module returns it with its private key
    and the certificates of the Flotta CA.
  - A result with a private key appears in no output or log, at any verbosity; tasks can use it as usual.
author:
  - flotta.edge contributors (@project-flotta)
options:
  name:
    description:
      - Name of the batch, at most 52 lower-case letters, digits and C(-).
      - When omitted, V(namespace-) with the namespace in O(namespaces). Such a batch is valid for a year, and extended by this module.
    type: str
  state:
    description:
      - V(present) issues the certificate, and issues it again when its namespaces or its expiry change. A device that joined stays
        a device whatever becomes of the batch.
      - V(expired) ends the batch now. O(state=present) with another O(expires) opens it again.
      - V(revoked) refuses the certificate and removes its private key. That cannot be undone.
      - V(absent) removes the batch with its record of uses; its certificate is refused from then on.
      - V(revoked) and V(absent) also delete the requests with this batch about which nothing has decided, neither a person nor a rule.
        Approved and declined ones stay.
    type: str
    choices: [present, expired, revoked, absent]
    default: present
  expires:
    description:
      - When the batch expires, as date and time of RFC 3339.
      - When this and O(validity) are omitted, a batch keeps its expiry. A new one expires a year after it is issued.
    type: str
  validity:
    description:
      - Seconds from now until the batch expires. A batch of which more than a third of that is left keeps its expiry.
    type: int
  uses:
    description:
      - How many devices may join, 1 to 100000. A device that joins again counts once. When omitted, there is no limit.
    type: int
  namespaces:
    description:
      - Namespaces that devices with this certificate may join.
    type: list
    elements: str
    default: [default]
    aliases: [namespace]
  device_ids:
    description:
      - Ids of the devices that may join. V(*) stands for any text, V(?) for one character. When omitted, any device may.
    type: list
    elements: str
    default: []
  labels:
    description:
      - Labels of the devices that join.
    type: dict
    default: {}
  target_set:
    description:
      - EdgeDeviceSet of the devices that join.
    type: str
  approval:
    description:
      - Who approves the devices.
    type: dict
    suboptions:
      mode:
        description:
          - V(manual) leaves it to administrators. V(automatic) approves each device that the batch admits, so it needs
            O(uses), or O(device_ids) without V(*) and V(?).
        type: str
        choices: [manual, automatic]
        default: manual
      serial_numbers:
        description:
          - Approve only devices that report one of these serial numbers. Others wait for an administrator.
        type: list
        elements: str
        default: []
      hardware:
        description:
          - Approve only devices whose hardware report has these values, by path, such as C(cpu.architecture). V(*) and V(?) are
            wildcards.
        type: dict
        default: {}
      source_networks:
        description:
          - Approve only devices that connect from these networks. Needs the PROXY protocol, else their addresses are not known.
        type: list
        elements: str
        default: []
  allow_without_fingerprint:
    description:
      - Whether to admit agents that do not announce their key, as those of Project Flotta v0.2.
    type: bool
    default: false
  reason:
    description:
      - Why the batch is revoked, for those who look later.
    type: str
    default: ""
  device_certificate:
    description:
      - PEM of the certificate of its own that a device has. If its EdgeDevice accepts it, and its id and namespace are in O(device_ids)
        and O(namespaces), the device needs no registration certificate, and the module changes nothing.
    type: str
  control_plane_namespace:
    description:
      - Namespace of the control plane.
      - The O(flotta.edge.operator#module:namespace) with which it was installed; V(flotta) for an embedded control plane.
    type: str
    default: flotta
  wait:
    description:
      - Whether to wait until the Edge API has issued the certificate.
    default: true
extends_documentation_fragment:
  - flotta.edge.connection
  - flotta.edge.connection.waiting
attributes:
  check_mode:
    description: Writes no batch, and does not wait. RV(certificate) and RV(key) are empty when they would change.
    support: full
  diff_mode:
    description: Shows the specification of the batch where the result has no private key, as in check mode.
    support: partial
  idempotent:
    description: Changes nothing when the batch is as specified.
    support: full
seealso:
  - module: flotta.edge.registration_certificate_info
"""

EXAMPLES = r"""
- name: Issue a certificate for the sticks of a roll-out; an administrator approves each device
  flotta.edge.registration_certificate:
    name: berlin-2027
    namespaces: [shops]
    uses: 50
    validity: "{{ 60 * 24 * 3600 }}"
    labels:
      site: berlin
  register: registration

- name: Write what the sticks need
  ansible.builtin.copy:
    content: "{{ item.content }}"
    dest: "/media/stick/{{ item.name }}"
    mode: "0600"
  loop:
    - {name: cert.pem, content: "{{ registration.certificate }}"}
    - {name: key.pem, content: "{{ registration.key }}"}
    - {name: ca.pem, content: "{{ registration.ca }}"}
  loop_control:
    label: "{{ item.name }}"
  no_log: true

- name: Approve the devices of a factory by their serial numbers
  flotta.edge.registration_certificate:
    name: factory
    device_ids: ["cam-*"]
    uses: 200
    expires: "2027-07-01T00:00:00Z"
    approval:
      mode: automatic
      serial_numbers: "{{ lookup('ansible.builtin.file', 'serials.txt').splitlines() }}"

- name: Refuse a certificate that was lost
  flotta.edge.registration_certificate:
    name: berlin-2027
    state: revoked
    reason: A stick was stolen.
"""

RETURN = r"""
needed:
  description: Whether a registration certificate is needed; false if O(device_certificate) is accepted.
  type: bool
  returned: with state C(present)
certificate:
  description: The registration certificate, PEM. Empty if it is not issued.
  type: str
  returned: with state C(present)
key:
  description:
    - Private key of the registration certificate, PEM. Empty if it is not issued.
    - An EC key is in the form SEC 1 (C(EC PRIVATE KEY)), which agents of Project Flotta v0.2 read as well, whatever its
      form in the Secret.
  type: str
  returned: with state C(present)
ca:
  description: Certificates of the Flotta CA, PEM. Empty if the certificate is not issued.
  type: str
  returned: with state C(present)
requests_deleted:
  description: How many requests that waited for a decision were deleted, or would be in check mode.
  type: int
  returned: with state C(revoked) and C(absent)
"""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import resource_api as api

try:
    from cryptography.hazmat.primitives.serialization import Encoding

    from flotta.cli.registration import Batches
    from flotta.fleet.batch_specification import dump_specification, parse_specification
    from flotta.fleet.issued_batches import IssuedBatch
    from flotta.fleet.membership import accepts
    from flotta.fleet.registration_batches import (
        MAX_BATCH_NAME,
        ApprovalFields,
        SpecificationFields,
    )
    from flotta.identity.lifetime import load_certificate
    from flotta.identity.peers import read_peer
    from flotta.migration.manifests import Json
    from flotta.resources.client import AlreadyExists, Client
    from flotta.resources.kinds import EDGE_DEVICE
    from flotta.resources.objects.meta import Manifest
    from flotta.resources.views import is_being_deleted
    from flotta.rfc3339 import format_time
except ImportError as error:
    api.import_errors.append(error)  # api.run() says so

PROGRAM = "flotta.edge.registration_certificate"
YEAR = 365 * 24 * 3600  # seconds
APPROVAL = {
    "mode": {"type": "str", "choices": ["manual", "automatic"], "default": "manual"},
    "serial_numbers": {"type": "list", "elements": "str", "default": []},
    "hardware": {"type": "dict", "default": {}},
    "source_networks": {"type": "list", "elements": "str", "default": []},
}


@dataclass(frozen=True)
class Parameters(api.Connection, api.Waiting):
    """The parameters of the module."""

    name: str | None
    state: str
    expires: str | None
    validity: int | None  # seconds
    uses: int | None
    namespaces: Sequence[str]
    device_ids: Sequence[str]
    labels: Mapping[str, Json]  # YAML makes numbers of some values
    target_set: str | None
    approval: Mapping[str, Json] | None
    allow_without_fingerprint: bool
    reason: str
    device_certificate: str | None
    control_plane_namespace: str


def choose_name(parameters: Parameters) -> str:
    """Return the name of the batch; raises ValueError when it cannot follow from the namespace."""
    if parameters.name:
        return parameters.name
    if len(parameters.namespaces) != 1:
        raise ValueError("A batch for several namespaces needs a name; set name.")
    name = f"namespace-{parameters.namespaces[0]}"
    return name if len(name) <= MAX_BATCH_NAME else f"namespace-{shorten(name)}"


def shorten(name: str) -> str:
    """Return a short text that stands for a name."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def make_fields(
    parameters: Parameters, existing: IssuedBatch | None, now: datetime.datetime
) -> SpecificationFields:
    """Return the specification that a batch is to have.

    Raises ValueError with a sentence when the batch has ended and the parameters do not open it again.
    """
    fields: SpecificationFields = {"namespaces": list(parameters.namespaces)}
    expires = choose_expiry(parameters, existing, now)
    if expires:
        fields["expires"] = expires
    if parameters.uses is not None:
        fields["uses"] = parameters.uses
    if parameters.device_ids:
        fields["deviceIDs"] = list(parameters.device_ids)
    if parameters.target_set:
        fields["targetSet"] = parameters.target_set
    if parameters.labels:
        fields["labels"] = {key: str(value) for key, value in parameters.labels.items()}
    if parameters.approval is not None:
        fields["approval"] = make_rule(parameters.approval)
    if parameters.allow_without_fingerprint:
        fields["allowWithoutFingerprint"] = True
    return fields


def make_rule(approval: Mapping[str, Json]) -> ApprovalFields:
    """Return the rule of approval; what is empty is left out."""
    rule: Mapping[str, object] = {
        "mode": str(approval["mode"]).capitalize(),
        "serialNumbers": approval["serial_numbers"],
        "hardware": approval["hardware"],
        "sourceNetworks": approval["source_networks"],
    }
    return cast("ApprovalFields", {key: value for key, value in rule.items() if value})


def choose_expiry(
    parameters: Parameters, existing: IssuedBatch | None, now: datetime.datetime
) -> str | None:
    """Return when the batch is to expire, None to leave that to the Edge API."""
    if parameters.expires:
        return parameters.expires
    validity = parameters.validity or (None if parameters.name else YEAR)
    known = existing.expires if existing else None
    if validity is None:
        if known is not None and known <= now:
            raise ValueError(
                f"The registration batch {choose_name(parameters)} expired at {format_time(known)}. Set expires or validity to open "
                "it again."
            )
        return existing.fields.get("expires") if existing else None
    try:
        wanted = now + datetime.timedelta(seconds=validity)
    except OverflowError as error:
        raise ValueError(
            f"validity is {validity} s, which is after the last year that there is."
        ) from error
    if existing and known is not None and known > now + (wanted - now) / 3:
        return existing.fields.get("expires")
    return format_time(wanted)


class WantedBatch:
    """The batch that the parameters describe."""

    def __init__(self, client: Client, parameters: Parameters, *, check_mode: bool) -> None:
        self.client, self.parameters, self.check_mode = client, parameters, check_mode
        self.name = choose_name(parameters)
        self.batches = Batches(client, parameters.control_plane_namespace)

    async def ensure_present(self) -> Manifest:
        """Issue the certificate if it is needed; return the result of the module."""
        if await self.is_member():
            return {"changed": False, "needed": False, "certificate": "", "key": "", "ca": ""}
        existing = await self.batches.find(self.name)
        self.require_not_revoked(existing)
        fields = make_fields(
            self.parameters, existing, datetime.datetime.now(tz=datetime.timezone.utc)
        )
        wanted = parse_specification(dump_specification(fields))
        changed = existing is None or existing.specification != wanted
        if changed and not self.check_mode:
            await self.write(existing, fields)
        diff = api.make_diff(existing.fields if existing else None, fields)
        issued = await self.find_issued(changed=changed)
        return {
            "changed": changed,
            "needed": True,
            "certificate": issued.certificate if issued else "",
            "key": issued.key if issued else "",
            "ca": issued.authority if issued else "",
            "diff": diff if changed else [],
        }

    def require_not_revoked(self, existing: IssuedBatch | None) -> None:
        """Raise ValueError when the batch was revoked."""
        revoked = existing.fields.get("revoked") if existing else None
        if revoked is not None:
            said = f", because: {revoked['reason']}" if revoked.get("reason") else ""
            raise ValueError(
                f"The registration batch {self.name} was revoked at {revoked.get('at', '')} by {revoked.get('by', 'somebody')}{said}, and stays so. Choose "
                "another name, or remove the batch with state absent first."
            )

    async def write(self, existing: IssuedBatch | None, fields: SpecificationFields) -> None:
        """Create the batch or change its specification."""
        if existing is None:
            try:
                await self.batches.create(self.name, fields)
            except AlreadyExists:  # by another host of the same play
                existing = await self.batches.get(self.name)
        if existing is not None:
            await self.batches.change(self.name, self.make_wanted)

    def make_wanted(self, existing: IssuedBatch) -> SpecificationFields:
        """Return the specification for a batch as it is now; raises ValueError if it has ended."""
        self.require_not_revoked(existing)
        return make_fields(
            self.parameters, existing, datetime.datetime.now(tz=datetime.timezone.utc)
        )

    async def find_issued(self, *, changed: bool) -> IssuedBatch | None:
        """Return the batch with the certificate that belongs to its specification, None without one."""
        if not self.check_mode and self.parameters.wait:
            return await self.batches.wait_issued(
                self.name, self.parameters.wait_timeout, self.parameters.wait_sleep
            )
        if changed and self.check_mode:
            return None
        batch = await self.batches.get(self.name)
        return batch if batch.is_issued else None

    async def is_member(self) -> bool:
        """Tell whether the device of the parameters is in the fleet by a certificate of its own."""
        try:
            certificate = load_certificate(self.parameters.device_certificate or "")
            peer = read_peer(certificate.public_bytes(Encoding.DER))
        except ValueError:
            return False
        named = peer.device_id in self.parameters.device_ids
        if peer.kind != "device" or not named or peer.namespace not in self.parameters.namespaces:
            return False
        device = await self.client.get_or_none(EDGE_DEVICE, peer.device_id, peer.namespace)
        return device is not None and not is_being_deleted(device) and accepts(device, peer)

    async def ensure_ended(self) -> Manifest:
        """Let the batch expire, or revoke it; return the result of the module."""
        batch = await self.batches.get(self.name)
        state = batch.state_at(datetime.datetime.now(tz=datetime.timezone.utc))
        revoke = self.parameters.state == "revoked"
        changed = state != "revoked" and (revoke or state != "expired")
        if changed and not self.check_mode:
            if revoke:
                await self.batches.revoke(self.name, self.parameters.reason, PROGRAM)
            else:
                await self.batches.expire(self.name)
        diff = api.make_diff({"state": state}, {"state": self.parameters.state})
        removed = await self.remove_undecided() if revoke else 0
        return {
            "changed": changed or removed > 0,
            "diff": diff if changed else [],
            "requests_deleted": removed,
        }

    async def remove_undecided(self) -> int:
        """Delete the requests with the batch that wait for a decision; return how many these are."""
        if self.check_mode:
            return len(await self.batches.list_undecided(self.name))
        return await self.batches.remove_undecided(self.name)

    async def ensure_absent(self) -> Manifest:
        """Remove the batch; return the result of the module."""
        existing = await self.batches.find(self.name)
        if existing is not None and not self.check_mode:
            await self.batches.remove(self.name)
        diff = api.make_diff(existing.fields if existing else None, None)
        removed = await self.remove_undecided()
        return {
            "changed": existing is not None or removed > 0,
            "diff": diff if existing else [],
            "requests_deleted": removed,
        }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **api.CONNECTION_SPEC,
            **api.WAIT_SPEC,
            "wait": {"type": "bool", "default": True},
            "name": {"type": "str"},
            "state": {
                "type": "str",
                "choices": ["present", "expired", "revoked", "absent"],
                "default": "present",
            },
            "expires": {"type": "str"},
            "validity": {"type": "int"},
            "uses": {"type": "int"},
            "namespaces": {
                "type": "list",
                "elements": "str",
                "default": ["default"],
                "aliases": ["namespace"],
            },
            "device_ids": {"type": "list", "elements": "str", "default": []},
            "labels": {"type": "dict", "default": {}},
            "target_set": {"type": "str"},
            "approval": {"type": "dict", "options": APPROVAL},
            "allow_without_fingerprint": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
            "device_certificate": {"type": "str"},
            "control_plane_namespace": {"type": "str", "default": "flotta"},
        },
        mutually_exclusive=[("expires", "validity")],
        supports_check_mode=True,
    )
    given = {
        name: value for name, value in module.params.items() if name != "namespace"
    }  # the alias
    parameters = Parameters(**given)

    async def work(client: Client) -> Manifest:
        batch = WantedBatch(client, parameters, check_mode=module.check_mode)
        if parameters.state == "present":
            return await batch.ensure_present()
        if parameters.state == "absent":
            return await batch.ensure_absent()
        return await batch.ensure_ended()

    api.run(module, parameters, work)


if __name__ == "__main__":
    main()
