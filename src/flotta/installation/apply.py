"""Bring objects of the cluster in line with rendered ones, or say what that would change.

The server itself computes the result (server-side apply with a dry run), so defaults, pruning and
normalisation are never taken for differences, and check mode is the same path without the write.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..resources.client import ApiError, Client, Conflict, NotFound, retry_on_conflict
from ..resources.kinds import NAMESPACE, Kind
from . import names
from .differences import Change, change
from .errors import TERMINATING, InstallationError, explained

Object = dict[str, Any]
_OPTIONS = {"Route": "route", "ServiceMonitor": "service_monitor"}


class Applier:
    """Applies and removes objects one by one and keeps what changed."""

    def __init__(self, client: Client, *, check_mode: bool = False) -> None:
        self.client = client
        self.check_mode = check_mode
        self.changes: list[Change] = []

    async def apply(self, obj: Object) -> Object:
        """Make the object as rendered; returns it as it is then. An object that is not ours is refused."""
        title = names.title(obj)
        try:
            # Controllers write the same objects; a forced application conflicts with their writes only.
            return await retry_on_conflict(lambda: self._applied(obj))
        except NotFound as error:
            raise _unknown(obj, error) from error
        except ApiError as error:
            raise explained(error, title) from error

    async def _applied(self, obj: Object) -> Object:
        live = await self.find(names.kind_of(obj), obj)
        if live is not None:
            refuse_foreign(live)
        return await self._apply(obj, live, force=True)

    async def apply_definition(self, crd: Object, live: Object | None, *, force: bool) -> None:
        """Make a CRD as rendered; raises the server's own errors, Conflict for fields in other hands."""
        await self._apply(crd, live, force=force)

    async def _apply(self, obj: Object, live: Object | None, *, force: bool) -> Object:
        kind = names.kind_of(obj)
        wanted = await self._tried(kind, obj, live, force=force)
        found = change(names.title(obj), live, wanted)
        if found is None:
            return live or wanted
        if not self.check_mode:
            wanted = await self.client.apply(kind, obj, names.FIELD_MANAGER, force=force)
        self.changes.append(found)
        return wanted

    async def _tried(self, kind: Kind, obj: Object, live: Object | None, *, force: bool) -> Object:
        """What applying would give; an object whose namespace is yet to come is taken as rendered."""
        namespace = obj["metadata"].get("namespace")
        if live is None and namespace and not await self.exists(NAMESPACE, namespace):
            if kind in names.OPTIONAL:
                await self.client.list(kind)  # NotFound where the cluster does not know the kind
            return obj
        return await self.client.apply(kind, obj, names.FIELD_MANAGER, force=force, dry_run=True)

    async def remove(self, obj: Object, kind: Kind) -> None:
        """Delete an object that was read from the server; one that is on its way out is left to go."""
        if obj["metadata"].get("deletionTimestamp"):
            return
        title = names.title(obj)
        found = change(title, obj, None)
        if found is not None:
            self.changes.append(found)
        if self.check_mode:
            return
        metadata = obj["metadata"]
        try:
            await self.client.delete(
                kind, metadata["name"], metadata.get("namespace"), uid=metadata["uid"]
            )
        except NotFound:
            return
        except Conflict as error:  # of another UID
            raise InstallationError(
                f"{title} was made anew while this ran; run this again"
            ) from error
        except ApiError as error:
            raise explained(error, title) from error

    async def prune(self, rendered: Iterable[Object], namespaces: Iterable[str]) -> None:
        """Remove what we made and do not render any more."""
        wanted = {names.identity(obj) for obj in rendered}
        for kind, obj in await self.ours(namespaces):
            if names.identity(obj) not in wanted:
                await self.remove(obj, kind)

    async def ours(self, namespaces: Iterable[str]) -> list[tuple[Kind, Object]]:
        """Return what we made, cluster-wide or in these namespaces, in the order of removal."""
        found: list[tuple[Kind, Object]] = []
        for kind in names.RENDERED:
            places: Iterable[str | None] = namespaces if kind.namespaced else (None,)
            for place in places:
                found += [(kind, obj) for obj in await self.listed(kind, place, names.OURS)]
        return found

    async def listed(
        self, kind: Kind, namespace: str | None = None, selector: str | None = None
    ) -> list[Object]:
        """Return the objects of a kind; none where the cluster does not know the kind."""
        try:
            return await self.client.list(kind, namespace, label_selector=selector)
        except NotFound:
            return []
        except ApiError as error:
            raise explained(error, kind.plural) from error

    async def find(self, kind: Kind, obj: Object) -> Object | None:
        metadata = obj["metadata"]
        return await self.named(kind, metadata["name"], metadata.get("namespace"))

    async def named(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """Return the object of a name, None when there is none."""
        try:
            return await self.client.get(kind, name, namespace)
        except NotFound:
            return None
        except ApiError as error:
            raise explained(error, f"{kind.kind} {name}") from error

    async def exists(self, kind: Kind, name: str, namespace: str | None = None) -> bool:
        return await self.named(kind, name, namespace) is not None


def is_ours(obj: Object) -> bool:
    """Tell whether we made the object, by its label."""
    labels = obj["metadata"].get("labels") or {}
    return bool(labels.get(names.MANAGED_BY) == names.FIELD_MANAGER)


def refuse_foreign(live: Object) -> None:
    """Raise for an object that somebody else made under a name that we need."""
    if not is_ours(live):
        raise InstallationError(
            f"{names.title(live)} is there already and belongs to something else; remove it, or hand it over by "
            f"the label {names.MANAGED_BY}={names.FIELD_MANAGER}"
        )


def refuse_terminating(namespace: Object | None) -> None:
    """Raise for a namespace that is being deleted."""
    if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
        raise InstallationError(TERMINATING.format(namespace=namespace["metadata"]["name"]))


def _unknown(obj: Object, error: NotFound) -> InstallationError:
    option = _OPTIONS.get(obj["kind"])
    if option is None:
        return explained(error, names.title(obj))
    return InstallationError(
        f"This cluster does not know the kind {obj['kind']} ({obj['apiVersion']}); leave out {option}, or install "
        "what brings the kind"
    )
