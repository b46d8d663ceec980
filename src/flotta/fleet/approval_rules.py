"""The approval rule of a registration batch: whether it approves a device, and on which evidence.

Serial numbers, hardware and address only narrow what a batch admits: a device says the first two
about itself (docs/reference/control-plane.md#approval-by-rule).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypedDict, cast

from flotta.fleet.registration_batches import Specification, is_batch_name, matches
from flotta.printable_text import printable
from flotta.rfc3339 import format_time, parse_required_time

MAX_APPROVAL = 8 * 1024  # characters of an approval's JSON
MAX_EVIDENCE = 16  # sentences
# Characters of each. All of them fit into MAX_APPROVAL, also with each character escaped in JSON.
MAX_SENTENCE = 240
MAX_CAUSE = 512  # characters of why a rule does not approve


class Approval(TypedDict):
    """The annotation of a request that a rule approved."""

    batch: str
    uid: str  # of the batch: another one may get its name
    rule: str  # a sentence
    evidence: list[str]  # sentences
    at: str  # RFC 3339


@dataclass(frozen=True)
class Applicant:
    """A device that requests to join."""

    device_id: str
    key_fingerprint: str = ""  # hex SHA-256, "" if it sent none
    hardware: Mapping[str, object] = field(default_factory=dict)  # as in `status.hardware`
    source_address: str | None = None  # None where the peer's own address is not known


@dataclass(frozen=True)
class Decision:
    """What a rule decides: it approves, or says why not; neither if there is no rule."""

    rule: str = ""
    evidence: tuple[str, ...] = ()
    withheld: str = ""

    @property
    def approves(self) -> bool:
        """Whether the rule approves the device."""
        return bool(self.rule) and not self.withheld


class _NoMatch(Exception):
    """A part of the rule does not match; the text says why."""


def decide(batch: str, specification: Specification, applicant: Applicant) -> Decision:
    """Return what the rule of a batch decides about a device that the batch admits."""
    if not specification.approval.automatic:
        return Decision()
    rule = _describe(batch, specification)
    try:
        evidence = tuple(
            printable(item, MAX_SENTENCE) for item in _evidence(specification, applicant)
        )
    except _NoMatch as error:
        return Decision(rule, withheld=printable(f"Batch {batch}: {error}", MAX_CAUSE))
    return Decision(rule, evidence)


def withhold(decision: Decision, batch: str, cause: str) -> Decision:
    """Return the decision as one for a person; the cause is a sentence without its end."""
    withheld = printable(f"Batch {batch}: {cause}", MAX_CAUSE)
    return replace(decision, evidence=(), withheld=withheld)


def write_approval(batch: str, uid: str, decision: Decision, now: datetime) -> str:
    """Return the annotation for a decision that approves."""
    approval: Approval = {
        "batch": batch,
        "uid": uid,
        "rule": decision.rule,
        "evidence": list(decision.evidence),
        "at": format_time(now),
    }
    return json.dumps(approval, ensure_ascii=False)


def read_approval(text: str | None) -> Approval | None:
    """Return the approval of an annotation, None if there is none or it is not one of ours."""
    if not text or len(text) > MAX_APPROVAL:
        return None
    try:
        found: object = json.loads(text)
        if not isinstance(found, dict) or found.keys() != Approval.__annotations__.keys():
            return None
        evidence = found.pop("evidence")
        texts = [*found.values(), *evidence]
        if not isinstance(evidence, list) or not all(isinstance(item, str) for item in texts):
            return None
        parse_required_time(found["at"])
    except (ValueError, OverflowError, RecursionError, TypeError):
        return None
    if not is_batch_name(found["batch"]) or len(evidence) > MAX_EVIDENCE:
        return None
    return {**cast("Approval", found), "evidence": evidence}


def _describe(batch: str, specification: Specification) -> str:
    whom = "the devices that it lists" if specification.device_ids else "every device"
    limit = f", {specification.uses} at most" if specification.uses else ""
    return f"Registration batch {batch} approves {whom}{limit}"


def _evidence(specification: Specification, applicant: Applicant) -> Iterator[str]:
    """Yield a sentence for each part of the rule; raises _NoMatch at the first that fails."""
    if specification.device_ids is not None:
        yield _match_id(specification, applicant.device_id)
    rule = specification.approval
    if rule.serial_numbers:
        yield _match_serial_number(rule.serial_numbers, applicant)
    for path, wanted in rule.hardware.items():
        yield _match_hardware(path, wanted, applicant)
    if rule.source_networks:
        yield _match_network(specification, applicant.source_address)
    if applicant.key_fingerprint:
        yield f"The request is bound to the key {applicant.key_fingerprint}"
    else:
        yield "The request is bound to no key: the batch allows that"


def _match_id(specification: Specification, device_id: str) -> str:
    found = specification.device_ids.find(device_id) if specification.device_ids else None
    if found is None:
        raise _NoMatch(f"the id {device_id} is not one of its ids")
    how = "is listed" if found == device_id else f"matches {found}"
    return f"The id {device_id} {how}"


def _match_serial_number(listed: Iterable[str], applicant: Applicant) -> str:
    path = "systemVendor.serialNumber"
    number = _reported(path, applicant)
    if number not in listed:
        raise _NoMatch(f"the reported serial number {number!r} is not in its list")
    return f"The serial number {number!r}, which the device reports, is listed"


def _match_hardware(path: str, wanted: str, applicant: Applicant) -> str:
    value = _reported(path, applicant)
    if not matches(wanted, value):
        raise _NoMatch(f"the reported {path} is {value!r}, not {wanted!r}")
    return f"{path}, which the device reports, is {value!r} and matches {wanted!r}"


def _match_network(specification: Specification, text: str | None) -> str:
    address = _parse_address(text)
    if address is None:
        raise _NoMatch(
            "the address of the device is not known; the Edge API trusts an address only with "
            "PROXY_PROTOCOL"
        )
    for network in specification.approval.source_networks:
        if address in network:
            return f"The device connects from {address}, which is in {network}"
    raise _NoMatch(f"the device connects from {address}, which is in none of its networks")


def _parse_address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _reported(path: str, applicant: Applicant) -> str:
    value: object = applicant.hardware
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value:
        raise _NoMatch(f"the device reports no {path}")
    return value
