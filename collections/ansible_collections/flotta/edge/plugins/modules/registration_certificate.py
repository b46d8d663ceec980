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
      - With another O(state) than V(present), name or a O(namespaces) other than V(default) is required.
      - When only the name is given, a batch of that name is used as it is.
    type: str
  state:
    description:
      - V(present) issues the certificate, and issues it again when its namespaces or its expiry change. A device that joined stays
        a device whatever becomes of the batch.
      - V(present) describes the whole batch. If an option is omitted, the batch loses what an earlier task gave it with this option,
        such as the limit in O(uses); the module warns about that. Only the expiry stays, and a batch of which only O(name) is given.
      - V(expired) ends the batch now. O(state=present) with O(expires) in the future opens it again; O(validity) does not.
      - V(revoked) refuses the certificate and removes its private key. That cannot be undone.
      - V(absent) removes the batch with its record of uses; its certificate is refused from then on.
      - V(revoked) and V(absent) also delete the requests with this batch about which nothing has decided, neither a person nor a rule.
        Approved and declined ones stay.
      - A batch that does not exist is not an error for V(expired), V(revoked) and V(absent), as batches that ended are removed after
        30 days. For the first two the module warns, because the name may be wrong.
    type: str
    choices: [present, expired, revoked, absent]
    default: present
  expires:
    description:
      - When the batch expires, as date and time of RFC 3339. Mutually exclusive with O(validity).
      - A time that has passed is refused, except the one that the batch has already; such a batch stays as it is, with a warning.
      - When this and O(validity) are omitted, a batch keeps its expiry. A new one expires a year after it is issued.
    type: str
  validity:
    description:
      - Seconds from now until the batch expires, at least 60. Mutually exclusive with O(expires).
      - A batch of which more than a third of that is left keeps its expiry, else it is extended. So a playbook that runs again and
        again keeps the batch open. One that has expired stays expired, and the task fails.
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
      - Labels of the devices that join. A boolean in YAML becomes V(true) or V(false), a number its text.
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
  device_labels:
    description:
      - Keys of labels, without values, that devices may bring along, such as those of the ISO that they booted. Labels of the batch win.
      - Whoever can write to the medium of a device chooses the values. So list no key by which a workload with Secrets selects devices.
      - At most 64 keys. Those that the control plane gives (C(flotta/member-of), C(edgedeviceSignedRequest), C(workload/...)) and
        C(device....) are refused.
      - Not to be confused with O(labels), and with the variable C(device_labels) of the role P(flotta.edge.device#role), which are labels
        with their values.
    type: list
    elements: str
    default: []
  allow_key_replacement:
    description:
      - Whether a device that came with this batch may come back with another key under its id, and keeps its approval. For devices that
        keep nothing when they are switched off. Whoever holds the certificate of the batch can then take the place of its devices.
    type: bool
    default: false
  allow_without_fingerprint:
    description:
      - Whether to admit agents that do not announce their key, as those of Project Flotta v0.2.
    type: bool
    default: false
  reopen:
    description:
      - Whether a batch that has ended is to admit devices again. One that has expired gets O(validity) again. One of which all uses are
        taken is replaced by a new one of the same name, which has no uses taken, unless a request that came with it is approved and
        its EdgeDevice is there or to be created, because that approval ends with the batch.
      - A batch that was revoked stays revoked.
    type: bool
    default: false
  reason:
    description:
      - Why the batch is revoked, for those who look later. Only with O(state=revoked).
    type: str
    default: ""
  device_certificate:
    description:
      - PEM of the certificate of its own that a device has. If its EdgeDevice accepts it, a CA of the control plane issued it, and its
        id and namespace are in O(device_ids) and O(namespaces), the device needs no registration certificate, and the module
        changes nothing. With O(certificates_dir) there are no EdgeDevices, so there the issuer, id and namespace decide.
    type: str
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
      - Writes no batch, and does not wait. Fails where the resource API would refuse the batch; where its namespace does not
        exist yet, the module warns.
      - RV(certificate) and RV(key) are empty when they would change.
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
    validity: "{{ 180 * 24 * 3600 }}"
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
  sample: true
certificate:
  description: The registration certificate, PEM. Empty if it is not issued.
  type: str
  returned: with state C(present)
  sample: |
    -----BEGIN CERTIFICATE-----
    MIIB...
    -----END CERTIFICATE-----
key:
  description:
    - Private key of the registration certificate, PEM. Empty if it is not issued.
    - An EC key is in the form SEC 1 (C(EC PRIVATE KEY)), which agents of Project Flotta v0.2 read as well, whatever its
      form in the Secret.
  type: str
  returned: with state C(present)
  sample: |
    -----BEGIN EC PRIVATE KEY-----
    ...
    -----END EC PRIVATE KEY-----
ca:
  description:
    - Certificates of the Flotta CA, PEM; more than one while the CA is rolled over. They are returned whether or not a
      registration certificate is needed.
    - Empty only if the Edge API has published none yet.
  type: str
  returned: with state C(present)
  sample: |
    -----BEGIN CERTIFICATE-----
    MIIB...
    -----END CERTIFICATE-----
requests_deleted:
  description: How many requests that waited for a decision were deleted, or would be in check mode.
  type: int
  returned: with state C(revoked) and C(absent)
  sample: 0
reason:
  description:
    - Code for what is wrong with the specification, or of the error of the resource API. The page I(Reasons) of the documentation says
      what to do.
  type: str
  returned: when the module fails for such a reason
  sample: InvalidBatch
"""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotta.edge.plugins.module_utils import _cryptography
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._labels import label_values

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.cli.registration import (
        Batches,
        require_future,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.batch_specification import (
        dump_specification,
        parse_specification,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.issued_batches import (
        IssuedBatch,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.membership import (
        accepts,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.fleet.registration_batches import (
        DEFAULT_NAMESPACE,
        MAX_BATCH_NAME,
        MIN_VALIDITY,
        ApprovalFields,
        SpecificationFields,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.identity.errors import (
        IdentityError,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.identity.issuers import (
        issued_by,
        load_bundle,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.identity.lifetime import (
        load_certificate,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.identity.peers import (
        identify_peer,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.migration.manifests import (
        Json,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.own_names import (
        CERTIFICATES_CONFIG_MAP,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
        AlreadyExists,
        Client,
        NotFound,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
        CONFIG_MAP,
        EDGE_DEVICE,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        is_being_deleted,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.rfc3339 import format_time
    from cryptography.x509 import Certificate
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so
api.import_errors += _cryptography.import_errors

PROGRAM = "flotta.edge.registration_certificate"
YEAR = 365 * 24 * 3600  # seconds
APPROVAL = {
    "mode": {"type": "str", "choices": ["manual", "automatic"], "default": "manual"},
    "serial_numbers": {"type": "list", "elements": "str", "default": []},
    "hardware": {"type": "dict", "default": {}},
    "source_networks": {"type": "list", "elements": "str", "default": []},
}


@dataclass(frozen=True)
class Parameters(api.Certificates, api.Connection, api.Waiting):
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
    device_labels: Sequence[str]
    allow_key_replacement: bool
    allow_without_fingerprint: bool
    reopen: bool
    reason: str
    device_certificate: str | None


def choose_name(parameters: Parameters) -> str:
    """Return the name of the batch; raises ValueError when it does not follow from the namespaces, or follows from none that was given."""
    if parameters.name:
        return parameters.name
    if parameters.state != "present" and list(parameters.namespaces) == [DEFAULT_NAMESPACE]:
        raise ValueError(
            f"It is not said which batch is to be {parameters.state}; set name, for a batch that was issued without a name to "
            f"namespace-{DEFAULT_NAMESPACE}."
        )
    if len(parameters.namespaces) != 1:
        raise ValueError("A batch for several namespaces needs a name; set name.")
    name = f"namespace-{parameters.namespaces[0]}"
    return name if len(name) <= MAX_BATCH_NAME else f"namespace-{shorten(name)}"


def shorten(name: str) -> str:
    """Return a short text that stands for a name."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def only_names(parameters: Parameters) -> bool:
    """Tell whether the parameters name a batch and say nothing about it."""
    said = (
        parameters.expires,
        parameters.validity,
        parameters.uses,
        parameters.device_ids,
        parameters.labels,
        parameters.target_set,
        parameters.approval,
        parameters.device_labels,
        parameters.allow_key_replacement,
        parameters.allow_without_fingerprint,
    )
    usual = list(parameters.namespaces) == [DEFAULT_NAMESPACE]
    return bool(parameters.name) and usual and not any(said)


def make_fields(parameters: Parameters, expires: str | None) -> SpecificationFields:
    """Return the specification that a batch is to have; without `expires`, the Edge API decides."""
    fields: SpecificationFields = {"namespaces": list(parameters.namespaces)}
    if expires:
        fields["expires"] = expires
    if parameters.uses is not None:
        fields["uses"] = parameters.uses
    if parameters.device_ids:
        fields["deviceIDs"] = list(parameters.device_ids)
    if parameters.target_set:
        fields["targetSet"] = parameters.target_set
    if parameters.labels:
        fields["labels"] = label_values(parameters.labels)
    if parameters.approval is not None:
        fields["approval"] = make_rule(parameters.approval)
    if parameters.device_labels:
        fields["deviceLabels"] = list(parameters.device_labels)
    if parameters.allow_key_replacement:
        fields["allowKeyReplacement"] = True
    if parameters.allow_without_fingerprint:
        fields["allowWithoutFingerprint"] = True
    return fields


def make_rule(approval: Mapping[str, Json]) -> ApprovalFields:
    """Return the rule of approval; what is empty is left out."""
    rule: Mapping[str, object] = {
        "mode": str(approval["mode"]).capitalize(),
        "serialNumbers": approval["serial_numbers"],
        "hardware": label_values(
            cast("Mapping[str, Json]", approval["hardware"]), "approval.hardware"
        ),
        "sourceNetworks": approval["source_networks"],
    }
    return cast("ApprovalFields", {key: value for key, value in rule.items() if value})


def choose_expiry(
    parameters: Parameters, existing: IssuedBatch | None, now: datetime.datetime
) -> str | None:
    """Return when the batch is to expire, None to leave that to the Edge API.

    Raises ValueError with a sentence when that has passed, or would open a batch that has expired.
    """
    given = existing.fields.get("expires") if existing else None
    known = existing.expires if existing else None
    if parameters.expires:
        if parameters.expires != given:
            require_future(parameters.expires, now)
        return parameters.expires
    if known is not None and known <= now and not parameters.reopen:
        raise ValueError(
            f"The registration batch {choose_name(parameters)} expired at {format_time(known)}. To open it again, set expires to a time to "
            "come."
        )
    validity = YEAR if parameters.validity is None and not parameters.name else parameters.validity
    if validity is None:
        return given
    wanted = after(validity, now)
    return given if known is not None and known > now + (wanted - now) / 3 else format_time(wanted)


def after(validity: int, now: datetime.datetime) -> datetime.datetime:
    """Return when a validity in seconds ends; raises ValueError with a sentence."""
    if validity < MIN_VALIDITY:
        raise ValueError(f"validity is {validity} s; set it to at least {MIN_VALIDITY}.")
    try:
        return now + datetime.timedelta(seconds=validity)
    except OverflowError as error:
        raise ValueError(
            f"validity is {validity} s, which is after the last year that there is."
        ) from error


def is_opened(batch: IssuedBatch, fields: SpecificationFields, now: datetime.datetime) -> bool:
    """Tell whether a batch admits devices with these fields; one that has expired does with another expiry only."""
    expired = batch.expires is not None and batch.expires <= now
    return not expired or fields.get("expires") != batch.fields.get("expires")


def describe_issued(issued: IssuedBatch | None, trusted: str) -> Manifest:
    """Return what a device joins with; without a certificate, the CAs that everybody may know."""
    return {
        "certificate": issued.certificate if issued else "",
        "key": issued.key if issued else "",
        "ca": (issued.authority if issued else "") or trusted,
    }


def is_trusted(certificate: Certificate, trusted: str) -> bool:
    """Tell whether one of the CAs in a PEM issued a certificate; without a PEM, that is not known to be false."""
    try:
        return issued_by(certificate, load_bundle(trusted)) if trusted else True
    except IdentityError:
        return True


class WantedBatch:
    """The batch that the parameters describe."""

    def __init__(self, client: Client, module: AnsibleModule, parameters: Parameters) -> None:
        self.client, self.parameters = client, parameters
        self.module, self.check_mode = module, module.check_mode
        self.name = choose_name(parameters)
        self.batches = Batches(client, parameters.control_plane_namespace)
        self.now = datetime.datetime.now(tz=datetime.timezone.utc)

    async def ensure_present(self) -> Manifest:
        """Issue the certificate if it is needed; return the result of the module."""
        trusted = await self.read_trusted()
        if await self.is_member(trusted):
            return {"changed": False, "needed": False, **describe_issued(None, trusted)}
        found = await self.batches.find(self.name)
        existing = None if found and await self.is_replaced(found) else found
        fields = self.specify(existing)
        wanted = parse_specification(dump_specification(fields))
        changed = existing is None or existing.specification != wanted
        if existing and not is_opened(existing, fields, self.now):
            return self.describe_expired(existing, trusted)
        if changed:
            await self.write_or_try(existing, fields)
        issued = await self.find_issued(changed=changed)
        diff = api.make_diff(found.fields if found else None, fields)
        self.warn_of_lost(existing, fields)
        return {
            "changed": changed,
            "needed": True,
            **describe_issued(issued, trusted),
            "diff": diff if changed else [],
        }

    def describe_expired(self, batch: IssuedBatch, trusted: str) -> Manifest:
        """Return the result for a batch that is as specified, and has expired."""
        self.module.warn(
            f"The registration batch {self.name} has expired: it admits no device. Set expires to a time to come, or state absent."
        )
        return {"changed": False, "needed": True, **describe_issued(batch, trusted)}

    def warn_of_lost(self, existing: IssuedBatch | None, fields: SpecificationFields) -> None:
        """Warn of limits that the batch loses, which a user may not have wanted."""
        lost = sorted(set(existing.fields) - set(fields) - {"expires"}) if existing else []
        if lost:
            self.module.warn(
                f"The registration batch {self.name} has no {', '.join(lost)} any more, because the task does not name them: state present "
                "describes the whole batch."
            )

    def specify(self, existing: IssuedBatch | None) -> SpecificationFields:
        """Return the specification that the batch is to have; raises ValueError when it ended."""
        if existing is not None and existing.is_leaving:
            raise ValueError(api.LEAVING.format(f"The registration batch {self.name}"))
        self.require_not_revoked(existing)
        expires = choose_expiry(self.parameters, existing, self.now)
        if existing is not None and only_names(self.parameters):
            return existing.fields
        return make_fields(self.parameters, expires)

    async def is_replaced(self, batch: IssuedBatch) -> bool:
        """Tell whether a batch is used up and a new one is to take its place: not while an approval counts on it."""
        uses = batch.specification.uses if batch.specification else None
        if not self.parameters.reopen or uses is None or "revoked" in batch.fields:
            return False
        used_up = len(await self.batches.list_uses(self.name)) >= uses
        return used_up and not await self.batches.has_approved(self.name)

    async def read_trusted(self) -> str:
        """Return the certificates of the CA that the Edge API published, PEM; empty without."""
        namespace = self.parameters.control_plane_namespace
        published = await self.client.get_or_none(CONFIG_MAP, CERTIFICATES_CONFIG_MAP, namespace)
        return ((published.get("data") if published else None) or {}).get("ca.crt", "")

    def require_not_revoked(self, existing: IssuedBatch | None) -> None:
        """Raise ValueError when the batch was revoked."""
        revoked = existing.fields.get("revoked") if existing else None
        if revoked is not None:
            revoked = revoked if isinstance(revoked, dict) else {}  # of an invalid specification
            said = f", because: {revoked['reason']}" if revoked.get("reason") else ""
            raise ValueError(
                f"The registration batch {self.name} was revoked at {revoked.get('at', '')} by {revoked.get('by', 'somebody')}{said}, and stays so. Choose "
                "another name, or remove the batch with state absent first."
            )

    async def write_or_try(self, existing: IssuedBatch | None, fields: SpecificationFields) -> None:
        """Write the batch; in check mode the namespace may be missing, because an earlier task would create it."""
        try:
            await self.write(existing, fields)
        except NotFound:
            if not self.check_mode:
                raise
            self.module.warn(api.NO_NAMESPACE.format(self.parameters.control_plane_namespace))

    async def write(self, existing: IssuedBatch | None, fields: SpecificationFields) -> None:
        """Create the batch or change its specification, in check mode as a dry run."""
        if existing is None:
            if self.parameters.reopen and not self.check_mode:
                await self.batches.clear(self.name)
            try:
                await self.batches.create(self.name, fields, dry_run=self.check_mode)
            except AlreadyExists:  # by another host of the same play
                if self.check_mode:  # or it would be replaced
                    return
            else:
                return
        # By what it is then: somebody may have revoked it since it was read.
        await self.batches.change(self.name, self.specify, dry_run=self.check_mode)

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

    async def is_member(self, trusted: str) -> bool:
        """Tell whether the device of the parameters is in the fleet by a certificate of its own."""
        try:
            certificate = load_certificate(self.parameters.device_certificate or "")
            peer = identify_peer(certificate)
        except ValueError:
            return False
        named = peer.device_id in self.parameters.device_ids
        if peer.kind != "device" or not named or peer.namespace not in self.parameters.namespaces:
            return False
        if not is_trusted(certificate, trusted):
            return False
        if self.parameters.certificates_dir is not None:  # the data store has the devices
            return bool(trusted)
        device = await self.client.get_or_none(EDGE_DEVICE, peer.device_id, peer.namespace)
        return device is not None and not is_being_deleted(device) and accepts(device, peer)

    async def ensure_ended(self) -> Manifest:
        """Let the batch expire, or revoke it; return the result of the module."""
        batch = await self.batches.find(self.name)
        if batch is None:  # the Edge API removes those that ended
            self.module.warn(
                f"There is no registration batch {self.name}: it has been removed, or never was."
            )
            return {"changed": False, "requests_deleted": 0}
        state = batch.state_at(self.now)
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
        if existing is not None and existing.is_leaving:
            existing = None
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
            **api.CERTIFICATES_SPEC,
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
            "device_labels": {"type": "list", "elements": "str", "default": []},
            "allow_key_replacement": {"type": "bool", "default": False},
            "allow_without_fingerprint": {"type": "bool", "default": False},
            "reopen": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
            "device_certificate": {"type": "str"},
        },
        mutually_exclusive=[("expires", "validity")],
        supports_check_mode=True,
    )
    given = {
        name: value for name, value in module.params.items() if name != "namespace"
    }  # the alias
    parameters = Parameters(**given)

    async def work(client: Client) -> Manifest:
        batch = WantedBatch(client, module, parameters)
        if parameters.state == "present":
            return await batch.ensure_present()
        if parameters.state == "absent":
            return await batch.ensure_absent()
        return await batch.ensure_ended()

    api.run(module, parameters, work, api.connect_to_certificates(module))


if __name__ == "__main__":
    main()
