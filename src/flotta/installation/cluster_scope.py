"""Which control plane of a cluster the objects without a namespace belong to."""

from __future__ import annotations

from collections.abc import Collection

from flotta.installation import kinds, names
from flotta.installation.apply import Applier, is_ours
from flotta.installation.errors import InstallationError
from flotta.own_names import EDGE_API, OPERATOR
from flotta.resources.kinds import CONFIG_MAP


async def find_other_namespace(applier: Applier, namespace: str) -> str:
    """Return the namespace of another control plane that has permissions in the whole cluster.

    Empty if there is none. An Edge API with a remote data store has no such permissions, so a
    cluster may have several, beside one control plane that does. Raises InstallationError.
    """
    for program in names.COMPONENT_PROGRAMS.values():
        binding = await applier.get_or_none(kinds.CLUSTER_ROLE_BINDING, program)
        if binding is None or not is_ours(binding):
            continue
        for subject in binding.get("subjects") or ():
            found = subject.get("namespace", "")
            if found != namespace:
                return found
    return ""


async def refuse_deletion_of_fleet(
    applier: Applier, namespace: str, programs: Collection[str]
) -> None:
    """Raise InstallationError if the fleet is not that of what is uninstalled with its data.

    `programs` are those that are uninstalled. There is one fleet in a cluster, of the only control
    plane with an operator; an Edge API with a data store of its own has none of it.
    """
    other = await find_other_namespace(applier, namespace)
    if other:
        raise InstallationError(
            f"The devices and workloads in this cluster are those of the control plane in "
            f"namespace {other}, so they are not deleted and nothing was changed; "
            f"{_remedy(namespace)}"
        )
    backend = await _read_backend(applier, namespace)
    has_operator = await applier.exists(kinds.DEPLOYMENT, OPERATOR, namespace)
    if backend == "remote" and not has_operator:
        raise InstallationError(
            f"The Edge API in namespace {namespace} has a data store of its own and no operator, "
            "so devices and workloads in this cluster are not its own. They are not deleted and "
            f"nothing was changed; {_remedy(namespace)}"
        )
    if backend == "crd" and EDGE_API not in programs:
        raise InstallationError(
            f"The Edge API in namespace {namespace} serves the devices and workloads that "
            "delete_data would delete. Nothing was changed; set components to [edge_api, "
            "operator] to uninstall both, or leave out delete_data"
        )


def _remedy(namespace: str) -> str:
    return (
        f"set components to [edge_api] to uninstall what is in namespace {namespace}, or leave "
        "out delete_data"
    )


async def _read_backend(applier: Applier, namespace: str) -> str:
    """Return where the Edge API of the namespace has its devices, empty without an Edge API."""
    if not await applier.exists(kinds.DEPLOYMENT, EDGE_API, namespace):
        return ""
    config = await applier.get_or_none(CONFIG_MAP, names.EDGE_API_CONFIG, namespace)
    return (config.get("data") or {}).get("BACKEND", "crd") if config else "crd"
