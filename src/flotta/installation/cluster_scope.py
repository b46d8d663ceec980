"""Which control plane of a cluster the objects without a namespace belong to."""

from __future__ import annotations

from flotta.installation import kinds, names
from flotta.installation.apply import Applier, is_ours


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
