# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/apply.py: change that.
"""Server-side apply of rendered objects, or a report of what it would change.

The server itself computes the result (server-side apply with a dry run). So defaults, pruning and
normalisation are never reported as differences, and check mode is the same path without the write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..installation import kinds, names
from ..installation.diff import ObjectChange, diff_objects
from ..installation.errors import TERMINATING, InstallationError, describe_error
from ..installation.labels import component_of
from ..resources.client import (
    ApiError,
    Client,
    Conflict,
    NotFound,
    Objects,
    retry_on_conflict,
)
from ..resources.crds import CustomResourceDefinition
from ..resources.kinds import NAMESPACE, Kind, ResourceT
from ..resources.objects.core import Namespace
from ..resources.objects.meta import Resource
from ..resources.views import (
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)

# Kinds that a cluster need not serve, with the setting that adds an object of the kind.
OPTION_OF_KIND = {"Route": "route", "ServiceMonitor": "service_monitor"}


class Scope(NamedTuple):
    """Objects that belong together, by where they are and the component in their labels."""

    namespaces: Collection[str]
    cluster_wide: bool  # whether objects without a namespace are meant, too
    components: Collection[str]


class Applier:
    """Applies and removes objects one by one and collects the changes."""

    def __init__(self, client: Client, *, check_mode: bool = False) -> None:
        self.client = client
        self.check_mode = check_mode
        self.changes: list[ObjectChange] = []

    async def apply(self, obj: ResourceT) -> ResourceT:
        """Create or change the object; return it as it is then, in check mode as it would be.

        Raises InstallationError, also for an object of this name that flotta did not create.
        """
        title = names.title(obj)
        try:
            # Controllers write the same objects; a forced apply conflicts only with their
            # concurrent writes.
            return await retry_on_conflict(lambda: self._apply_once(obj))
        except NotFound as error:
            raise _explain_not_found(obj, error) from error
        except ApiError as error:
            raise describe_error(error, title) from error

    async def _apply_once(self, obj: ResourceT) -> ResourceT:
        live = await self.get_live(obj)
        if live is not None:
            refuse_foreign(live)
        return await self._apply(obj, live, force=True)

    async def apply_crd(
        self,
        crd: CustomResourceDefinition,
        live: CustomResourceDefinition | None,
        *,
        force: bool,
    ) -> None:
        """Create or change a CRD; `live` is the one at the server.

        Raises ApiError as the server reports it: Conflict for fields that another manager owns,
        unless forced.
        """
        await self._apply(crd, live, force=force)

    async def _apply(self, obj: ResourceT, live: ResourceT | None, *, force: bool) -> ResourceT:
        kind = kinds.kind_of(obj)
        wanted = await self._dry_run(kind, obj, live, force=force)
        found = diff_objects(names.title(obj), live, wanted)
        if found is None:
            return live or wanted
        if not self.check_mode:
            wanted = await self.client.apply(kind, obj, names.FIELD_MANAGER, force=force)
        self.changes.append(found)
        return wanted

    async def _dry_run(
        self, kind: Kind[ResourceT], obj: ResourceT, live: ResourceT | None, *, force: bool
    ) -> ResourceT:
        """Return what applying would give.

        An object whose namespace does not exist yet is returned as rendered, because the server
        refuses it.
        """
        namespace = namespace_of(obj)
        if live is None and namespace and not await self.exists(NAMESPACE, namespace):
            if kind in kinds.OPTIONAL:
                await self.client.list(kind)  # NotFound if the cluster does not serve the kind
            return obj
        return await self.client.apply(kind, obj, names.FIELD_MANAGER, force=force, dry_run=True)

    async def remove(self, obj: ResourceT, kind: Kind[ResourceT]) -> None:
        """Delete an object that was read from the server, unless it is being deleted already.

        Raises InstallationError, also when it was replaced by another object meanwhile.
        """
        if is_being_deleted(obj):
            return
        title = names.title(obj)
        found = diff_objects(title, obj, None)
        if found is not None:
            self.changes.append(found)
        if self.check_mode:
            return
        try:
            await self.client.delete(kind, name_of(obj), namespace_of(obj), uid=uid_of(obj))
        except NotFound:
            return
        except Conflict as error:  # of another UID
            raise InstallationError(
                f"{title} was deleted and created again meanwhile; run this again"
            ) from error
        except ApiError as error:
            raise describe_error(error, title) from error

    async def prune(self, rendered: Iterable[Resource], scope: Scope) -> None:
        """Remove what flotta created in a scope and no longer renders."""
        wanted = {names.object_identity(obj) for obj in rendered}
        for kind, obj in await self.list_own(scope):
            if names.object_identity(obj) not in wanted:
                await self.remove(obj, kind)

    async def list_own(self, scope: Scope) -> list[tuple[Kind[Resource], Resource]]:
        """Return what flotta created in a scope, in order of removal."""
        found: list[tuple[Kind[Resource], Resource]] = []
        for kind in kinds.RENDERED:
            cluster = (None,) if scope.cluster_wide else ()
            places: Iterable[str | None] = scope.namespaces if kind.namespaced else cluster
            for place in places:
                found += [(kind, obj) for obj in await self.list_objects(kind, place, names.OURS)]
        return [(kind, obj) for kind, obj in found if component_of(obj) in scope.components]

    async def list_objects(
        self, kind: Kind[ResourceT], namespace: str | None = None, selector: str | None = None
    ) -> Objects[ResourceT]:
        """Return the objects of a kind; none if the cluster does not serve the kind.

        Without a namespace those of all namespaces. Raises InstallationError.
        """
        try:
            return await self.client.list(kind, namespace, label_selector=selector)
        except NotFound:
            return []
        except ApiError as error:
            raise describe_error(error, kind.plural) from error

    async def serves(self, kind: Kind[Resource]) -> bool:
        """Tell whether the cluster serves a kind; raises InstallationError."""
        try:
            await self.client.list(kind)
        except NotFound:
            return False
        except ApiError as error:
            raise describe_error(error, kind.plural) from error
        return True

    async def get_live(self, obj: ResourceT) -> ResourceT | None:
        """Return a rendered object as it is at the server, None when it does not exist."""
        return await self.get_or_none(kinds.kind_of(obj), name_of(obj), namespace_of(obj))

    async def get_or_none(
        self, kind: Kind[ResourceT], name: str, namespace: str | None = None
    ) -> ResourceT | None:
        """Return the object, None when it does not exist; raises InstallationError."""
        try:
            return await self.client.get_or_none(kind, name, namespace)
        except ApiError as error:
            raise describe_error(error, f"{kind.kind} {name}") from error

    async def exists(self, kind: Kind[Resource], name: str, namespace: str | None = None) -> bool:
        """Tell whether the object exists; raises InstallationError."""
        return await self.get_or_none(kind, name, namespace) is not None


def is_ours(obj: Resource) -> bool:
    """Tell whether flotta created the object, by its label."""
    return labels_of(obj).get(names.MANAGED_BY) == names.FIELD_MANAGER


def refuse_foreign(live: Resource) -> None:
    """Raise for an object under a name that we need, but not created by flotta."""
    if not is_ours(live):
        raise InstallationError(
            f"{names.title(live)} exists and was not created by flotta; remove it, or let flotta "
            f"take it over with the label {names.MANAGED_BY}={names.FIELD_MANAGER}"
        )


def refuse_terminating(namespace: Namespace | None) -> None:
    """Raise InstallationError for a namespace that is being deleted."""
    if namespace is not None and is_being_deleted(namespace):
        raise InstallationError(TERMINATING.format(namespace=name_of(namespace)))


def _explain_not_found(obj: Resource, error: NotFound) -> InstallationError:
    option = OPTION_OF_KIND.get(obj["kind"])
    if option is None:
        return describe_error(error, names.title(obj))
    return InstallationError(
        f"This cluster does not serve the kind {obj['kind']} ({obj['apiVersion']}); leave out "
        f"{option}, or install what provides the kind"
    )
