"""ValidatingAdmissionPolicy that warns of workloads whose Secrets go to whoever asks for them.

It says on Kubernetes what `fleet/self_reported.py` says in the embedded engine, operator and
modules: the same rule in CEL, and `tests/contract/test_workload_warnings.py` compares both. It only
warns, and an error in it never keeps a workload from being written.
"""

from __future__ import annotations

from flotta.fleet.self_reported import POSITIVE, PREFIXES
from flotta.installation import kinds
from flotta.installation.metadata import new_object
from flotta.installation.settings import Installation
from flotta.own_names import OPERATOR
from flotta.resources.kinds import EDGE_WORKLOAD
from flotta.resources.objects.meta import Manifest, Resource

NAME = "flotta-self-asserted-labels"
MESSAGE = (
    "Any device of the namespace gets the Secrets of this workload by reporting the labels of its "
    "selector itself; also require a label that an administrator sets"
)

POD = "object.spec.?pod.?spec"  # not a variable: as one, an optional value has no fields


def _is_named(reference: str) -> str:
    """Return the expression that a reference, which may be missing, has a name."""
    return f"{reference}.?name.orValue('') != ''"


def _is_self_reported(key: str) -> str:
    return " || ".join(f"{key}.startsWith('{prefix}')" for prefix in PREFIXES)


# Each may use those before it.
VARIABLES = {
    "labels": "object.spec.?deviceSelector.?matchLabels.orValue({})",
    "expressions": "object.spec.?deviceSelector.?matchExpressions.orValue([])",
    "selfReported": (
        f"variables.labels.exists(key, {_is_self_reported('key')}) || "
        f"variables.expressions.exists(item, {_is_self_reported('item.key')})"
    ),
    "guarded": (
        f"variables.labels.exists(key, !({_is_self_reported('key')})) || "
        f"variables.expressions.exists(item, item.operator in {list(POSITIVE)} && "
        f"!({_is_self_reported('item.key')}))"
    ),
    "containers": (f"{POD}.?initContainers.orValue([]) + {POD}.?containers.orValue([])"),
    "inContainers": (
        "variables.containers.exists(container, "
        "container.?env.orValue([]).exists(item, "
        f"{_is_named('item.?valueFrom.?secretKeyRef')}) || "
        "container.?envFrom.orValue([]).exists(item, "
        f"{_is_named('item.?secretRef')}))"
    ),
    "inVolumes": (
        f"{POD}.?volumes.orValue([]).exists(volume, "
        "volume.?secret.?secretName.orValue('') != '' || "
        "volume.?projected.?sources.orValue([]).exists(item, "
        f"{_is_named('item.?secret')}))"
    ),
    "inRegistries": (
        f"{POD}.?imagePullSecrets.orValue([]).exists(item, "
        "item.?name.orValue('') != '') || "
        f"{_is_named('object.spec.?imageRegistries.?secretRef')}"
    ),
}
GIVES_SECRETS = "(variables.inContainers || variables.inVolumes || variables.inRegistries)"
CHOOSES_ITSELF = (
    "object.spec.?device.orValue('') == '' && variables.selfReported && !variables.guarded"
)


def render_warning_policy(installation: Installation) -> list[Resource]:
    """Return the policy and its binding."""
    policy = new_object(installation, kinds.ADMISSION_POLICY, NAME, OPERATOR)
    policy["spec"] = _spec()
    binding = new_object(installation, kinds.ADMISSION_BINDING, NAME, OPERATOR)
    binding["spec"] = {"policyName": NAME, "validationActions": ["Warn"]}
    return [policy, binding]


def _spec() -> Manifest:
    rule = {
        "apiGroups": [EDGE_WORKLOAD.group],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [EDGE_WORKLOAD.plural],
    }
    expression = f"!({CHOOSES_ITSELF} && {GIVES_SECRETS})"
    return {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [rule]},
        "variables": [{"name": name, "expression": text} for name, text in VARIABLES.items()],
        "validations": [{"expression": expression, "message": MESSAGE}],
    }
