"""Server-side apply (KEP-555): owners of fields decide on conflicts and removals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flotta.apiserver import timestamps
from flotta.apiserver.errors import StatusError, bad_request, wrong_type
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects import extent, field_paths, managed_fields
from flotta.apiserver.objects.bodies import DecodedBody, decode_yaml
from flotta.apiserver.objects.creation import create_object
from flotta.apiserver.objects.field_paths import CONTAINER, Path
from flotta.apiserver.objects.managed_fields import ManagedFieldsEntry, Owner
from flotta.apiserver.objects.options import WriteOptions
from flotta.apiserver.objects.updates import RequestedChange, update_object
from flotta.apiserver.objects.writes import Endpoint, Objects, WriteResult
from flotta.apiserver.registry import ServedResource

# Of an applied configuration. Its owners are found for each, in the only event loop.
MAX_VALUES = 10_000


async def apply_configuration(
    objects: Objects,
    endpoint: Endpoint,
    body: bytes,
    options: WriteOptions,
    check_create: Callable[[], None],
) -> WriteResult:
    """Create or change an object so that it has the applied configuration.

    `check_create` raises a 403 StatusError for users who may change objects but not create them.
    """
    wanted = await decode_yaml(body, endpoint.resource.kind)
    _check_extent(wanted)
    wanted = _check_configuration(wanted, endpoint)
    if objects.store.newest(endpoint.key) is not None:
        application = Application(endpoint, wanted, options)
        return await update_object(objects, endpoint, application.propose, options)
    if endpoint.subresource:
        raise endpoint.not_found()
    check_create()
    wanted["metadata"].setdefault("name", endpoint.name)
    wanted["metadata"].pop("resourceVersion", None)
    return await create_object(objects, endpoint, DecodedBody(wanted), options, operation="Apply")


def _check_extent(wanted: JsonObject) -> None:
    try:
        extent.check_value(wanted, MAX_VALUES)
    except extent.ExcessiveValueError as error:
        text = f"the configuration cannot be applied: {error}; replace the object instead"
        raise bad_request(text) from error


def _check_configuration(wanted: JsonObject, endpoint: Endpoint) -> JsonObject:
    """Check an applied configuration and leave out the parts that the endpoint ignores."""
    resource = endpoint.resource
    kind, version = wanted.get("kind"), wanted.get("apiVersion")
    if (kind, version) != (resource.kind, resource.api_version):
        text = f"the configuration is a {kind} of {version}"
        raise bad_request(f"{text}, not a {resource.kind} of {resource.api_version}")
    if not isinstance(wanted.setdefault("metadata", {}), dict):
        raise wrong_type("metadata", wanted["metadata"], "an object")
    if wanted["metadata"].get("managedFields"):
        raise bad_request("metadata.managedFields must not be set")
    wanted["metadata"].pop("managedFields", None)
    _check_declared(wanted, endpoint)
    if endpoint.subresource == "status":
        return {key: wanted[key] for key in wanted if key not in ("spec",)}
    ignored = {"status"} if resource.status else set()
    return {key: value for key, value in wanted.items() if key not in ignored}


def _check_declared(wanted: JsonObject, endpoint: Endpoint) -> None:
    """Refuse fields that the schema does not have: they cannot be owned."""
    resource = endpoint.resource
    unknown = resource.schema.admit(wanted).unknown
    if unknown:
        raise bad_request(f"{resource.kind} has no field {', '.join(unknown)}")


@dataclass(frozen=True)
class Application:
    """An apply to an existing object."""

    endpoint: Endpoint
    wanted: JsonObject
    options: WriteOptions

    @property
    def resource(self) -> ServedResource:
        """The kind of the object."""
        return self.endpoint.resource

    @property
    def shape(self) -> JsonObject:
        """The schema by which the object is traversed."""
        return field_paths.shape_of(self.resource.openapi)

    @property
    def owner(self) -> Owner:
        """The owner of the applied fields."""
        return Owner(self.options.manager, "Apply", self.endpoint.subresource)

    def propose(self, live: JsonObject) -> RequestedChange:
        """Return the merged object. Raises a 409 StatusError on conflicts without `force`."""
        entries = self._read_entries(live)
        others = [entry for entry in entries if entry.owner != self.owner]
        own = next((entry for entry in entries if entry.owner == self.owner), None)
        claimed = managed_fields.applied_paths(self._owned_part(), self.resource)
        lost = self._find_conflicts(live, others, claimed)
        merged = field_paths.merge_values(live, self.wanted, self.shape)
        dropped = (own.paths if own else frozenset()) - claimed
        self._drop_fields(merged, dropped, claimed, others)

        def track(obj: JsonObject, old: JsonObject) -> None:
            self._track_owners(obj, old, others, own, claimed, lost)

        return RequestedChange(merged, patch=True, track=track)

    def _read_entries(self, live: JsonObject) -> list[ManagedFieldsEntry]:
        """Return the entries by the current schema: what became one leaf is owned as a whole.

        Otherwise fields of an earlier schema would count as no longer sent, and be removed.
        """
        present = field_paths.flatten_object(live, self.shape)
        return [
            replace(entry, paths=field_paths.fold_paths(entry.paths, present))
            for entry in managed_fields.read_entries(live["metadata"])
        ]

    def _owned_part(self) -> JsonObject:
        """Return the part of the configuration that can be owned at this endpoint."""
        if self.endpoint.subresource != "status":
            return self.wanted
        return {"metadata": {}, "status": self.wanted.get("status", {})}

    def _find_conflicts(
        self, live: JsonObject, others: list[ManagedFieldsEntry], claimed: set[Path]
    ) -> dict[Path, list[ManagedFieldsEntry]]:
        """Return the paths that others own with a value that differs from the applied one."""
        present = field_paths.flatten_object(live, self.shape)
        wanted = field_paths.flatten_object(self._owned_part(), self.shape)
        found: dict[Path, list[ManagedFieldsEntry]] = {}
        for path in sorted(claimed):
            if path not in present or _agrees(present[path], wanted[path]):
                continue
            owners = [entry for entry in others if path in entry.paths]
            if owners:
                found[path] = owners
        if found and not self.options.force:
            raise _conflict_error(found)
        return found

    def _drop_fields(
        self,
        obj: JsonObject,
        dropped: frozenset[Path],
        claimed: set[Path],
        others: list[ManagedFieldsEntry],
    ) -> None:
        """Remove what this manager no longer sends and no other owns, and maps left empty."""
        kept = {path for entry in others for path in entry.paths} | claimed
        # An item before its fields: without its keys it could not be found.
        for path in sorted(dropped, key=len):
            # As in Kubernetes, owning a field of an item is not enough to keep the item.
            item = path[-1].startswith("k:")
            if path in kept or (not item and any(other[: len(path)] == path for other in kept)):
                continue
            field_paths.remove_value(obj, path, self.shape)
            self._drop_empty_containers(obj, path[:-1], kept)

    def _drop_empty_containers(self, obj: JsonObject, path: Path, kept: set[Path]) -> None:
        while path not in ((), ("f:metadata",)) and path not in kept:
            if field_paths.get_value(obj, path, self.shape) not in ({}, []):
                return
            field_paths.remove_value(obj, path, self.shape)
            path = path[:-1]

    def _track_owners(
        self,
        obj: JsonObject,
        old: JsonObject,
        others: list[ManagedFieldsEntry],
        own: ManagedFieldsEntry | None,
        claimed: set[Path],
        lost: dict[Path, list[ManagedFieldsEntry]],
    ) -> None:
        present = field_paths.flatten_object(obj, self.shape)
        moved = field_paths.flatten_object(old, self.shape) != present
        entries = [
            entry.with_paths((entry.paths - lost.keys()) & present.keys()) for entry in others
        ]
        paths = frozenset(claimed & present.keys())
        mine = own.with_paths(paths) if own else None
        if mine is None or moved:
            mine = ManagedFieldsEntry(
                self.owner, self.resource.api_version, timestamps.now(), paths
            )
        managed_fields.write_entries(obj, _keep_order(entries, mine, old))


def _agrees(present: Any, wanted: Any) -> bool:
    """Tell whether a value agrees with the current one; an empty map requests nothing."""
    return wanted is CONTAINER or present == wanted or (present is CONTAINER and not wanted)


def _keep_order(
    others: list[ManagedFieldsEntry], mine: ManagedFieldsEntry, old: JsonObject
) -> list[ManagedFieldsEntry]:
    """Return the entries in their former order; a new one is last."""
    order = [entry.owner for entry in managed_fields.read_entries(old["metadata"])]
    position = {owner: index for index, owner in enumerate(order)}
    return sorted([*others, mine], key=lambda entry: position.get(entry.owner, len(order)))


def _conflict_error(found: dict[Path, list[ManagedFieldsEntry]]) -> StatusError:
    """Return the 409 with every conflicting field and its manager."""
    by_manager: dict[str, list[Path]] = {}
    for path, entries in found.items():
        for entry in entries:
            by_manager.setdefault(_describe_manager(entry), []).append(path)
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {manager}",
            "field": field_paths.format_path(path),
        }
        for manager, paths in by_manager.items()
        for path in paths
    ]
    shown = _describe_conflicts(by_manager, len(causes))
    message = f"Apply failed with {_describe_count(causes)}: {shown}"
    return StatusError(409, message, "Conflict", {"causes": causes})


def _describe_manager(entry: ManagedFieldsEntry) -> str:
    using = f" using {entry.api_version}" if entry.owner.operation == "Update" else ""
    return f'"{entry.owner.manager}"{using}'


def _describe_count(causes: list[JsonObject]) -> str:
    return "1 conflict" if len(causes) == 1 else f"{len(causes)} conflicts"


def _describe_conflicts(by_manager: dict[str, list[Path]], number: int) -> str:
    if number == 1:
        (manager, (path,)) = next(iter(by_manager.items()))
        return f"conflict with {manager}: {field_paths.format_path(path)}"
    parts = []
    for manager, paths in by_manager.items():
        lines = "".join(f"\n- {field_paths.format_path(path)}" for path in paths)
        parts.append(f"conflicts with {manager}:{lines}")
    return "\n".join(parts)
