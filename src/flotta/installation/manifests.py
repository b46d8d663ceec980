"""Everything that an installation consists of, in the order in which it is applied. No I/O."""

from __future__ import annotations

from typing import Any

from . import names
from .configuration import config_maps, secrets
from .entrances import options, service
from .labelled import labelled
from .programs import programs
from .rights import rights
from .settings import Installation

Object = dict[str, Any]


def render(installation: Installation) -> list[Object]:
    """Return all objects but the CRDs; the same installation gives the same objects."""
    return [
        namespace(installation),
        *rights(installation),
        *secrets(installation),
        service(installation),
        *config_maps(installation),
        *programs(installation),
        *options(installation),
    ]


def namespace(installation: Installation) -> Object:
    """Return the Namespace, which lets in only pods without special rights."""
    level = "pod-security.kubernetes.io/enforce"
    return labelled(
        installation,
        "v1",
        "Namespace",
        installation.namespace,
        names.FIELD_MANAGER,
        namespace=None,
        labels={level: "restricted"},
    )
