"""Seccomp profiles of a pod, in the annotations by which podman knows them.

podman reads no field of a profile, in any release up to 5.4, but the annotations that Kubernetes
had before version 1.19 (docs/reference/pod-fields.md#security-of-a-container).
"""

from __future__ import annotations

from collections.abc import Mapping

from flotta.worker.workloads.pod_spec import PodSpec, list_containers

OF_POD = "seccomp.security.alpha.kubernetes.io/pod"
OF_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"  # and its name


def list_seccomp_annotations(spec: PodSpec) -> dict[str, str]:
    """Return the annotations of the profiles that pod and containers ask for."""
    wanted = {OF_POD: _read_profile(spec)}
    for container in list_containers(spec):
        wanted[OF_CONTAINER + container["name"]] = _read_profile(container)
    return {key: profile for key, profile in wanted.items() if profile}


def _read_profile(holder: Mapping[str, object]) -> str:
    """Return podman's words for the profile in a `securityContext`, empty for none."""
    context = holder.get("securityContext")
    profile = context.get("seccompProfile") if isinstance(context, Mapping) else None
    if not isinstance(profile, Mapping):
        return ""
    match profile.get("type"):
        case "Unconfined":
            return "unconfined"
        case "RuntimeDefault":
            return "runtime/default"
        case "Localhost":
            return f"localhost/{profile.get('localhostProfile') or ''}"
        case _:
            return ""
