"""Convert manifests of earlier Project Flotta releases to today's kinds and fields.

The API drops fields that it does not know, so an old manifest would silently lose settings.
They are moved to their new places, and each change is reported as a sentence. What is renamed and
what is dropped: docs/reference/control-plane.md#manifests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias, TypeGuard

from flotta.resources import crds
from flotta.resources.finalizers import LEGACY_FINALIZERS
from flotta.resources.kinds import GROUP, MEMBER_LABEL

# What YAML or JSON holds: a manifest that a person wrote may have any shape.
Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Object: TypeAlias = Mapping[str, Json]
Schema: TypeAlias = Mapping[str, Json]  # OpenAPI v3

OLD_GROUP = "management.k4e.io"
KINDS = {
    "EdgeDeployment": "EdgeWorkload",
    "WorkloadDeployment": "EdgeWorkload",
    "EdgeDeviceGroup": "EdgeDeviceSet",
}
LABELS = {"flotta/configured-by": MEMBER_LABEL}
SELECTOR_LABELS = "selector/"  # labels that v0.2 wrote on workloads as an index
# Fields that a server wrote into an object read from it; another server would refuse them.
SERVER_FIELDS = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
ALIASES = {"directory": "folder", "uid": "owner", "gid": "group"}  # names on the wire


class ConversionError(ValueError):
    """The manifest cannot be converted; the message says what to do instead."""


@dataclass
class _Notes:
    """Collects sentences about one object; `keep_unknown` is that of `convert_manifest`."""

    sentences: list[str]
    keep_unknown: bool = False

    def add_renamed(self, old: str, new: str) -> None:
        self.sentences.append(f"{old} is now {new}")

    def add_replaced(self, old: str, new: str) -> None:
        self.add_dropped(old, f"it is now {new}, which is there, too")

    def add_dropped(self, what: str, why: str) -> None:
        self.sentences.append(f"{what} is dropped: {why}")


def convert_manifest(document: Object, *, keep_unknown: bool = False) -> tuple[Object, list[str]]:
    """Return the converted manifest and a sentence for each change.

    Objects of other groups, and manifests that need no change, are returned equal and without a
    sentence. With `keep_unknown`, fields that never existed stay, for a caller who refuses them;
    those in the values of a map are dropped in either case.
    Raises ConversionError for a group that cannot be converted.
    """
    kind, items = document.get("kind"), document.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        return _convert_list(document, kind.removesuffix("List"), items)
    group = str(document.get("apiVersion", "")).rpartition("/")[0]
    if group == OLD_GROUP:
        raise ConversionError(
            f"{document.get('kind')} is of group {OLD_GROUP}, whose fields differ; "
            f"write it again for {GROUP}/v1alpha1"
        )
    if group != GROUP:
        return document, []
    notes = _Notes([], keep_unknown)
    return _convert_object(document, notes), notes.sentences


def _convert_list(document: Object, kind: str, items: Sequence[Json]) -> tuple[Object, list[str]]:
    results = [convert_manifest(item) if _is_object(item) else (item, []) for item in items]
    notes = _Notes([sentence for _, sentences in results for sentence in sentences])
    new = {**document, "items": [item for item, _ in results]}
    if kind in KINDS:
        new["kind"] = f"{KINDS[kind]}List"
        notes.add_renamed(f"{kind}List", f"{KINDS[kind]}List")
    return new, notes.sentences


def _convert_object(document: Object, notes: _Notes) -> Object:
    new = dict(document)
    kind = str(document.get("kind"))
    if kind in KINDS:
        notes.add_renamed(f"kind {kind}", KINDS[kind])
        new["kind"] = kind = KINDS[kind]
    metadata = new.get("metadata")
    if _is_object(metadata):
        new["metadata"] = _convert_metadata(metadata, notes)
    if new.pop("status", None) is not None:
        notes.add_dropped("status", "only the control plane writes it")
    schema, spec = _spec_schema(kind), new.get("spec")
    if schema and _is_object(spec):
        move = MOVES.get(kind)
        spec = move(spec, notes) if move else spec
        new["spec"] = _rename_fields(spec, schema, "spec", notes)
    return new


def _convert_metadata(metadata: Object, notes: _Notes) -> Object:
    new = {key: value for key, value in metadata.items() if key not in SERVER_FIELDS}
    if len(new) != len(metadata):
        written = ", ".join(key for key in metadata if key in SERVER_FIELDS)
        notes.add_dropped(f"metadata ({written})", "only the server writes it")
    if labels := _object_of(metadata.get("labels")):
        new["labels"] = _convert_labels(labels, notes)
    finalizers = _list_of(metadata.get("finalizers"))
    kept = [item for item in finalizers if item not in LEGACY_FINALIZERS]
    if len(kept) != len(finalizers):
        new["finalizers"] = kept
        notes.add_dropped("an old finalizer", "nothing would ever remove it")
    return new


def _convert_labels(labels: Object, notes: _Notes) -> Object:
    new: dict[str, Json] = {}
    for key, value in labels.items():
        if key.startswith(SELECTOR_LABELS):
            notes.add_dropped(f"label {key}", "selectors no longer need labels on the workload")
            continue
        if LABELS.get(key) in labels:
            notes.add_replaced(f"label {key}", LABELS[key])
            continue
        if key in LABELS:
            notes.add_renamed(f"label {key}", LABELS[key])
        new[LABELS.get(key, key)] = value
    return new


def _convert_workload(spec: Object, notes: _Notes) -> Object:
    new = dict(spec)
    data, selector = spec.get("data"), spec.get("deviceSelector")
    if _is_object(data) and "paths" in data:
        egress = list(_list_of(data.get("egress")))
        egress += [path for path in _list_of(data["paths"]) if path not in egress]
        rest = {key: value for key, value in data.items() if key != "paths"}
        new["data"] = {**rest, "egress": egress}
        notes.add_renamed("spec.data.paths", "spec.data.egress")
    if _is_object(selector):
        new["deviceSelector"] = _convert_selector(selector, notes)
    return new


def _convert_selector(selector: Object, notes: _Notes) -> Object:
    new = dict(selector)
    if labels := _object_of(selector.get("matchLabels")):
        new["matchLabels"] = _convert_labels(labels, notes)
    if expressions := _list_of(selector.get("matchExpressions")):
        new["matchExpressions"] = [_convert_expression(item, notes) for item in expressions]
    return new


def _convert_expression(item: Json, notes: _Notes) -> Json:
    key = _object_of(item).get("key")
    if not isinstance(key, str) or key not in LABELS:
        return item
    notes.add_renamed(f"label {key}", LABELS[key])
    return {**_object_of(item), "key": LABELS[key]}


def _convert_playbooks(spec: Object, notes: _Notes) -> Object:
    """Move timeouts into each playbook."""
    job = spec.get("edgePlaybook")
    if not _is_object(job):
        return spec
    common = job.get("timeoutSeconds")
    books = [_convert_playbook(book, common, notes) for book in _list_of(job.get("playbooks"))]
    new = {key: value for key, value in job.items() if key != "timeoutSeconds"}
    if common is not None:
        notes.add_renamed("spec.edgePlaybook.timeoutSeconds", "timeoutSeconds of each playbook")
    return {**spec, "edgePlaybook": {**new, "playbooks": books} if books else new}


def _convert_playbook(book: Json, common: Json, notes: _Notes) -> Json:
    if not _is_object(book):
        return book
    new, options = dict(book), book.get("ansibleOptions")
    if _is_object(options) and "timeoutSeconds" in options:
        rest = {key: value for key, value in options.items() if key != "timeoutSeconds"}
        new["ansibleOptions"] = rest
        common = options["timeoutSeconds"]
        notes.add_renamed("ansibleOptions.timeoutSeconds", "timeoutSeconds of the playbook")
    if common is not None:
        new.setdefault("timeoutSeconds", common)
    return new


MOVES: dict[str, Callable[[Object, _Notes], Object]] = {
    "EdgeWorkload": _convert_workload,
    "EdgeConfig": _convert_playbooks,
}


def _rename_fields(value: Json, schema: Schema, path: str, notes: _Notes) -> Json:
    """Return the value with snake-case and wire names replaced by those of the schema."""
    if path == "spec.pod" or not schema:
        return value  # Kubernetes' own type, the same in every release; or what is kept unknown
    if path.endswith(".cpu.frequency") and isinstance(value, int | float):
        return f"{value:.2f}"  # MHz; a number in earlier manifests
    if isinstance(value, list) and "items" in schema:
        return [
            _rename_fields(item, _object_of(schema["items"]), f"{path}[{number}]", notes)
            for number, item in enumerate(value)
        ]
    return _rename_fields_of(value, schema, path, notes) if _is_object(value) else value


def _rename_fields_of(value: Object, schema: Schema, path: str, notes: _Notes) -> Object:
    known = _object_of(schema.get("properties"))
    others = schema.get("additionalProperties")
    new: dict[str, Json] = {}
    for key, item in value.items():
        name = key if key in known or others else _current_name(key, value, known, path, notes)
        if name is None:
            continue
        inner, below = _object_of(known.get(name)), notes
        if not inner:
            inner, below = _object_of(others), replace(notes, keep_unknown=False)
        new[name] = _rename_fields(item, inner, f"{path}.{name}", below)
    for name in map(str, _list_of(schema.get("required"))):
        if _object_of(known.get(name)).get("type") == "array":
            new.setdefault(name, [])  # earlier manifests omitted empty lists
    return new


def _current_name(key: str, value: Object, known: Schema, path: str, notes: _Notes) -> str | None:
    """Return the name that a field has by now, None when it is dropped; note either."""
    name = _known_name(key, known)
    if name is None and notes.keep_unknown:
        return key
    if name is None:
        notes.add_dropped(f"{path}.{key}", "no such field exists")
    elif name in value:
        notes.add_replaced(f"{path}.{key}", name)
        return None
    elif name != key:
        notes.add_renamed(f"{path}.{key}", name)
    return name


def _known_name(key: str, known: Schema) -> str | None:
    if (alias := ALIASES.get(key)) and alias in known:
        return alias
    plain = key.replace("_", "").replace("-", "").lower()
    return next((name for name in known if name.lower() == plain), None)


@cache
def _spec_schema(kind: str) -> Schema | None:
    for crd in crds.load():
        if crd["spec"]["names"]["kind"] == kind and crd["spec"]["group"] == GROUP:
            version = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            spec: Schema = version["properties"]["spec"]
            return spec
    return None


def _is_object(value: Json) -> TypeGuard[Object]:
    return isinstance(value, dict)


def _object_of(value: Json) -> Object:
    """Return an object, an empty one for anything else, which is then kept as written."""
    return value if _is_object(value) else {}


def _list_of(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []
