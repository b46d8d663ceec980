# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/crds.py: change that.
"""The CRDs on a cluster: installing, waiting until they are served, removing."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..version import __version__
from ..installation import kinds, names
from ..installation.apply import Applier, is_ours
from ..installation.deadline import Deadline
from ..installation.diff import ObjectChange
from ..installation.errors import InstallationError, describe_error
from ..installation.finalizers import release_objects
from ..installation.labels import to_label_value, version_label
from ..resources.client import ApiError, Client, Conflict
from ..resources.conditions import condition_status, find_condition
from ..resources.crds import CustomResourceDefinition, load
from ..resources.kinds import BUCKET_CLAIM, Kind
from ..resources.objects.meta import Resource
from ..resources.views import conditions_of, is_being_deleted, name_of

SHARED = f"{BUCKET_CLAIM.plural}.{BUCKET_CLAIM.group}"  # other storage systems install it, too
SERVED_INTERVAL = 0.2  # seconds between two checks whether CRDs are served
GONE_INTERVAL = 0.5  # seconds between two checks whether CRDs are gone


@dataclass
class CrdOutcome:
    """The outcome: what changed, and the names of the CRDs that flotta created."""

    changes: list[ObjectChange] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    version: str = __version__
    previous: str = ""  # version that was installed before


def render_crds() -> list[CustomResourceDefinition]:
    """Return the CRDs of this release with our labels."""
    labels = {
        names.NAME: "flotta-crds",
        names.PART_OF: "flotta",
        names.MANAGED_BY: names.FIELD_MANAGER,
        names.VERSION: to_label_value(__version__),
    }
    return [{**crd, "metadata": {**crd["metadata"], "labels": labels}} for crd in load()]


async def install_crds(
    client: Client, *, check_mode: bool, force: bool, wait_timeout: float
) -> CrdOutcome:
    """Install or change the CRDs and wait until they are served.

    `wait_timeout` is in seconds; 0 does not wait. Raises InstallationError, also when another
    manager owns fields of a CRD, unless forced. The shared CRD is left unchanged if another storage
    system installed it.
    """
    applier = Applier(client, check_mode=check_mode)
    outcome = CrdOutcome(changes=applier.changes)
    for crd in render_crds():
        live = await applier.get_live(crd)
        if name_of(crd) == SHARED and live is not None and not is_ours(live):
            continue
        outcome.previous = outcome.previous or version_label(live)
        await _install_crd(applier, crd, live, force=force)
        outcome.names.append(name_of(crd))
    if wait_timeout and not check_mode:
        await _wait_until_served(applier, outcome.names, wait_timeout)
    return outcome


async def _install_crd(
    applier: Applier,
    crd: CustomResourceDefinition,
    live: CustomResourceDefinition | None,
    *,
    force: bool,
) -> None:
    name = name_of(crd)
    if live is not None and is_being_deleted(live):
        raise InstallationError(
            f"CRD {name} is being deleted; wait until it is gone and run this again "
            f"(kubectl get crd {name} -o yaml shows what blocks it)"
        )
    _refuse_other_versions(crd, live)
    if force and live is not None:
        await _drop_webhook(applier, live)
    try:
        await applier.apply_crd(crd, live, force=force)
    except Conflict as error:
        raise InstallationError(
            f"{describe_error(error, f'CRD {name}')}; remove it, or take it over with force=true"
        ) from error
    except ApiError as error:
        raise describe_error(error, f"CRD {name}") from error


def _refuse_other_versions(
    crd: CustomResourceDefinition, live: CustomResourceDefinition | None
) -> None:
    """Raise for objects stored in a version that we do not know: they could not be read then."""
    status = (live.get("status") if live else None) or {}
    stored = set(status.get("storedVersions") or ())
    foreign = sorted(stored - {version["name"] for version in crd["spec"]["versions"]})
    if foreign:
        raise InstallationError(
            f"CRD {name_of(crd)} has objects stored in version {', '.join(foreign)}, which this "
            "release does not know; install the release that created it, or remove the CRD with "
            "its objects"
        )


async def _drop_webhook(applier: Applier, live: CustomResourceDefinition) -> None:
    """Remove the conversion webhook of earlier releases, which an apply would leave in place."""
    conversion = live["spec"].get("conversion") or {}
    if conversion.get("strategy") != "Webhook" or applier.check_mode:
        return
    patch = {"spec": {"conversion": {"strategy": "None", "webhook": None}}}
    await applier.client.merge_patch(kinds.CRD, name_of(live), None, patch)


async def _wait_until_served(applier: Applier, wanted: list[str], wait_timeout: float) -> None:
    deadline = Deadline(wait_timeout)
    for name in wanted:

        async def is_served(name: str = name) -> bool:
            crd = await applier.get_or_none(kinds.CRD, name)
            _refuse_taken_names(crd)
            return _condition_status(crd, "Established") == "True"

        if not await deadline.wait_until(is_served, SERVED_INTERVAL):
            raise InstallationError(
                f"CRD {name} is not served after {wait_timeout:.0f} s; "
                f"kubectl describe crd {name} shows why"
            )


def _refuse_taken_names(crd: CustomResourceDefinition | None) -> None:
    accepted = find_condition(conditions_of(crd), "NamesAccepted") if crd else None
    if crd and accepted and accepted["status"] == "False":
        raise InstallationError(
            f"CRD {name_of(crd)} cannot be served because another CRD uses its names: "
            f"{accepted.get('message')}; remove the other CRD"
        )


async def remove_crds(
    client: Client, *, check_mode: bool, force: bool, wait_timeout: float
) -> CrdOutcome:
    """Remove our CRDs; if objects of them exist, only if forced, and then with these objects.

    Raises InstallationError when they still exist after `wait_timeout` seconds.
    """
    applier = Applier(client, check_mode=check_mode)
    outcome = CrdOutcome(changes=applier.changes)
    doomed: list[CustomResourceDefinition] = []
    for crd in render_crds():
        live = await applier.get_live(crd)
        if live is not None and is_ours(live):
            doomed.append(live)
    outcome.previous = next((version_label(live) for live in doomed), "")
    if not force:
        await _refuse_objects(applier, doomed)
    for live in doomed:
        await applier.remove(live, kinds.CRD)
        outcome.names.append(name_of(live))
    if not check_mode:
        await _wait_until_gone(applier, doomed, wait_timeout)
    return outcome


async def _refuse_objects(applier: Applier, doomed: list[CustomResourceDefinition]) -> None:
    found: dict[str, int] = {}
    for crd in doomed:
        kind = defined_kind(crd)
        if count := len(await applier.list_objects(kind)):
            found[kind.kind] = count
    if found:
        shown = ", ".join(f"{count} {kind}" for kind, count in found.items())
        raise InstallationError(
            f"The fleet's data still exists ({shown}); remove it with flotta.edge.operator, "
            "state=absent and delete_data=true, or use force=true to delete it together with the "
            "CRDs"
        )


async def _wait_until_gone(
    applier: Applier, doomed: list[CustomResourceDefinition], wait_timeout: float
) -> None:
    """Wait until the CRDs are gone; release objects that wait for an operator that is gone."""
    deadline = Deadline(wait_timeout)

    async def are_gone() -> bool:
        remaining = [crd for crd in doomed if await applier.exists(kinds.CRD, name_of(crd))]
        for crd in remaining:
            await release_objects(applier, defined_kind(crd))
        return not remaining

    if not await deadline.wait_until(are_gone, GONE_INTERVAL):
        raise InstallationError(
            f"The CRDs still exist after {wait_timeout:.0f} s: objects have finalizers of "
            f"other programs; kubectl get crd -l {names.OURS} shows the CRDs"
        )


def defined_kind(crd: CustomResourceDefinition) -> Kind[Resource]:
    """Return the kind that a CRD defines."""
    spec = crd["spec"]
    version = next(item["name"] for item in spec["versions"] if item["storage"])
    return Kind(spec["group"], version, spec["names"]["kind"], spec["names"]["plural"])


def _condition_status(crd: CustomResourceDefinition | None, type_: str) -> str | None:
    return condition_status(conditions_of(crd), type_) if crd else None
