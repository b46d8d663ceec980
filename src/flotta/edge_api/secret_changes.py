"""What becomes of a secret that somebody asks the Edge API to fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flotta.edge_api.backends.backend import StoredSecret


@dataclass(frozen=True)
class SecretChange:
    """The data that a secret gets, and what is wrong with it; no data: it is removed."""

    data: Mapping[str, bytes] | None
    problem: str = ""


def change_if_new(
    secret: StoredSecret, data: Mapping[str, bytes], problem: str = ""
) -> SecretChange | None:
    """Return the change to this data and problem, None where a secret has both already."""
    if dict(data) == dict(secret.data) and problem == secret.problem:
        return None
    return SecretChange(data, problem)
