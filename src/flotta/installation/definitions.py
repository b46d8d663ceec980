"""The CRDs: install them, wait until they are served, remove them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import __version__
from ..resources import crds
from ..resources.client import ApiError, Client, Conflict
from ..resources.conditions import find_condition
from ..resources.kinds import BUCKET_CLAIM, Kind
from . import names
from .apply import Applier, is_ours
from .clock import Deadline
from .differences import Change
from .errors import InstallationError, explained
from .finalizers import release
from .labelled import label_value, version_of

Object = dict[str, Any]
SHARED = f"{BUCKET_CLAIM.plural}.{BUCKET_CLAIM.group}"  # other storage systems bring this one


@dataclass
class Definitions:
    """The outcome: what changed, and the names of the CRDs that are ours."""

    changes: list[Change] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    version: str = __version__
    previous: str = ""  # version of what was there before


def render() -> list[Object]:
    """Return the CRDs of this release, labelled as ours."""
    labels = {
        names.NAME: "flotta-crds",
        names.PART_OF: "flotta",
        names.MANAGED_BY: names.FIELD_MANAGER,
        names.VERSION: label_value(__version__),
    }
    return [{**crd, "metadata": {**crd["metadata"], "labels": labels}} for crd in crds.load()]


async def install(client: Client, *, check_mode: bool, force: bool, patience: float) -> Definitions:
    """Bring the CRDs in line; raises InstallationError when one is in other hands, unless forced."""
    applier = Applier(client, check_mode=check_mode)
    outcome = Definitions(changes=applier.changes)
    for crd in render():
        live = await applier.find(names.CRD, crd)
        if crd["metadata"]["name"] == SHARED and live is not None and not is_ours(live):
            continue
        outcome.previous = outcome.previous or version_of(live)
        await _install(applier, crd, live, force=force)
        outcome.names.append(crd["metadata"]["name"])
    if patience and not check_mode:
        await _established(applier, outcome.names, patience)
    return outcome


async def _install(applier: Applier, crd: Object, live: Object | None, *, force: bool) -> None:
    name = crd["metadata"]["name"]
    if live is not None and live["metadata"].get("deletionTimestamp"):
        raise InstallationError(
            f"CRD {name} is being deleted; wait until it is gone and run this again "
            f"(kubectl get crd {name} -o yaml says what holds it)"
        )
    _refuse_other_versions(crd, live)
    if force and live is not None:
        await _drop_webhook(applier, live)
    try:
        await applier.apply_definition(crd, live, force=force)
    except Conflict as error:
        raise InstallationError(
            f"{explained(error, f'CRD {name}')}; remove it, or take it over with force=true"
        ) from error
    except ApiError as error:
        raise explained(error, f"CRD {name}") from error


def _refuse_other_versions(crd: Object, live: Object | None) -> None:
    """Objects that are stored in a version which we do not know would be lost to everybody."""
    stored = set(((live or {}).get("status") or {}).get("storedVersions") or [])
    foreign = sorted(stored - {version["name"] for version in crd["spec"]["versions"]})
    if foreign:
        raise InstallationError(
            f"CRD {crd['metadata']['name']} keeps objects in version {', '.join(foreign)}, which this release "
            "does not know; install the release that made it, or remove the CRD with its objects"
        )


async def _drop_webhook(applier: Applier, live: Object) -> None:
    """Earlier systems converted by a webhook; an application would leave that in place."""
    conversion = live["spec"].get("conversion") or {}
    if conversion.get("strategy") != "Webhook" or applier.check_mode:
        return
    patch = {"spec": {"conversion": {"strategy": "None", "webhook": None}}}
    await applier.client.merge_patch(names.CRD, live["metadata"]["name"], None, patch)


async def _established(applier: Applier, wanted: list[str], patience: float) -> None:
    deadline = Deadline(patience)
    for name in wanted:

        async def look(name: str = name) -> bool:
            crd = await applier.named(names.CRD, name)
            _refuse_taken_names(crd)
            return _condition(crd, "Established").get("status") == "True"

        if not await deadline.until(look, 0.2):
            raise InstallationError(
                f"CRD {name} is not served after {patience:.0f} s; kubectl describe crd {name} says why"
            )


def _refuse_taken_names(crd: Object | None) -> None:
    accepted = _condition(crd, "NamesAccepted")
    if accepted.get("status") == "False":
        name = (crd or {})["metadata"]["name"]
        raise InstallationError(
            f"CRD {name} cannot be served because another CRD has its names: {accepted.get('message')}; "
            "remove the other one"
        )


async def remove(client: Client, *, check_mode: bool, force: bool, patience: float) -> Definitions:
    """Remove our CRDs; while objects exist only if forced, and then with these."""
    applier = Applier(client, check_mode=check_mode)
    outcome = Definitions(changes=applier.changes)
    doomed = []
    for crd in render():
        live = await applier.find(names.CRD, crd)
        if live is not None and is_ours(live):
            doomed.append(live)
    outcome.previous = next((version_of(live) for live in doomed), "")
    if not force:
        await _refuse_objects(applier, doomed)
    for live in doomed:
        await applier.remove(live, names.CRD)
        outcome.names.append(live["metadata"]["name"])
    if not check_mode:
        await _gone(applier, doomed, patience)
    return outcome


async def _refuse_objects(applier: Applier, doomed: list[Object]) -> None:
    found = {}
    for crd in doomed:
        kind = kind_defined(crd)
        if count := len(await applier.listed(kind)):
            found[kind.kind] = count
    if found:
        shown = ", ".join(f"{count} {kind}" for kind, count in found.items())
        raise InstallationError(
            f"The fleet's data is still there ({shown}); remove it with flotta.edge.operator, state=absent and "
            "delete_data=true, or use force=true to delete it together with the CRDs"
        )


async def _gone(applier: Applier, doomed: list[Object], patience: float) -> None:
    """Wait until the CRDs are gone; objects that wait for an operator that is no more are let go."""
    deadline = Deadline(patience)

    async def look() -> bool:
        remaining = [
            crd for crd in doomed if await applier.exists(names.CRD, crd["metadata"]["name"])
        ]
        for crd in remaining:
            await release(applier, kind_defined(crd))
        return not remaining

    if not await deadline.until(look, 0.5):
        raise InstallationError(
            f"The CRDs are still there after {patience:.0f} s: objects have finalizers of other programs; "
            f"kubectl get crd -l {names.OURS} shows them"
        )


def kind_defined(crd: Object) -> Kind:
    """Return the kind that a CRD defines."""
    spec = crd["spec"]
    version = next(item["name"] for item in spec["versions"] if item["storage"])
    return Kind(spec["group"], version, spec["names"]["kind"], spec["names"]["plural"])


def _condition(obj: Object | None, type_: str) -> Object:
    return find_condition(((obj or {}).get("status") or {}).get("conditions"), type_) or {}
