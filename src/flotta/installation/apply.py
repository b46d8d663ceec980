"""Server-side apply of rendered objects, or a report of what that would change.

The server itself computes the result (server-side apply with a dry run), so defaults, pruning and
normalisation are never taken for differences, and check mode is the same path without the write.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flotta.installation import names
from flotta.installation.diff import ObjectChange, diff_objects
from flotta.installation.errors import TERMINATING, InstallationError, describe_error
from flotta.resources.client import ApiError, Client, Conflict, NotFound, retry_on_conflict
from flotta.resources.kinds import NAMESPACE, Kind

Object = dict[str, Any]
OPTION_OF_KIND = {"Route": "route", "ServiceMonitor": "service_monitor"}


class Applier:
    """Applies and removes objects one by one and keeps what changed."""

    def __init__(self, client: Client, *, check_mode: bool = False) -> None:
        self.client = client
        self.check_mode = check_mode
        self.changes: list[ObjectChange] = []

    async def apply(self, obj: Object) -> Object:
        """Make the object as rendered; returns it as it is then. An object that is not ours is refused."""
        title = names.title(obj)
        try:
            # Controllers write the same objects; a forced application conflicts with their writes only.
            return await retry_on_conflict(lambda: self._apply_once(obj))
        except NotFound as error:
            raise _explain_not_found(obj, error) from error
        except ApiError as error:
            raise describe_error(error, title) from error

    async def _apply_once(self, obj: Object) -> Object:
        live = await self.get_live(obj)
        if live is not None:
            refuse_foreign(live)
        return await self._apply(obj, live, force=True)

    async def apply_crd(self, crd: Object, live: Object | None, *, force: bool) -> None:
        """Make a CRD as rendered; raises the server's own errors, Conflict for fields in other hands."""
        await self._apply(crd, live, force=force)

    async def _apply(self, obj: Object, live: Object | None, *, force: bool) -> Object:
        kind = names.kind_of(obj)
        wanted = await self._dry_run(kind, obj, live, force=force)
        found = diff_objects(names.title(obj), live, wanted)
        if found is None:
            return live or wanted
        if not self.check_mode:
            wanted = await self.client.apply(kind, obj, names.FIELD_MANAGER, force=force)
        self.changes.append(found)
        return wanted

    async def _dry_run(
        self, kind: Kind, obj: Object, live: Object | None, *, force: bool
    ) -> Object:
        """Return what applying would give; an object whose namespace is yet to come is taken as rendered."""
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
        found = diff_objects(title, obj, None)
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
            raise describe_error(error, title) from error

    async def prune(self, rendered: Iterable[Object], namespaces: Iterable[str]) -> None:
        """Remove what we made and do not render any more."""
        wanted = {names.object_identity(obj) for obj in rendered}
        for kind, obj in await self.list_own(namespaces):
            if names.object_identity(obj) not in wanted:
                await self.remove(obj, kind)

    async def list_own(self, namespaces: Iterable[str]) -> list[tuple[Kind, Object]]:
        """Return what we made, cluster-wide or in these namespaces, in the order of removal."""
        found: list[tuple[Kind, Object]] = []
        for kind in names.RENDERED:
            places: Iterable[str | None] = namespaces if kind.namespaced else (None,)
            for place in places:
                found += [(kind, obj) for obj in await self.list_objects(kind, place, names.OURS)]
        return found

    async def list_objects(
        self, kind: Kind, namespace: str | None = None, selector: str | None = None
    ) -> list[Object]:
        """Return the objects of a kind; none where the cluster does not know the kind."""
        try:
            return await self.client.list(kind, namespace, label_selector=selector)
        except NotFound:
            return []
        except ApiError as error:
            raise describe_error(error, kind.plural) from error

    async def get_live(self, obj: Object) -> Object | None:
        """Return a rendered object as it is at the server, None when it is not there."""
        metadata = obj["metadata"]
        return await self.get_or_none(
            names.kind_of(obj), metadata["name"], metadata.get("namespace")
        )

    async def get_or_none(
        self, kind: Kind, name: str, namespace: str | None = None
    ) -> Object | None:
        """Return the object of a name, None when there is none; raises InstallationError."""
        try:
            return await self.client.get_or_none(kind, name, namespace)
        except ApiError as error:
            raise describe_error(error, f"{kind.kind} {name}") from error

    async def exists(self, kind: Kind, name: str, namespace: str | None = None) -> bool:
        return await self.get_or_none(kind, name, namespace) is not None


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


def _explain_not_found(obj: Object, error: NotFound) -> InstallationError:
    option = OPTION_OF_KIND.get(obj["kind"])
    if option is None:
        return describe_error(error, names.title(obj))
    return InstallationError(
        f"This cluster does not know the kind {obj['kind']} ({obj['apiVersion']}); leave out {option}, or install "
        "what brings the kind"
    )
