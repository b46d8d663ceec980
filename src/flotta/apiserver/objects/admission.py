"""From a decoded body to an object that can be stored: kind, metadata, schema, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flotta.apiserver.errors import (
    Cause,
    CauseLike,
    bad_request,
    invalid,
    invalid_value,
    wrong_type,
)
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.objects.metadata import head_first
from flotta.apiserver.objects.metadata_rules import find_finalizer_warnings, validate_metadata
from flotta.apiserver.objects.options import WriteOptions
from flotta.apiserver.registry import Registry, ServedResource

FieldPolicy = Callable[[list[str]], list[str]]


def check_head(
    obj: JsonObject, resource: ServedResource, registry: Registry, *, patch: bool = False
) -> None:
    """Check apiVersion and kind of a body; core kinds may omit them."""
    if resource.custom:
        _check_custom_head(obj, resource, patch=patch)
        return
    kind = obj.setdefault("kind", resource.kind) or resource.kind
    version = obj.setdefault("apiVersion", resource.api_version) or resource.api_version
    if (version, kind) != (resource.api_version, resource.kind):
        known = registry.of_kind(str(version), str(kind))  # both may be anything
        wrong = known.kind if known else kind
        raise bad_request(
            f"the body is a {wrong} of {version}, not a {resource.kind} of {resource.api_version}"
        )
    obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind


def _check_custom_head(obj: JsonObject, resource: ServedResource, *, patch: bool) -> None:
    kind = obj.get("kind")
    if not kind or not isinstance(kind, str):
        raise wrong_type("kind", kind, resource.kind)
    version = obj.get("apiVersion") or ""
    if version != resource.api_version and not patch:
        raise bad_request(f"apiVersion must be {resource.api_version}, not {version}")
    wanted = {"apiVersion": resource.api_version, "kind": resource.kind}
    causes = [
        invalid_value(field, obj.get(field), f"must be {value}")
        for field, value in wanted.items()
        if obj.get(field) != value
    ]
    if causes:
        raise invalid(kind, resource.group, _name(obj), causes)


def _name(obj: JsonObject) -> str:
    meta = obj.get("metadata")
    return str(meta.get("name", "")) if isinstance(meta, dict) else ""


def check_location(obj: JsonObject, namespace: str, name: str) -> None:
    """Compare metadata.namespace and metadata.name with the URL; set an absent namespace.

    The metadata must be decoded. An empty `name` means that the URL has none.
    """
    meta = obj["metadata"]
    if meta.get("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if namespace:
        meta["namespace"] = namespace
    if name and not meta.get("name"):
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: "
            "name must be provided"
        )
    if name and meta["name"] != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )


def _ignore_unknown(_unknown: list[str]) -> list[str]:
    return []


def admit_object(
    obj: JsonObject,
    resource: ServedResource,
    old: JsonObject | None,
    causes: Iterable[CauseLike] = (),
    subresource: str = "",
    field_policy: FieldPolicy = _ignore_unknown,
) -> tuple[JsonObject, list[str]]:
    """Prune, default and validate an object with decoded metadata.

    At a subresource only the errors in that part count, and of an update (`old` is the stored
    object) only those in what it changes. `field_policy` gets the paths of the
    fields that were pruned, and raises an error or returns warnings about them.
    Returns the object and the warnings; raises a 422 StatusError with every cause.
    """
    found: list[CauseLike] = [*causes, *validate_metadata(obj, resource, old)]
    admitted = resource.schema.admit(obj, subresource, found, old)
    warnings = [*field_policy(list(admitted.unknown)), *admitted.warnings]
    clean = head_first(admitted.obj)
    found += admitted.causes
    if not admitted.causes:
        resource.normalize(clean, old)
        found += resource.validate(clean, old)
    if found:
        error = invalid(resource.kind, resource.group, _name(clean), found)
        error.warnings = warnings
        raise error
    return clean, warnings


def describe_field_problems(unknown: Iterable[str], duplicates: Iterable[str]) -> list[str]:
    """Return sentences about fields that a strict decoder refuses, sorted by path."""
    found = [(path, f'unknown field "{path}"') for path in unknown]
    found += [(path, f'duplicate field "{path}"') for path in duplicates]
    return [text for _, text in sorted(found)]


def apply_field_validation(problems: list[str], options: WriteOptions, *, patch: bool) -> list[str]:
    """Refuse (Strict), drop (Ignore) or return as warnings (default) these problems (KEP-2885)."""
    if options.validation == "Ignore" or not problems:
        return []
    if options.validation != "Strict":
        return problems
    text = f"strict decoding error: {', '.join(problems)}"
    if patch:
        raise invalid("", "", "", [Cause("FieldValueInvalid", text, "patch")])
    raise bad_request(text)


def find_warnings(obj: JsonObject, resource: ServedResource, subresource: str = "") -> list[str]:
    """Return the warnings about an object that is accepted; a subresource is not its spec."""
    own = [] if subresource else resource.find_warnings(obj)
    return [*find_finalizer_warnings(obj), *own]
