"""`$(NAME)` in commands, arguments, variables and paths, replaced by Kubernetes' rules.

Rules: the type Container of the API `core/v1`, fields `args`, `command` and `env`, and
k8s.io/kubernetes/third_party/forked/golang/expansion. `$$` is a dollar sign, so `$$(NAME)` stays
`$(NAME)`; what has no value stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from flotta.worker.pod_unit.plan import HOST_ADDRESS, POD_ADDRESS
from flotta.worker.workloads.pod_spec import invalid_specification

# A dollar sign consumes the character after it, whatever it is: `$x$(A)` refers to A.
# Characters: the kernel gives no process a longer variable or argument (execve(2), MAX_ARG_STRLEN).
MAX_EXPANDED = 128 * 1024
REFERENCE = re.compile(r"\$(?:\((?P<name>[^)]*)\)|(?P<escaped>\$)|(?P<other>.))", re.DOTALL)


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its references replaced, those without a value unchanged.

    Raises WorkloadError InvalidSpecification for one that becomes longer than a process can be
    given: a few variables that refer to each other twice would fill the memory.
    """
    return _expand(text, lambda name: values.get(name, f"$({name})"))


def expand_all(text: str, values: Mapping[str, str]) -> str:
    """Return a path with its references replaced.

    Raises WorkloadError InvalidSpecification for a variable that does not exist, or that is an
    address, which is known only when the pod starts.
    """

    def find(name: str) -> str:
        value = values.get(name)
        if value is None:
            raise invalid_specification(
                f"{text[:80]!r} refers to the variable {name[:80]!r}, which does not exist"
            )
        if HOST_ADDRESS in value or POD_ADDRESS in value:
            raise invalid_specification(
                f"{text[:80]!r} refers to {name[:80]!r}, an address that is known too late for a "
                "path; use another field of the pod"
            )
        return value

    return _expand(text, find)


def _expand(text: str, find: Callable[[str], str]) -> str:
    left = MAX_EXPANDED

    def replace(match: re.Match[str]) -> str:
        nonlocal left
        if match["name"] is None:
            return "$" if match["escaped"] else match[0]
        value = find(match["name"])
        left -= len(value)
        if left < 0:
            raise invalid_specification(
                f"{text[:80]!r} has more than {MAX_EXPANDED} characters with its variables"
            )
        return value

    return REFERENCE.sub(replace, text)
