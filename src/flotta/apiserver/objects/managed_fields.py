"""The owners of fields (metadata.managedFields, KEP-555) after creates and updates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flotta.apiserver import timestamps
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects import field_paths
from flotta.apiserver.objects.field_paths import CONTAINER, Path
from flotta.apiserver.registry import ServedResource

MAX_UPDATERS = 10  # entries of updates in an object, as in Kubernetes
ANCIENT = "ancient-changes"  # the manager of those that had to be merged


@dataclass(frozen=True)
class Owner:
    """The owner of an entry: manager, operation (Apply or Update) and subresource."""

    manager: str
    operation: str
    subresource: str = ""


@dataclass(frozen=True)
class ManagedFieldsEntry:
    """An entry of managedFields."""

    owner: Owner
    api_version: str
    time: str
    paths: frozenset[Path]

    def with_paths(self, paths: frozenset[Path] | set[Path]) -> ManagedFieldsEntry:
        """Return the entry with other paths; its time changes only if the paths do."""
        if paths == self.paths:
            return self
        return replace(self, paths=frozenset(paths), time=timestamps.now())

    def to_json(self) -> JsonObject:
        """Return the entry in the form of metadata.managedFields."""
        entry = {
            "manager": self.owner.manager,
            "operation": self.owner.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": field_paths.encode_paths(set(self.paths)),
        }
        return entry | ({"subresource": self.owner.subresource} if self.owner.subresource else {})


def read_entries(meta: JsonObject) -> list[ManagedFieldsEntry]:
    """Return the entries of an object's metadata without malformed ones."""
    return [
        ManagedFieldsEntry(
            Owner(entry["manager"], entry["operation"], entry.get("subresource", "")),
            entry.get("apiVersion", ""),
            entry.get("time", ""),
            frozenset(field_paths.decode_paths(entry.get("fieldsV1") or {})),
        )
        for entry in meta.get("managedFields") or []
        if entry.get("manager") and entry.get("operation") in ("Apply", "Update")
    ]


def write_entries(obj: JsonObject, entries: list[ManagedFieldsEntry]) -> None:
    """Write entries into an object, without those that own nothing."""
    kept = [entry.to_json() for entry in _cap_updaters(entries) if entry.paths]
    obj["metadata"].pop("managedFields", None)
    if kept:
        obj["metadata"]["managedFields"] = kept


def _cap_updaters(entries: list[ManagedFieldsEntry]) -> list[ManagedFieldsEntry]:
    """Merge the oldest entries of updates into one if there are too many, as Kubernetes does."""
    updates = [entry for entry in entries if entry.owner.operation == "Update"]
    excess = len(updates) - MAX_UPDATERS
    if excess <= 0:
        return entries
    ancient = [entry for entry in updates if entry.owner.manager == ANCIENT]
    others = [entry for entry in updates if entry not in ancient]
    oldest = sorted(others, key=lambda entry: entry.time)
    # The merged entry is one itself, unless it exists already.
    merged = ancient + oldest[: excess if ancient else excess + 1]
    paths = frozenset[Path]().union(*(entry.paths for entry in merged))
    newest = max(merged, key=lambda entry: entry.time)
    one = ManagedFieldsEntry(Owner(ANCIENT, "Update"), newest.api_version, newest.time, paths)
    return [one, *(entry for entry in entries if entry not in merged)]


def applied_paths(configuration: JsonObject, resource: ServedResource) -> set[Path]:
    """Return what an applier owns: leaves, and the items of keyed lists themselves."""
    found = field_paths.flatten_object(configuration, field_paths.shape_of(resource.openapi))
    return {
        path for path, value in found.items() if value is not CONTAINER or path[-1].startswith("k:")
    }


def track_create(
    obj: JsonObject, sent: JsonObject, resource: ServedResource, manager: str, operation: str
) -> None:
    """Make the creator the owner of every field; an applier owns only what was sent."""
    present = set(field_paths.flatten_object(obj, field_paths.shape_of(resource.openapi)))
    paths = applied_paths(sent, resource) & present if operation == "Apply" else present
    owner = Owner(manager, operation)
    write_entries(
        obj, [ManagedFieldsEntry(owner, resource.api_version, timestamps.now(), frozenset(paths))]
    )


def track_update(
    obj: JsonObject,
    old: JsonObject,
    entries: list[ManagedFieldsEntry],
    writer: Owner,
    resource: ServedResource,
) -> None:
    """Move the fields that an update changed from their former owners to the writer."""
    shape = field_paths.shape_of(resource.openapi)
    before, after = field_paths.flatten_object(old, shape), field_paths.flatten_object(obj, shape)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    moved = {path for path in changed if after[path] is not CONTAINER}
    kept = [
        entry.with_paths((entry.paths & after.keys()) - (moved if entry.owner != writer else set()))
        for entry in entries
    ]
    if changed:
        kept = _claim_paths(kept, writer, changed, resource)
    write_entries(obj, kept)


def _claim_paths(
    entries: list[ManagedFieldsEntry], writer: Owner, claimed: set[Path], resource: ServedResource
) -> list[ManagedFieldsEntry]:
    """Add paths to the writer's entry, with the time of this write."""
    own = next((entry for entry in entries if entry.owner == writer), None)
    paths = frozenset(claimed) | (own.paths if own else frozenset())
    renewed = ManagedFieldsEntry(writer, resource.api_version, timestamps.now(), paths)
    if own is None:
        return [*entries, renewed]
    return [renewed if entry is own else entry for entry in entries]
