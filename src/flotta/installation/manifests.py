"""All objects of an installation, in the order in which they are applied. No I/O."""

from __future__ import annotations

from flotta.installation import names
from flotta.installation.admission_policies import render_admission_policies
from flotta.installation.configuration import render_config_maps, render_secrets
from flotta.installation.deployments import render_deployments
from flotta.installation.metadata import new_object
from flotta.installation.networking import render_optional_objects, render_services
from flotta.installation.rbac import render_rbac
from flotta.installation.settings import Installation
from flotta.resources.kinds import NAMESPACE
from flotta.resources.objects.core import Namespace
from flotta.resources.objects.meta import Resource


def render_objects(installation: Installation) -> list[Resource]:
    """Return all objects but the CRDs; the same installation gives the same objects."""
    return [
        render_namespace(installation),
        *render_prerequisites(installation),
        *render_admission_policies(installation),
        *render_services(installation),
        *render_programs(installation),
    ]


def render_prerequisites(installation: Installation) -> list[Resource]:
    """Return what the programs need and what does not depend on the address for devices."""
    return [*render_rbac(installation), *render_secrets(installation)]


def render_programs(installation: Installation) -> list[Resource]:
    """Return the programs with their settings, which contain the addresses of the Service."""
    return [
        *render_config_maps(installation),
        *render_deployments(installation),
        *render_optional_objects(installation),
    ]


def render_namespace(installation: Installation) -> Namespace:
    """Return the Namespace, which admits only pods of the Pod Security level restricted."""
    level = "pod-security.kubernetes.io/enforce"
    return new_object(
        installation,
        NAMESPACE,
        installation.namespace,
        names.FIELD_MANAGER,
        labels={level: "restricted"},
    )
