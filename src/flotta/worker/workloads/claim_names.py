"""Names of podman's volumes that stand for persistent volume claims.

A claim belongs to its namespace, so its volume is `flotta.NAMESPACE.CLAIM`: a namespace has no
full stop, which makes the name unique. Releases before this one gave a volume the claim's bare
name; those that stood then keep it, so that no data is moved.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from flotta.dns1123 import is_subdomain
from flotta.worker.workloads.pod_spec import invalid_specification

PREFIX = "flotta"
DEFAULT_NAMESPACE = "default"  # of a message that names none
MAX_CLAIM = 180  # characters: podman's name of the volume is the name of a directory


@dataclass(frozen=True)
class ClaimNames:
    """Which volume stands for which claim.

    `standing` are the volumes that keep a claim's bare name, in `namespace` alone.
    """

    namespace: str = ""
    standing: Set[str] = frozenset()

    def volume_of(self, namespace: str, claim: str) -> str:
        """Return podman's name of a claim's volume.

        Raises WorkloadError InvalidSpecification for a claim whose name Kubernetes would refuse.
        """
        namespace = namespace or DEFAULT_NAMESPACE
        if claim in self.standing and namespace == (self.namespace or namespace):
            return claim
        if not is_subdomain(claim) or len(claim) > MAX_CLAIM:
            raise invalid_specification(
                f"the claim name {claim[:80]!r} is not a DNS-1123 name of at most {MAX_CLAIM} "
                "characters"
            )
        return f"{PREFIX}.{namespace}.{claim}"
