"""Users of the embedded S3 server, in the words of AWS IAM, kept beside their key pairs.

A user is a file `users/<name>.json` in the key directory, with at most one policy and two pairs. The
pairs themselves lie in the key directory, where the auth proxy reads them; a user's file names a
pair before the pair exists and until it is gone, so nothing is ever left without an owner.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..daemon import write_atomically
from ..rfc3339 import format_time
from .keys import KEY_MODE, Key, drop_key, write_key
from .names import new_access_key, new_secret_key
from .policies import bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST_KEYS = 2
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")


class UserError(Exception):
    """The wish cannot be granted; `status` is the HTTP status, `code` as AWS names it."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class User:
    """A user: policies by name (documents as text) and pairs by id (times of creation)."""

    name: str
    created: str
    policies: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


class Users:
    """The users of one key directory. Methods do not overlap: the caller takes one at a time."""

    def __init__(self, keys: Path):
        self._keys = keys
        self._directory = keys / "users"

    def create(self, name: str) -> User:
        """Make a user; EntityAlreadyExists when there is one."""
        if _NAME.fullmatch(name) is None:
            raise UserError(400, "ValidationError", f"{name!r} is no name for a user")
        if self._path(name).exists():
            raise UserError(409, "EntityAlreadyExists", f"the user {name} exists")
        return self._write(User(name, _now()))

    def get(self, name: str) -> User:
        """Return a user; NoSuchEntity when there is none."""
        if _NAME.fullmatch(name):
            try:
                return User(**json.loads(self._path(name).read_bytes()))
            except FileNotFoundError:
                pass
        raise UserError(404, "NoSuchEntity", f"there is no user {name!r}")

    def delete(self, name: str) -> None:
        """Remove a user that has nothing left."""
        user = self.get(name)
        if user.policies or user.keys:
            raise UserError(409, "DeleteConflict", "delete policies and access keys first")
        self._path(name).unlink()

    def put_policy(self, name: str, policy: str, document: str) -> None:
        """Give a user its policy; raises BadPolicy when this is not one whole bucket."""
        user, bucket = self.get(name), bucket_of(document)
        if set(user.policies) - {policy}:
            raise UserError(409, "LimitExceeded", "a user of this server has one policy")
        if user.keys and _buckets(user.policies.values()) != {bucket}:
            raise UserError(409, "DeleteConflict", "delete the access keys before another bucket")
        user.policies = {policy: document}
        self._write(user)

    def policy(self, name: str, policy: str) -> str:
        """Return a policy document; NoSuchEntity when there is none of this name."""
        try:
            return self.get(name).policies[policy]
        except KeyError as error:
            raise UserError(404, "NoSuchEntity", f"{name} has no policy {policy!r}") from error

    def delete_policy(self, name: str, policy: str) -> None:
        """Remove the policy of a user that has no pair any more."""
        self.policy(name, policy)
        user = self.get(name)
        if user.keys:
            raise UserError(409, "DeleteConflict", "delete the access keys before their policy")
        user.policies.pop(policy)
        self._write(user)

    def create_key(self, name: str) -> Key:
        """Make a pair for the user's bucket; its secret is shown this once."""
        user = self.get(name)
        if not user.policies:
            raise UserError(
                409, "InvalidInput", "put a policy first: it says which bucket is opened"
            )
        if len(user.keys) >= MOST_KEYS:
            raise UserError(409, "LimitExceeded", f"a user has {MOST_KEYS} access keys at most")
        (bucket,) = _buckets(user.policies.values())
        key = Key(new_access_key(), new_secret_key(), bucket)
        user.keys[key.access_key] = _now()
        self._write(user)
        write_key(self._keys, key)
        return key

    def delete_key(self, name: str, access_key: str) -> None:
        """Take a pair of the user's away."""
        user = self.get(name)
        if access_key not in user.keys:
            raise UserError(404, "NoSuchEntity", f"{name} has no access key {access_key!r}")
        drop_key(self._keys, access_key)
        user.keys.pop(access_key)
        self._write(user)

    def _write(self, user: User) -> User:
        self._directory.mkdir(mode=0o750, exist_ok=True)
        data: dict[str, Any] = asdict(user)
        write_atomically(self._path(user.name), json.dumps(data).encode(), KEY_MODE)
        return user

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"


def _buckets(documents: Iterable[str]) -> set[str]:
    return {bucket_of(document) for document in documents}


def _now() -> str:
    return format_time(datetime.now(UTC))
