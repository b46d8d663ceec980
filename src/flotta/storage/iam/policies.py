"""The bucket that a policy document opens.

The embedded server knows one permission: everything in one bucket. A policy must say that in the
terms of AWS; any other policy is refused, so that none is applied in part.
"""

from __future__ import annotations

import json
from typing import TypeVar, cast

from flotta.storage.aws import PolicyDocument, Statement
from flotta.storage.bucket_names import is_bucket_name

FIELDS = frozenset({"Sid", "Effect", "Action", "Resource"})
NEEDED = frozenset({"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"})
EVERYTHING = "s3:*"
PREFIX = "arn:aws:s3:::"
Item = TypeVar("Item")


class BadPolicy(ValueError):
    """The document does not allow access to one whole bucket; the text is a sentence."""


def find_bucket(document: str) -> str:
    """Return the only bucket that the policy allows access to; raises BadPolicy."""
    try:
        # A client may send anything: a document of another form raises one of the errors below.
        policy = cast("PolicyDocument", json.loads(document))
        statements = _as_list(policy["Statement"])
        actions = {action for statement in statements for action in _list_actions(statement)}
        buckets = {bucket for statement in statements for bucket in _list_buckets(statement)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, BadPolicy):
            raise
        raise BadPolicy("the policy document is not a policy") from error
    if len(buckets) != 1:
        raise BadPolicy("a policy of this server must name exactly one bucket")
    if EVERYTHING not in actions and not actions >= NEEDED:
        raise BadPolicy(f"a policy of this server must allow {', '.join(sorted(NEEDED))}")
    return buckets.pop()


def _list_actions(statement: Statement) -> list[str]:
    if statement["Effect"] != "Allow" or not set(statement) <= FIELDS:
        raise BadPolicy("a policy of this server may contain only Allow, Action and Resource")
    return _as_list(statement["Action"])


def _list_buckets(statement: Statement) -> list[str]:
    return [_parse_bucket(resource) for resource in _as_list(statement["Resource"])]


def _parse_bucket(resource: str) -> str:
    name = resource.removeprefix(PREFIX).removesuffix("/*")
    if not resource.startswith(PREFIX) or not is_bucket_name(name):
        raise BadPolicy(f"{resource!r} is not a bucket: use {PREFIX}NAME or {PREFIX}NAME/*")
    return name


def _as_list(value: Item | list[Item]) -> list[Item]:
    return value if isinstance(value, list) else [value]
