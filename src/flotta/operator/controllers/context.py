"""What a controller is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flotta.operator.runtime.caches import Caches
from flotta.operator.settings import Settings
from flotta.resources.client import Client
from flotta.storage.provisioner import Provisioner


@dataclass(frozen=True)
class Context:
    """The API, what is known of it, and what the administrator set.

    A controller asks `caches` for every kind that it reads. Without a `provisioner` bucket claims
    are somebody else's.
    """

    client: Client
    caches: Caches
    settings: Settings
    provisioner: Provisioner | None = None


def utc_now() -> datetime:
    """Return the moment for which a plan is made."""
    return datetime.now(UTC)
