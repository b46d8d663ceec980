"""The served resources: core kinds with built-in rules, and every CRD of the package.

Their list is in docs/reference/resource-api.md#kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from flotta.apiserver.core import configmap, event, lease, namespace, secret
from flotta.apiserver.http import columns
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.registry import CORE_VERBS, Registry, ServedResource, warn_of_nothing
from flotta.apiserver.schema.structural import StructuralSchema
from flotta.fleet.self_reported import secrets_warning
from flotta.resources.crds import CustomResourceDefinition
from flotta.resources.kinds import EDGE_WORKLOAD
from flotta.resources.objects.workloads import EdgeWorkload

CORE = (
    ServedResource(
        "",
        "v1",
        "Namespace",
        "namespaces",
        "namespace",
        schema=namespace.SCHEMA,
        openapi=namespace.SCHEMA.openapi,
        namespaced=False,
        custom=False,
        status=True,
        short_names=("ns",),
        columns=columns.NAMESPACE,
        field_labels={"status.phase": ("status", "phase")},
        normalize=namespace.normalize,
        verbs=tuple(verb for verb in CORE_VERBS if verb != "deletecollection"),
    ),
    ServedResource(
        "",
        "v1",
        "Secret",
        "secrets",
        "secret",
        schema=secret.SCHEMA,
        openapi=secret.SCHEMA.openapi,
        custom=False,
        columns=columns.SECRET,
        field_labels={"type": ("type",)},
        normalize=secret.normalize,
        validate=secret.validate,
        find_warnings=secret.find_warnings,
        verbs=CORE_VERBS,
    ),
    ServedResource(
        "",
        "v1",
        "ConfigMap",
        "configmaps",
        "configmap",
        schema=configmap.SCHEMA,
        openapi=configmap.SCHEMA.openapi,
        custom=False,
        short_names=("cm",),
        columns=columns.CONFIG_MAP,
        normalize=configmap.normalize,
        validate=configmap.validate,
        verbs=CORE_VERBS,
    ),
    ServedResource(
        "",
        "v1",
        "Event",
        "events",
        "event",
        schema=event.SCHEMA,
        openapi=event.SCHEMA.openapi,
        custom=False,
        short_names=("ev",),
        columns=columns.EVENT,
        field_labels=event.FIELD_LABELS,
        put_creates=True,
        normalize=event.normalize,
        validate=event.validate,
        verbs=CORE_VERBS,
    ),
    ServedResource(
        "coordination.k8s.io",
        "v1",
        "Lease",
        "leases",
        "lease",
        schema=lease.SCHEMA,
        openapi=lease.SCHEMA.openapi,
        custom=False,
        columns=columns.LEASE,
        put_creates=True,
        normalize=lease.normalize,
        validate=lease.validate,
        verbs=CORE_VERBS,
    ),
)


def _find_workload_warnings(workload: JsonObject) -> list[str]:
    """Return what a ValidatingAdmissionPolicy says on Kubernetes (installation/warning_policy)."""
    warning = secrets_warning(cast("EdgeWorkload", workload))
    return [warning] if warning else []


# By plural and group.
WARNINGS: dict[str, Callable[[JsonObject], list[str]]] = {
    f"{EDGE_WORKLOAD.plural}.{EDGE_WORKLOAD.group}": _find_workload_warnings
}


def _custom_resources(crd: CustomResourceDefinition) -> list[ServedResource]:
    """Return one resource for each served version of a CRD."""
    spec = crd["spec"]
    names = spec["names"]
    return [
        ServedResource(
            spec["group"],
            version["name"],
            names["kind"],
            names["plural"],
            names.get("singular") or names["kind"].lower(),
            schema=StructuralSchema(version["schema"]["openAPIV3Schema"]),
            openapi=version["schema"]["openAPIV3Schema"],
            namespaced=spec["scope"] == "Namespaced",
            status="status" in version.get("subresources", {}),
            short_names=tuple(names.get("shortNames", ())),
            categories=tuple(names.get("categories", ())),
            columns=columns.custom_columns(version.get("additionalPrinterColumns", ())),
            find_warnings=WARNINGS.get(f"{names['plural']}.{spec['group']}", warn_of_nothing),
        )
        for version in spec["versions"]
        if version["served"]
    ]


def build_registry(crds: Iterable[CustomResourceDefinition]) -> Registry:
    """Return the registry of the core kinds and the kinds of these CRDs."""
    return Registry([*CORE, *(resource for crd in crds for resource in _custom_resources(crd))])
