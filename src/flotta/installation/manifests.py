"""Everything that an installation consists of, in the order in which it is applied. No I/O."""

from __future__ import annotations

from typing import Any

from flotta.installation import names
from flotta.installation.configuration import render_config_maps, render_secrets
from flotta.installation.deployments import render_deployments
from flotta.installation.metadata import new_object
from flotta.installation.networking import render_optional_objects, render_service
from flotta.installation.rbac import render_rbac
from flotta.installation.settings import Installation

Object = dict[str, Any]


def render_objects(installation: Installation) -> list[Object]:
    """Return all objects but the CRDs; the same installation gives the same objects."""
    return [
        render_namespace(installation),
        *render_rbac(installation),
        *render_secrets(installation),
        render_service(installation),
        *render_config_maps(installation),
        *render_deployments(installation),
        *render_optional_objects(installation),
    ]


def render_namespace(installation: Installation) -> Object:
    """Return the Namespace, which lets in only pods without special rights."""
    level = "pod-security.kubernetes.io/enforce"
    return new_object(
        installation,
        "v1",
        "Namespace",
        installation.namespace,
        names.FIELD_MANAGER,
        namespace=None,
        labels={level: "restricted"},
    )
