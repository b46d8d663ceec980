# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
"""Objects of our kinds as users write them in a task: `spec` with the fields of the kind, or `definition` as in a manifest.

1. Fields that the user did not write are never sent: Ansible gives each suboption a value, None for one that is not given.
2. A field or label that was written as null stays null here. It removes it where a module merges. In elements of lists, which
   replace those that an object has, it is dropped.
3. Text that holds a dictionary, as in JSON, is the same as the dictionary.
4. Names of earlier releases are replaced before Ansible checks the names of `spec`, and each gives a warning.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.validation import check_type_dict
from ansible_collections.flotta.edge.plugins.module_utils import _resource_api as api
from ansible_collections.flotta.edge.plugins.module_utils._labels import (
    label_changes,
    with_label_values,
)

try:
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.migration.manifests import (
        Json,
        convert_manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import Kind
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.names import (
        check_name,
        check_namespace,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.objects.meta import (
        Manifest,
    )
    from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.views import (
        annotations_of,
        labels_of,
        spec_of,
    )
except api.UNUSABLE as error:
    api.import_errors.append(error)  # api.run() says so

T = TypeVar("T")

MANIFEST_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "labels": {"type": "dict"},
    "definition": {"type": "dict"},
}
KEYS = ("apiVersion", "kind", "metadata", "spec", "status")  # of an object
METADATA = ("name", "namespace", "labels", "annotations")  # what the modules set of it
GROUP_VERSION = "management.project-flotta.io/v1alpha1"


@dataclass(frozen=True)
class ManifestParameters:
    """The parameters of MANIFEST_SPEC, and `spec`, before they are put together to a `Wanted`."""

    name: str | None
    namespace: str | None
    labels: Mapping[str, Json] | None
    spec: Mapping[str, Json] | None
    definition: Mapping[str, Json] | None


@dataclass(frozen=True)
class Wanted:
    """An object as a user wants it: None removes a label or annotation; `spec` is None when the user says nothing about it."""

    name: str
    namespace: str
    labels: dict[str, str | None]
    annotations: dict[str, str | None]
    spec: dict[str, Any] | None

    @property
    def metadata_patch(self) -> Manifest:
        """The merge patch of the metadata."""
        return {"labels": self.labels, "annotations": self.annotations}

    def part_of(self, obj: Any) -> Manifest:
        """Return what the task can change of an object of the kind, as a diff shows it."""
        found = annotations_of(obj)
        annotations = {key: found[key] for key in self.annotations if key in found}
        shown = {"annotations": annotations} if self.annotations else {}
        return {"labels": labels_of(obj), **shown, "spec": spec_of(obj)}


class ManifestModule(AnsibleModule):
    """A module that takes objects of one kind, such as `EdgeDevice`."""

    def __init__(self, kind_name: str, spec: Mapping[str, Any], **arguments: Any) -> None:
        """Take `spec`, the suboptions of that option, and what AnsibleModule takes."""
        self.kind_name = kind_name
        self.given_spec: Json = None  # with current names and labels as text
        self.old_names: list[str] = []  # sentences
        self.problem: ValueError | None = None
        self.spec_option = {"type": "dict", "options": spec}
        # What is missing here cannot replace old names: api.run() continues in a Python that can, or says so.
        checked = {"type": "dict"} if api.import_errors else self.spec_option
        own = {**api.CONNECTION_SPEC, **api.WAIT_SPEC, **MANIFEST_SPEC, "spec": checked}
        super().__init__(  # type: ignore[no-untyped-call, unused-ignore]
            argument_spec={**own, **arguments.pop("argument_spec", {})},
            mutually_exclusive=[("spec", "definition")],
            required_one_of=[("name", "definition")],
            supports_check_mode=True,
            **arguments,
        )

    def _load_params(self) -> None:
        """Read the parameters, and replace old names before Ansible looks for unknown ones."""
        super()._load_params()  # type: ignore[no-untyped-call, unused-ignore]
        spec = parsed(self.params.get("spec"), self.spec_option)
        if isinstance(spec, Mapping) and not api.import_errors:
            try:
                self.given_spec = self._with_current_names(spec)
                self.params["spec"] = without_nulls(self.given_spec)  # null is in no choices
            except ValueError as error:
                self.problem = error  # it can fail only once it knows how to answer

    def _with_current_names(self, spec: Mapping[str, Json]) -> Json:
        names = {"apiVersion": GROUP_VERSION, "kind": self.kind_name}
        document: Mapping[str, Json] = {**names, "spec": spec}
        new, self.old_names = convert_manifest(document, keep_unknown=True)
        converted = parsed(new["spec"], self.spec_option)  # of a field with an old name
        return with_label_values(converted) if isinstance(converted, Mapping) else converted

    def parameters(self, class_: Callable[..., T]) -> T:
        """Return the parameters that do not describe the object, as a dataclass of the module."""
        own = {*MANIFEST_SPEC, "spec"}
        return class_(**{name: value for name, value in self.params.items() if name not in own})

    def wanted(self, kind: Kind[Any]) -> Wanted:
        """Return what the parameters ask for.

        Raises ValueError with a sentence for a label that is not a text, and for a `definition` of another object.
        """
        if self.problem:
            raise self.problem
        given = ManifestParameters(**{name: self.params[name] for name in (*MANIFEST_SPEC, "spec")})
        document, sentences = convert_manifest(_document(kind, given))
        _require_kind(document, kind)
        metadata = _mapping(document["metadata"], "metadata")
        unused = [f"metadata.{key} is not used" for key in metadata if key not in METADATA]
        for sentence in [*self.old_names, *sentences, *unused]:
            self.warn(f"{self.kind_name}: {sentence}")
        spec = keep_given(given.spec, self.given_spec)
        return _put_together(
            given, metadata, spec if given.definition is None else document.get("spec")
        )


def _document(kind: Kind[Any], given: ManifestParameters) -> Mapping[str, Json]:
    """Return the definition with what it leaves out, and the labels of the task."""
    definition = given.definition or {}
    unknown = [key for key in definition if key not in KEYS]
    if unknown:
        raise ValueError(
            f"definition has {', '.join(unknown)}; it may have {', '.join(KEYS[:-1])}."
        )
    given_fields = {key: value for key, value in definition.items() if value is not None}
    metadata = _mapping(definition.get("metadata"), "metadata")
    labels = {**_mapping(metadata.get("labels"), "metadata.labels"), **(given.labels or {})}
    names: Mapping[str, Json] = {"apiVersion": kind.api_version, "kind": kind.kind}
    return {**names, **given_fields, "metadata": {**metadata, "labels": labels}}


def _require_kind(document: Mapping[str, Json], kind: Kind[Any]) -> None:
    """Raise ValueError for an object of another kind or version."""
    found, taken = (
        f"{document['kind']} of {document['apiVersion']}",
        f"{kind.kind} of {kind.api_version}",
    )
    if found != taken:
        raise ValueError(
            f"The kind of definition is {found}, and this module takes {taken}. Use the module of that kind, or leave apiVersion and "
            "kind out."
        )


def _put_together(given: ManifestParameters, metadata: Mapping[str, Json], spec: Json) -> Wanted:
    annotations = _mapping(metadata.get("annotations"), "metadata.annotations")
    return Wanted(
        name=check_name(_only("name", given.name, metadata.get("name"))),
        namespace=check_namespace(
            _only("namespace", given.namespace, metadata.get("namespace"), "default")
        ),
        labels=label_changes(_mapping(metadata["labels"], "metadata.labels")),
        annotations=label_changes(annotations, "annotations"),
        spec=None
        if spec is None
        else without_nulls_in_lists(with_label_values(_mapping(spec, "spec"))),
    )


def parsed(value: Any, option: Mapping[str, Any]) -> Any:
    """Return a value of an option with dictionaries in place of their text, which Ansible parses only when it checks the options.

    Text that is none stays as it is: Ansible says what is wrong with it.
    """
    if option.get("type") == "dict" and isinstance(value, str):
        with contextlib.suppress(TypeError):
            value = check_type_dict(value)
    if isinstance(value, list):
        element = {"type": option.get("elements"), "options": option.get("options")}
        return [parsed(item, element) for item in value]
    options = option.get("options")
    if not isinstance(value, Mapping) or not options:
        return value
    return {key: parsed(item, options.get(key, {})) for key, item in value.items()}


def keep_given(checked: Any, written: Any) -> Any:
    """Return what Ansible made of the parameters, without those that the user did not write, and with the nulls in it."""
    if isinstance(checked, Mapping) and isinstance(written, Mapping):
        return {key: keep_given(checked.get(key), value) for key, value in written.items()}
    if isinstance(checked, list) and isinstance(written, list) and len(checked) == len(written):
        return [keep_given(*pair) for pair in zip(checked, written, strict=True)]
    return without_nulls(checked)  # Ansible made a dictionary of something else


def without_nulls(value: Any) -> Any:
    """Return a part of an object without the fields that are null, at all depths; the API drops them, too."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def without_nulls_in_lists(value: Any) -> Any:
    """Return a part of an object without the fields of elements of lists that are null; a merge patch would send them."""
    if isinstance(value, Mapping):
        return {key: without_nulls_in_lists(item) for key, item in value.items()}
    return without_nulls(value) if isinstance(value, list) else value


def _mapping(value: Json, path: str) -> Mapping[str, Json]:
    """Return a dictionary of `definition`, an empty one for None. Raises ValueError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"definition.{path} is not a dictionary: write it as in a manifest.")
    return value


def _only(option: str, given: str | None, defined: Json, default: str | None = None) -> str:
    """Return a name from the option or from the metadata. Raises ValueError if they differ or both are missing."""
    if given and defined and given != str(defined):  # YAML makes a number of 5
        raise ValueError(
            f"{option} is {given}, and definition.metadata.{option} is {defined}. Leave one of them out."
        )
    found = given or defined or default
    if not found:
        raise ValueError(f"definition.metadata has no {option}: set the option {option}.")
    return str(found)
