"""What controllers are made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flotta.operator.runtime.caches import Caches
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from flotta.storage.provisioner import Provisioner


@dataclass(frozen=True)
class Context:
    """The API, its caches, and what the administrator set.

    A controller asks `caches` for every kind that it reads. Without a `provisioner`, bucket claims
    are left to other provisioners.
    """

    client: Client
    caches: Caches
    settings: Settings
    provisioner: Provisioner | None = None


def utc_now() -> datetime:
    """Return the current time, for which a plan is made."""
    return datetime.now(UTC)
