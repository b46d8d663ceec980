"""EdgeWorkloads that went with their CustomResourceDefinition, after it was created again.

Nobody removed these workloads, but a new, empty definition says nothing of them. So a device that
is older than the definition gets its configuration only after it has shown, once, that it would
keep what it runs (docs/reference/control-plane.md#objects-that-go-with-their-namespace).
"""

from __future__ import annotations

from flotta.resources.changes import change_metadata
from flotta.resources.deletion_scope import CLOCK_SKEW, Definition, creation_time
from flotta.resources.kinds import GROUP, WITHHELD_ANNOTATION
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.meta import MergePatch
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import annotations_of, status_of

# Of an EdgeDevice: the UID of the last definition for which its configuration was withheld.
REVIEWED_ANNOTATION = f"{GROUP}/reviewed-crd-uid"


def reviewed_for(device: EdgeDevice) -> str:
    """Return the UID of the definition for which a device was withheld last, "" for none."""
    return annotations_of(device).get(REVIEWED_ANNOTATION, "")


def outlived_definition(device: EdgeDevice, definition: Definition | None) -> bool:
    """Tell whether the workloads of a device may have gone with an earlier definition.

    Not of a device that never reported: it runs nothing yet.
    """
    if definition is None or not status_of(device).get("lastSeenTime"):
        return False
    made = creation_time(device)
    if definition.created is None or made is None or made > definition.created:
        return False  # of two in the same second, nobody knows which was first
    return reviewed_for(device) != definition.uid


def may_precede(workload: EdgeWorkload, definition: Definition | None) -> bool:
    """Tell whether a cached EdgeWorkload may be one of an earlier definition."""
    made = creation_time(workload)
    if definition is None or definition.created is None or made is None:
        return False
    return made <= definition.created + CLOCK_SKEW


def withhold_for(definition: Definition) -> MergePatch:
    """Return the patch that withholds the configuration of a device for this definition."""
    return change_metadata(
        {"annotations": {WITHHELD_ANNOTATION: "true", REVIEWED_ANNOTATION: definition.uid}}
    )
