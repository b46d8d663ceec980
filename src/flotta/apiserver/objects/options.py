"""Query parameters and DeleteOptions, checked: dry run (KEP-576), field validation (KEP-2885)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flotta.apiserver.errors import (
    Cause,
    bad_request,
    forbidden_value,
    invalid_options,
    invalid_value,
    required,
    too_long,
    unsupported,
    wrong_type,
)
from flotta.apiserver.json_object import JsonObject

VALIDATIONS = ("", "Ignore", "Strict", "Warn")
POLICIES = ("Foreground", "Background", "Orphan")
MAX_MANAGER = 128  # bytes


# Raises StatusError for a write of this object that its user must not do; None: it is created.
CheckWrite = Callable[[JsonObject, JsonObject | None], None]


@dataclass(frozen=True)
class WriteOptions:
    """Options of create, update and patch, and what the user may write.

    `manager` is never empty.
    """

    manager: str
    validation: str = ""
    dry_run: bool = False
    force: bool = False
    check_write: CheckWrite = lambda _new, _old: None


def write_options(
    query: Mapping[str, str], user_agent: str, kind: str, *, apply: bool = False
) -> WriteOptions:
    """Read the options of a write; `kind` (CreateOptions, …) is their name in a refusal."""
    causes = [*_dry_run_causes(query), *_validation_causes(query), *_manager_causes(query, apply)]
    force = query.get("force", "") in ("true", "1", "True")
    if force and not apply:
        causes.append(forbidden_value("force", "may not be specified for non-apply patch"))
    if causes:
        raise invalid_options(kind, *causes)
    return WriteOptions(
        manager=query.get("fieldManager") or user_agent.partition("/")[0] or "unknown",
        validation=query.get("fieldValidation", ""),
        dry_run="dryRun" in query,
        force=force,
    )


def _dry_run_causes(query: Mapping[str, str]) -> list[Cause]:
    value = query.get("dryRun", "All")
    if value == "All":
        return []
    return [unsupported("dryRun", f'["{value}"]', ("All",))]


def _validation_causes(query: Mapping[str, str]) -> list[Cause]:
    value = query.get("fieldValidation", "")
    if value in VALIDATIONS:
        return []
    return [unsupported("fieldValidation", f'"{value}"', VALIDATIONS)]


def _manager_causes(query: Mapping[str, str], apply: bool) -> list[Cause]:
    manager = query.get("fieldManager", "")
    if apply and not manager:
        return [required("fieldManager", "is required for apply patch")]
    if len(manager.encode()) > MAX_MANAGER:
        return [too_long("fieldManager", MAX_MANAGER)]
    if not manager.isprintable():
        text = "should only contain printable characters"
        return [invalid_value("fieldManager", manager, text)]
    return []


@dataclass(frozen=True)
class DeleteOptions:
    """Options of a delete; `policy` is Background, Foreground or Orphan."""

    policy: str = "Background"
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


# The fields of DeleteOptions by their types, but gracePeriodSeconds, which has a rule of its own.
DELETE_TYPES: tuple[tuple[str, type, str], ...] = (
    ("kind", str, "a string"),
    ("apiVersion", str, "a string"),
    ("propagationPolicy", str, "a string"),
    ("orphanDependents", bool, "true or false"),
    ("preconditions", dict, "an object"),
    ("dryRun", list, "a list of strings"),
)
ACCEPTED_VERSIONS = {"", "v1", "meta.k8s.io/v1"}


def delete_options(query: Mapping[str, str], body: JsonObject, api_version: str) -> DeleteOptions:
    """Read DeleteOptions from body and query, as Kubernetes merges them."""
    _check_delete_types(body)
    _check_delete_kind(body, api_version)
    grace = body.get("gracePeriodSeconds")
    if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int)):
        raise wrong_type("gracePeriodSeconds", grace, "a whole number")
    policy = body.get("propagationPolicy") or query.get("propagationPolicy")
    orphan = body.get("orphanDependents")
    if orphan is None and "orphanDependents" in query:
        orphan = query["orphanDependents"] == "true"
    _check_policy(policy, orphan)
    if orphan:
        policy = "Orphan"
    preconditions = body.get("preconditions") or {}
    dry_run = body.get("dryRun") or ([query["dryRun"]] if "dryRun" in query else [])
    if dry_run not in ([], ["All"]):
        shown = ", ".join(f'"{value}"' for value in dry_run)
        raise invalid_options("DeleteOptions", unsupported("dryRun", f"[{shown}]", ("All",)))
    return DeleteOptions(
        policy=policy or "Background",
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=bool(dry_run),
    )


def _check_delete_types(body: JsonObject) -> None:
    """Refuse fields that no DeleteOptions can be decoded from, with a 400."""
    for name, kind, what in DELETE_TYPES:
        if not isinstance(body.get(name), kind | None):
            raise wrong_type(name, body[name], what)
    preconditions = body.get("preconditions") or {}
    for name in ("uid", "resourceVersion"):
        if not isinstance(preconditions.get(name), str | None):
            raise wrong_type(f"preconditions.{name}", preconditions[name], "a string")


def _check_delete_kind(body: JsonObject, api_version: str) -> None:
    kind = body.get("kind", "")
    if kind not in ("", "DeleteOptions"):
        raise bad_request(
            f'the body of a delete request cannot have the kind "{kind}"; '
            "send DeleteOptions or nothing"
        )
    if body.get("apiVersion", "") not in ACCEPTED_VERSIONS | {api_version}:
        raise bad_request(f'DeleteOptions of version "{body["apiVersion"]}" are not supported')


def _check_policy(policy: Any, orphan: Any) -> None:
    if policy is not None and orphan is not None:
        why = "orphanDependents and propagationPolicy cannot be both set"
        raise invalid_options("DeleteOptions", invalid_value("propagationPolicy", policy, why))
    if policy is not None and policy not in POLICIES:
        cause = unsupported("propagationPolicy", f'"{policy}"', POLICIES)
        raise invalid_options("DeleteOptions", cause)


def parse_integer(query: Mapping[str, str], name: str) -> int | None:
    """Return an integer parameter; None when absent, 400 when it is not one."""
    text = query.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
        raise wrong_type(name, text, "a whole number of at most 18 digits")
    return int(text)


def parse_version(text: str) -> int | None:
    """Return a resourceVersion as a number; None if it is not one that this server gives."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else None
