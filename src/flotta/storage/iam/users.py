"""Users of the embedded S3 server, in the terms of AWS IAM.

A user is a file `users/<name>.json` in the key directory, with at most one policy and two access
keys. The keys themselves are in the key directory, where the auth proxy reads them; a user's file
names a key from before the key exists until after it is deleted, so every key has an owner.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from flotta.durable_files import write_atomically
from flotta.rfc3339 import format_time
from flotta.storage.access_keys import AccessKey, new_access_key_id, new_secret_key
from flotta.storage.iam.policies import find_bucket
from flotta.storage.key_store import KEY_MODE, drop_key, write_key

MAX_KEYS = 2  # of a user, as at AWS
NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")


class IamError(Exception):
    """The request is refused; `status` is the HTTP status, `code` AWS' name for the cause."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class User:
    """A user: policies by name (documents as text) and access keys by id (times of creation)."""

    name: str
    created: str
    policies: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


class Users:
    """The users of one key directory. The caller runs one method at a time."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys
        self._directory = keys / "users"

    def create(self, name: str) -> User:
        """Create a user; EntityAlreadyExists when the name is taken."""
        if NAME.fullmatch(name) is None:
            raise IamError(400, "ValidationError", f"{name!r} is not a valid user name")
        if self._file_of(name).exists():
            raise IamError(409, "EntityAlreadyExists", f"the user {name} already exists")
        return self._save(User(name, _now()))

    def get(self, name: str) -> User:
        """Return a user; NoSuchEntity when there is none."""
        if NAME.fullmatch(name):
            try:
                return User(**json.loads(self._file_of(name).read_bytes()))
            except FileNotFoundError:
                pass
        raise IamError(404, "NoSuchEntity", f"the user {name!r} does not exist")

    def delete(self, name: str) -> None:
        """Delete a user that has neither policies nor access keys."""
        user = self.get(name)
        if user.policies or user.keys:
            raise IamError(409, "DeleteConflict", "delete policies and access keys first")
        self._file_of(name).unlink()

    def put_policy(self, name: str, policy: str, document: str) -> None:
        """Set the policy of a user; raises BadPolicy unless it allows one whole bucket."""
        user, bucket = self.get(name), find_bucket(document)
        if set(user.policies) - {policy}:
            raise IamError(409, "LimitExceeded", "a user of this server has at most one policy")
        if user.keys and _find_buckets(user.policies.values()) != {bucket}:
            raise IamError(
                409, "DeleteConflict", "delete the access keys before you change the bucket"
            )
        user.policies = {policy: document}
        self._save(user)

    def get_policy(self, name: str, policy: str) -> str:
        """Return a policy document; NoSuchEntity when there is none of this name."""
        try:
            return self.get(name).policies[policy]
        except KeyError as error:
            raise IamError(404, "NoSuchEntity", f"{name} has no policy {policy!r}") from error

    def delete_policy(self, name: str, policy: str) -> None:
        """Remove the policy of a user that has no access keys."""
        self.get_policy(name, policy)
        user = self.get(name)
        if user.keys:
            raise IamError(409, "DeleteConflict", "delete the access keys before their policy")
        user.policies.pop(policy)
        self._save(user)

    def create_key(self, name: str) -> AccessKey:
        """Create an access key for the user's bucket; its secret is not shown again."""
        user = self.get(name)
        if not user.policies:
            raise IamError(
                409, "InvalidInput", "put a policy first: it names the bucket that the key opens"
            )
        if len(user.keys) >= MAX_KEYS:
            raise IamError(409, "LimitExceeded", f"a user has at most {MAX_KEYS} access keys")
        (bucket,) = _find_buckets(user.policies.values())
        key = AccessKey(new_access_key_id(), new_secret_key(), bucket)
        user.keys[key.access_key] = _now()
        self._save(user)
        write_key(self._keys, key)
        return key

    def delete_key(self, name: str, access_key: str) -> None:
        """Revoke an access key of the user."""
        user = self.get(name)
        if access_key not in user.keys:
            raise IamError(404, "NoSuchEntity", f"{name} has no access key {access_key!r}")
        drop_key(self._keys, access_key)
        user.keys.pop(access_key)
        self._save(user)

    def _save(self, user: User) -> User:
        self._directory.mkdir(mode=0o750, exist_ok=True)
        data = json.dumps(asdict(user)).encode()
        write_atomically(self._file_of(user.name), data, KEY_MODE)
        return user

    def _file_of(self, name: str) -> Path:
        return self._directory / f"{name}.json"


def _find_buckets(documents: Iterable[str]) -> set[str]:
    return {find_bucket(document) for document in documents}


def _now() -> str:
    return format_time(datetime.now(UTC))
