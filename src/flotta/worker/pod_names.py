"""Names of pods that podman takes for the beginning of an id.

Where no pod has the name `db`, podman (4.3 and 5.4) takes another one whose id begins with it:
`podman pod rm -f db` removes that pod, and so do `podman play kube --replace` and `--down` with a
manifest of the pod `db`. A pod that has the name is found first. So one without containers is made
before. podman 5.4 removes twice with `--replace`, so that does not help there, and such a pod is
removed before it is played.
"""

from __future__ import annotations

import re

HEXADECIMAL = re.compile(r"[0-9a-f]{1,64}")


def is_like_id(pod: str) -> bool:
    """Tell whether podman may take a name for the beginning of an id."""
    return bool(HEXADECIMAL.fullmatch(pod))


def make_placeholder(pod: str) -> tuple[str, ...]:
    """Return the command that makes a pod of this name, none for a name that is like no id.

    It fails where the pod exists, which does no harm.
    """
    if not is_like_id(pod):
        return ()
    return ("podman", "pod", "create", "--infra=false", "--name", pod)
