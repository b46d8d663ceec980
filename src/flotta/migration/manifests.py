"""Bring manifests of earlier Project Flotta releases to the kinds and fields of today.

The API drops fields that it does not know, so an old manifest would lose its settings in silence.
Here they are moved to where they belong, and each change is told as a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flotta.resources import crds
from flotta.resources.finalizers import LEGACY_FINALIZERS
from flotta.resources.kinds import GROUP, MEMBER_LABEL

Object = dict[str, Any]

OLD_GROUP = "management.k4e.io"
KINDS = {
    "EdgeDeployment": "EdgeWorkload",
    "WorkloadDeployment": "EdgeWorkload",
    "EdgeDeviceGroup": "EdgeDeviceSet",
}
LABELS = {"flotta/configured-by": MEMBER_LABEL}
HELPER_LABELS = "selector/"  # what v0.2 wrote on workloads to find them again
# What a server wrote into an object that was read from it; a new server would refuse it.
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
    """The manifest cannot be converted; the message says what to do."""


@dataclass
class _Notes:
    """Collects sentences about one object."""

    sentences: list[str]

    def add_renamed(self, old: str, new: str) -> None:
        self.sentences.append(f"{old} is called {new} now")

    def add_dropped(self, what: str, why: str) -> None:
        self.sentences.append(f"{what} is left out: {why}")


def convert_manifest(document: Object) -> tuple[Object, list[str]]:
    """Return the manifest as it is written today and a sentence for each change.

    Objects of other groups, and new manifests, come back equal and without a sentence. Raises
    ConversionError for a group that has no counterpart.
    """
    if document.get("kind", "").endswith("List") and isinstance(document.get("items"), list):
        return _convert_list(document)
    group = str(document.get("apiVersion", "")).rpartition("/")[0]
    if group == OLD_GROUP:
        raise ConversionError(
            f"{document.get('kind')} is of group {OLD_GROUP}, whose fields differ; "
            f"write it anew for {GROUP}/v1alpha1"
        )
    if group != GROUP:
        return document, []
    notes = _Notes([])
    return _convert_object(document, notes), notes.sentences


def _convert_list(document: Object) -> tuple[Object, list[str]]:
    results = [convert_manifest(item) for item in document["items"]]
    notes = _Notes([sentence for _, sentences in results for sentence in sentences])
    kind = document["kind"].removesuffix("List")
    new = {**document, "items": [item for item, _ in results]}
    if kind in KINDS:
        new["kind"] = f"{KINDS[kind]}List"
        notes.add_renamed(document["kind"], new["kind"])
    return new, notes.sentences


def _convert_object(document: Object, notes: _Notes) -> Object:
    new = dict(document)
    kind = document.get("kind", "")
    if kind in KINDS:
        new["kind"] = KINDS[kind]
        notes.add_renamed(f"kind {kind}", new["kind"])
    if "metadata" in new:
        new["metadata"] = _convert_metadata(new["metadata"] or {}, notes)
    if new.pop("status", None) is not None:
        notes.add_dropped("status", "only the control plane writes it")
    schema = _spec_schema(new["kind"])
    if schema and isinstance(new.get("spec"), dict):
        spec = MOVES.get(new["kind"], _keep_spec)(new["spec"], notes)
        new["spec"] = _rename_fields(spec, schema, "spec", notes)
    return new


def _convert_metadata(metadata: Object, notes: _Notes) -> Object:
    new = {key: value for key, value in metadata.items() if key not in SERVER_FIELDS}
    if len(new) != len(metadata):
        written = ", ".join(key for key in metadata if key in SERVER_FIELDS)
        notes.add_dropped(f"metadata ({written})", "only the server writes it")
    if metadata.get("labels"):
        new["labels"] = _convert_labels(metadata["labels"], notes)
    kept = [item for item in metadata.get("finalizers") or () if item not in LEGACY_FINALIZERS]
    if len(kept) != len(metadata.get("finalizers") or ()):
        new["finalizers"] = kept
        notes.add_dropped("an old finalizer", "nobody would ever remove it")
    return new


def _convert_labels(labels: Object, notes: _Notes) -> Object:
    new: Object = {}
    for key, value in labels.items():
        if key.startswith(HELPER_LABELS):
            notes.add_dropped(f"label {key}", "selectors need no labels on the workload any more")
            continue
        if key in LABELS:
            notes.add_renamed(f"label {key}", LABELS[key])
        new[LABELS.get(key, key)] = value
    return new


def _keep_spec(spec: Object, _: _Notes) -> Object:
    return spec


def _convert_workload(spec: Object, notes: _Notes) -> Object:
    new = dict(spec)
    data = spec.get("data")
    if isinstance(data, dict) and "paths" in data:
        egress = list(data.get("egress") or ())
        egress += [path for path in data["paths"] or () if path not in egress]
        rest = {key: value for key, value in data.items() if key != "paths"}
        new["data"] = {**rest, "egress": egress}
        notes.add_renamed("spec.data.paths", "spec.data.egress")
    if isinstance(spec.get("deviceSelector"), dict):
        new["deviceSelector"] = _convert_selector(spec["deviceSelector"], notes)
    return new


def _convert_selector(selector: Object, notes: _Notes) -> Object:
    new = dict(selector)
    if selector.get("matchLabels"):
        new["matchLabels"] = _convert_labels(selector["matchLabels"], notes)
    expressions = []
    for item in selector.get("matchExpressions") or ():
        key = item.get("key")
        if key in LABELS:
            notes.add_renamed(f"label {key}", LABELS[key])
        expressions.append({**item, "key": LABELS[key]} if key in LABELS else item)
    if expressions:
        new["matchExpressions"] = expressions
    return new


def _convert_playbooks(spec: Object, notes: _Notes) -> Object:
    """Move time-outs to where they are read: into each playbook."""
    job = spec.get("edgePlaybook")
    if not isinstance(job, dict):
        return spec
    common = job.get("timeoutSeconds")
    books = [_convert_playbook(book, common, notes) for book in job.get("playbooks") or ()]
    new = {key: value for key, value in job.items() if key != "timeoutSeconds"}
    if common is not None:
        notes.add_renamed("spec.edgePlaybook.timeoutSeconds", "timeoutSeconds of each playbook")
    return {**spec, "edgePlaybook": {**new, "playbooks": books} if books else new}


def _convert_playbook(book: Object, common: Any, notes: _Notes) -> Object:
    new, options = dict(book), book.get("ansibleOptions")
    if isinstance(options, dict) and "timeoutSeconds" in options:
        rest = {key: value for key, value in options.items() if key != "timeoutSeconds"}
        new["ansibleOptions"] = rest
        common = options["timeoutSeconds"]
        notes.add_renamed("ansibleOptions.timeoutSeconds", "timeoutSeconds of the playbook")
    if common is not None:
        new.setdefault("timeoutSeconds", common)
    return new


MOVES = {"EdgeWorkload": _convert_workload, "EdgeConfig": _convert_playbooks}


def _rename_fields(value: Any, schema: Mapping[str, Any], path: str, notes: _Notes) -> Any:
    """Return the value with snake-case and wire names replaced by those of the schema."""
    if path == "spec.pod":
        return value  # Kubernetes' own, and so in every release
    if path.endswith(".cpu.frequency") and isinstance(value, int | float):
        return f"{value:.2f}"  # MHz; a number in earlier manifests
    if isinstance(value, list) and "items" in schema:
        return [
            _rename_fields(item, schema["items"], f"{path}[{number}]", notes)
            for number, item in enumerate(value)
        ]
    return _rename_fields_of(value, schema, path, notes) if isinstance(value, dict) else value


def _rename_fields_of(value: Object, schema: Mapping[str, Any], path: str, notes: _Notes) -> Object:
    known: Mapping[str, Any] = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    new: Object = {}
    for key, item in value.items():
        name = key if key in known or others else _known_name(key, known)
        if name is None:
            notes.add_dropped(f"{path}.{key}", "there is no such field")
            continue
        if name != key:
            notes.add_renamed(f"{path}.{key}", name)
        new[name] = _rename_fields(item, known.get(name) or others or {}, f"{path}.{name}", notes)
    for name in schema.get("required") or ():
        if known.get(name, {}).get("type") == "array":
            new.setdefault(name, [])  # earlier manifests left empty lists out
    return new


def _known_name(key: str, known: Mapping[str, Any]) -> str | None:
    if ALIASES.get(key) in known:
        return ALIASES[key]
    plain = key.replace("_", "").replace("-", "").lower()
    return next((name for name in known if name.lower() == plain), None)


@cache
def _spec_schema(kind: str) -> Mapping[str, Any] | None:
    for crd in crds.load():
        if crd["spec"]["names"]["kind"] == kind and crd["spec"]["group"] == GROUP:
            version = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            spec: Mapping[str, Any] = version["properties"]["spec"]
            return spec
    return None
