"""Server-side apply: field ownership decides what a manager may change and what it drops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flotta.apiserver import field_paths, managed_fields, timestamps
from flotta.apiserver.bodies import Decoded, decode_yaml
from flotta.apiserver.errors import Refusal, bad_request
from flotta.apiserver.field_paths import CONTAINER, Path
from flotta.apiserver.managed_fields import Entry, Owner
from flotta.apiserver.writes import Change, Outcome, create, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from flotta.apiserver.options import WriteOptions
    from flotta.apiserver.registry import Resource
    from flotta.apiserver.writes import Objects, Place

JsonObject = dict[str, Any]


async def apply(
    objects: Objects,
    place: Place,
    body: bytes,
    options: WriteOptions,
    check_create: Callable[[], None],
) -> Outcome:
    """Create or change an object so that it agrees with the applied configuration.

    ``check_create`` raises a 403 Refusal for who may only change objects.
    """
    wanted = _configuration(decode_yaml(body), place)
    if objects.store.newest(place.key) is not None:
        application = _Application(place, wanted, options)
        return await update(objects, place, application.change, options)
    if place.subresource:
        raise place.missing()
    check_create()
    wanted["metadata"].setdefault("name", place.name)
    wanted["metadata"].pop("resourceVersion", None)
    return await create(objects, place, Decoded(wanted), options, operation="Apply")


def _configuration(wanted: Any, place: Place) -> JsonObject:
    """Check an applied configuration and leave out what its endpoint ignores."""
    resource = place.resource
    if not isinstance(wanted, dict):
        raise bad_request("error decoding YAML: the configuration is not an object")
    kind, version = wanted.get("kind"), wanted.get("apiVersion")
    if (kind, version) != (resource.kind, resource.api_version):
        raise bad_request(f"invalid object type: {version or '/'}, Kind={kind or ''}")
    if not isinstance(wanted.setdefault("metadata", {}), dict):
        raise bad_request("error decoding YAML: metadata is not an object")
    if wanted["metadata"].get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    wanted["metadata"].pop("managedFields", None)
    _check_declared(wanted, place)
    if place.subresource == "status":
        return {key: wanted[key] for key in wanted if key not in ("spec",)}
    ignored = {"status"} if resource.status else set()
    return {key: value for key, value in wanted.items() if key not in ignored}


def _check_declared(wanted: JsonObject, place: Place) -> None:
    """Refuse fields that the schema does not have: they could never be owned."""
    resource = place.resource
    unknown = resource.schema.admit(wanted).unknown
    if unknown:
        listed = ", ".join(f".{path}: field not declared in schema" for path in unknown)
        raise bad_request(
            f"failed to create typed patch object ({place.namespace}/{place.name}; "
            f"{resource.api_version}, Kind={resource.kind}): {listed}"
        )


@dataclass(frozen=True)
class _Application:
    """One apply to an existing object."""

    place: Place
    wanted: JsonObject
    options: WriteOptions

    @property
    def resource(self) -> Resource:
        return self.place.resource

    @property
    def shape(self) -> JsonObject:
        return field_paths.shape_of(self.resource.openapi)

    @property
    def owner(self) -> Owner:
        return Owner(self.options.manager, "Apply", self.place.subresource)

    def change(self, live: JsonObject) -> Change:
        """The merged object; raises a 409 Refusal on conflicts that are not forced."""
        entries = managed_fields.entries_of(live["metadata"])
        others = [entry for entry in entries if entry.owner != self.owner]
        own = next((entry for entry in entries if entry.owner == self.owner), None)
        claimed = managed_fields.applied_paths(self._fields(), self.resource)
        lost = self._conflicts(live, others, claimed)
        merged = field_paths.merge(live, self.wanted, self.shape)
        self._drop(merged, (own.paths if own else frozenset()) - claimed, others)

        def track(obj: JsonObject, old: JsonObject) -> None:
            self._track(obj, old, others, own, claimed, lost)

        return Change(merged, patch=True, track=track)

    def _fields(self) -> JsonObject:
        """The part of the configuration that is owned at this endpoint."""
        if self.place.subresource != "status":
            return self.wanted
        return {"metadata": {}, "status": self.wanted.get("status", {})}

    def _conflicts(
        self, live: JsonObject, others: list[Entry], claimed: set[Path]
    ) -> dict[Path, list[Entry]]:
        """Paths that others own with another value than the wanted one."""
        present = field_paths.flatten(live, self.shape)
        wanted = field_paths.flatten(self._fields(), self.shape)
        found: dict[Path, list[Entry]] = {}
        for path in sorted(claimed):
            if path not in present or _agrees(present[path], wanted[path]):
                continue
            owners = [entry for entry in others if path in entry.paths]
            if owners:
                found[path] = owners
        if found and not self.options.force:
            raise _conflict(found)
        return found

    def _drop(self, obj: JsonObject, dropped: frozenset[Path], others: list[Entry]) -> None:
        """Remove what this manager no longer sends and nobody else owns, and maps left empty."""
        kept = {path for entry in others for path in entry.paths}
        for path in sorted(dropped, key=len, reverse=True):
            if any(other[: len(path)] == path for other in kept):
                continue
            field_paths.remove(obj, path, self.shape)
            self._drop_empty(obj, path[:-1], kept)

    def _drop_empty(self, obj: JsonObject, path: Path, kept: set[Path]) -> None:
        while path not in ((), ("f:metadata",)) and path not in kept:
            if field_paths.get(obj, path, self.shape) not in ({}, []):
                return
            field_paths.remove(obj, path, self.shape)
            path = path[:-1]

    def _track(
        self,
        obj: JsonObject,
        old: JsonObject,
        others: list[Entry],
        own: Entry | None,
        claimed: set[Path],
        lost: dict[Path, list[Entry]],
    ) -> None:
        present = field_paths.flatten(obj, self.shape)
        moved = field_paths.flatten(old, self.shape) != present
        entries = [
            entry.changed_to((entry.paths - lost.keys()) & present.keys()) for entry in others
        ]
        paths = frozenset(claimed & present.keys())
        mine = own.changed_to(paths) if own else None
        if mine is None or moved:
            mine = Entry(self.owner, self.resource.api_version, timestamps.now(), paths)
        managed_fields.set_entries(obj, _in_place(entries, mine, old))


def _agrees(present: Any, wanted: Any) -> bool:
    """Whether a wanted value leaves the present one as it is; an empty map asks for nothing."""
    return wanted is CONTAINER or present == wanted or (present is CONTAINER and not wanted)


def _in_place(others: list[Entry], mine: Entry, old: JsonObject) -> list[Entry]:
    """Entries in the order they had; a new one comes last."""
    order = [entry.owner for entry in managed_fields.entries_of(old["metadata"])]
    position = {owner: index for index, owner in enumerate(order)}
    return sorted([*others, mine], key=lambda entry: position.get(entry.owner, len(order)))


def _conflict(found: dict[Path, list[Entry]]) -> Refusal:
    """The 409 that names every conflicting field and its manager."""
    by_manager: dict[str, list[Path]] = {}
    for path, entries in found.items():
        for entry in entries:
            by_manager.setdefault(_described(entry), []).append(path)
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {manager}",
            "field": field_paths.text(path),
        }
        for manager, paths in by_manager.items()
        for path in paths
    ]
    message = f"Apply failed with {_counted(causes)}: {_told(by_manager, len(causes))}"
    return Refusal(409, message, "Conflict", {"causes": causes})


def _described(entry: Entry) -> str:
    using = f" using {entry.api_version}" if entry.owner.operation == "Update" else ""
    return f'"{entry.owner.manager}"{using}'


def _counted(causes: list[JsonObject]) -> str:
    return "1 conflict" if len(causes) == 1 else f"{len(causes)} conflicts"


def _told(by_manager: dict[str, list[Path]], number: int) -> str:
    if number == 1:
        (manager, (path,)) = next(iter(by_manager.items()))
        return f"conflict with {manager}: {field_paths.text(path)}"
    parts = []
    for manager, paths in by_manager.items():
        lines = "".join(f"\n- {field_paths.text(path)}" for path in paths)
        parts.append(f"conflicts with {manager}:{lines}")
    return "\n".join(parts)
