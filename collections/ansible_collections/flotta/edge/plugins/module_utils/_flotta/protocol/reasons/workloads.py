# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/workloads.py: change that.
"""Reasons of a workload on a device, as the worker and the Edge API report them."""

from __future__ import annotations

from ...protocol.reasons.reason import Rows, Workload

DEPLOYING = Rows()
PULLING = DEPLOYING.add(
    "Pulling",
    Workload("`Deploying`", "–"),
    "The worker downloads an image, or waits for its turn: at most two workloads "
    "download or start at a time. A download may take up to two hours.",
    "Wait. Check the device's network connection and the size of the image.",
)
STARTING = DEPLOYING.add(
    "Starting",
    Workload("`Deploying`", "–"),
    "systemd starts the pod, or the worker waits for its turn.",
    "Wait. If it does not end: `journalctl -u flotta-device-worker` on the device.",
)
INITIALIZING = DEPLOYING.add(
    "Initializing",
    Workload("`Deploying`", "–"),
    "An init container runs, which the message names. It may take any time.",
    "Wait. If it does not end, read its log on the device: `podman logs WORKLOAD_init-CONTAINER`.",
)
STOPPING = DEPLOYING.add(
    "Stopping",
    Workload("`Deploying`", "–"),
    "The previous pod of this name is being stopped.",
    "Wait. A container has the pod's grace period to exit.",
)

IMAGES = Rows()
IMAGE_PULL_FAILED = IMAGES.add(
    "ImagePullFailed",
    Workload("`Error`", "yes"),
    "podman could not download an image; the message is podman's.",
    "Check the name of the image, the network and DNS of the device, and for a "
    "private registry `spec.imageRegistries` ([Pull from a private "
    "registry](../how-to/run-workloads.md#pull-from-a-private-registry)). Try it on "
    "the device: `podman pull IMAGE`.",
)
IMAGE_NEVER_PULL = IMAGES.add(
    "ImageNeverPull",
    Workload("`Error`", "yes"),
    "The image is not on the device and `imagePullPolicy` is `Never`.",
    "Load the image on the device (`podman load`), or choose `IfNotPresent`.",
)

EXITS = Rows()
CRASH_LOOP_BACK_OFF = EXITS.add(
    "CrashLoopBackOff",
    Workload("`Error`, `Degraded` if other containers run", "yes"),
    "A container exited three times or more within ten minutes. After five exits within a minute "
    "the worker [keeps it from running](device.md#crash-loops) for 10 seconds at first, later for "
    "up to 5 minutes; its pod, if no other container of it runs.",
    "Read the container's log on the device: `podman logs WORKLOAD-CONTAINER`. The "
    "message has the last exit code and the last lines of the log.",
)
CONTAINER_RESTARTED = EXITS.add(
    "ContainerRestarted",
    Workload("`Running`, `Degraded`", "–"),
    "A container exited once or twice within the last ten minutes and runs again.",
    "If it happens again, read the container's log on the device: `podman logs "
    "WORKLOAD-CONTAINER`. The reason disappears after ten minutes.",
)
UNHEALTHY = EXITS.add(
    "Unhealthy",
    Workload("`Running`, `Degraded`; `Exited` for restartPolicy `Never`", "yes"),
    "The [liveness or startup probe](device.md#probes) of a container failed within the last ten "
    "minutes, so the worker ended the container. The message names the probe and its cause.",
    "Read the container's log on the device: `podman logs WORKLOAD-CONTAINER`. If the container "
    "only needs more time, give it a `startupProbe` or a longer `timeoutSeconds`.",
)
CONTAINERS_NOT_READY = EXITS.add(
    "ContainersNotReady",
    Workload("`Running`", "–"),
    "The pod runs, and a container has not passed its [startup or readiness "
    "probe](device.md#probes). The message names the container and the cause.",
    "Wait, or read the container's log on the device: `podman logs WORKLOAD-CONTAINER`.",
)
CONTAINER_FAILED = EXITS.add(
    "ContainerFailed",
    Workload("`Exited`, `Degraded`, `Stopped`, `Error`", "no, with the phase `Error` after 30 s"),
    "A container exited with a code other than 0 and is not restarted, because of the"
    " pod's `restartPolicy`; with the phase `Error`, the whole pod ended and is started again. The "
    "message has the last lines of the container's log.",
    "Read the container's log; change the workload to run it again.",
)
COMPLETED = EXITS.add(
    "Completed",
    Workload("`Exited`", "–"),
    "Every container exited with code 0. This is not a failure.",
    "Nothing.",
)

EVICTED = EXITS.add(
    "Evicted",
    Workload("`Error`", "yes; with `restartPolicy: Never` not"),
    "An `emptyDir` on disk took more than its `sizeLimit`. The worker stopped the pod and emptied "
    "its `emptyDir` volumes; it starts again after 10 seconds at first, later after up to 5 "
    "minutes.",
    "Raise `sizeLimit`, or let the program remove what it does not need.",
)

STARTS = Rows()
HOST_PORT_IN_USE = STARTS.add(
    "HostPortInUse",
    Workload("`Error`", "yes"),
    "A `hostPort` of the pod is taken on the device, by another workload or program.",
    "Choose another `hostPort`, or free the port: `ss -tlnp` on the device.",
)
CONTAINER_START_FAILED = STARTS.add(
    "ContainerStartFailed",
    Workload("`Error`", "yes"),
    "The container runtime could not start a container, often because the command "
    "does not exist in the image or is for another architecture.",
    "Check `command`, `args` and the platform of the image.",
)
INIT_CONTAINER_FAILED = STARTS.add(
    "InitContainerFailed",
    Workload("`Error`", "yes, not with `restartPolicy: Never`"),
    "An init container exited with a code other than 0 or could not be started; the pod waits for "
    "it. It runs again after 10 seconds at first, later after up to 5 minutes.",
    "Read its log on the device: `podman logs WORKLOAD_init-CONTAINER`.",
)
POST_START_HOOK_FAILED = STARTS.add(
    "PostStartHookFailed",
    Workload("`Error`", "yes, not with `restartPolicy: Never`"),
    "The `postStart` hook of a container failed, so the pod is stopped.",
    "Run the command of the hook in the container: `podman exec WORKLOAD-CONTAINER COMMAND`.",
)
CREATE_CONTAINER_CONFIG_ERROR = STARTS.add(
    "CreateContainerConfigError",
    Workload("`Error`", "yes"),
    "A container with `runAsNonRoot` would run as root, or its image names a user of whom the "
    "device cannot tell.",
    "Set `runAsUser` to another number than 0, or build the image with a numeric `USER`.",
)
POD_START_FAILED = STARTS.add(
    "PodStartFailed",
    Workload("`Error`", "yes"),
    "podman could not start the pod for another reason, which the message quotes.",
    "Follow the message; the journal of the pod's unit has more.",
)

SPECIFICATION = Rows()
INVALID_SPECIFICATION = SPECIFICATION.add(
    "InvalidSpecification",
    Workload("`Error`", "no"),
    "The pod specification has no containers, a container without a name or image, a "
    "volume path outside its volume, a [name that is not allowed](device.md#the-pod) on a "
    "device, or a value of an unexpected type.",
    "Correct `spec.pod.spec` of the EdgeWorkload.",
)
UNSUPPORTED_FIELD = SPECIFICATION.add(
    "UnsupportedField",
    Workload("`Error`, or the phase of an older pod that runs on", "no"),
    "The pod has a field that the device's podman does not carry out, and the worker neither. The "
    "message has the path of the field and what to write instead.",
    "Do what the message says. [Fields of a pod](pod-fields.md) has all fields.",
)
INVALID_NAME = SPECIFICATION.add(
    "InvalidName",
    Workload("`Error`", "no"),
    "The workload's name is not a DNS-1123 name, or is longer than 100 characters.",
    "Create the EdgeWorkload under another name.",
)

REFERENCES = Rows()
MISCONFIGURATION = REFERENCES.add(
    "Misconfiguration",
    Workload("`Error`", "yes, when the objects change"),
    "The workload refers to a Secret, ConfigMap or key that does not exist or cannot "
    "be used, or has a [field that no device carries out](pod-fields.md), so the Edge "
    "API does not deliver it, and a device that runs it [keeps the version that it "
    "has](control-plane.md#broken-references). The other workloads of the device are "
    "delivered.",
    "Create what the message names, in the namespace of the EdgeWorkload, or make the"
    " reference `optional`. If the message begins with a field, do what it says.",
)
SECRET_NOT_FOUND = REFERENCES.add(
    "SecretNotFound",
    Workload("`Error`", "no"),
    "The configuration that the device received does not contain a Secret or a key "
    "that the pod needs. `Misconfiguration` normally comes first.",
    "Check the reference and the keys of the Secret.",
)
CONFIG_MAP_NOT_FOUND = REFERENCES.add(
    "ConfigMapNotFound",
    Workload("`Error`", "no"),
    "The configuration that the device received does not contain a ConfigMap or a key"
    " that the pod needs.",
    "Check the reference and the keys of the ConfigMap.",
)
INVALID_SECRET = REFERENCES.add(
    "InvalidSecret",
    Workload("`Error`", "no"),
    "A Secret's data cannot be decoded, a key cannot be the name of a file, or a value for "
    "an environment variable is not text (UTF-8 without NUL).",
    "Correct the key; mount binary values as a volume instead.",
)
INVALID_CONFIG_MAP = REFERENCES.add(
    "InvalidConfigMap",
    Workload("`Error`", "no"),
    "A key of a ConfigMap cannot be the name of a file, or a value for an environment "
    "variable is not text (UTF-8 without NUL).",
    "Correct the key; mount binary values as a volume instead.",
)

DEVICE_ERRORS = Rows()
DISK_FAILURE = DEVICE_ERRORS.add(
    "DiskFailure",
    Workload("`Error`", "after 10 seconds"),
    "The device could not write the workload's files; the message comes from the operating system.",
    "Check the free space and the mounts of the device: `df -h /var/lib/flotta /var/local`.",
)
DISK_RESERVE_REACHED = DEVICE_ERRORS.add(
    "DiskReserveReached",
    Workload("`Error`", "yes"),
    "An image is not pulled because it would leave less free disk space than [the "
    "reserve](device.md#free-disk-space).",
    "Free space on the device ([The disk of a device is "
    "full](../how-to/troubleshoot.md#the-disk-of-a-device-is-full)).",
)
SYSTEMD_FAILURE = DEVICE_ERRORS.add(
    "SystemdFailure",
    Workload("`Error`", "yes"),
    "systemd did not reload its units.",
    "`systemctl daemon-reload` on the device shows the cause.",
)
INTERNAL_ERROR = DEVICE_ERRORS.add(
    "InternalError",
    Workload("`Error`", "after 30 seconds"),
    "A bug in the worker.",
    "Report it with the journal of `flotta-device-worker`.",
)
FAILED = DEVICE_ERRORS.add(
    "Failed",
    Workload("`Error`", "–"),
    "The device reported a failure without a reason of its own. It occurs in Events.",
    "Read the message; look at the device's journal.",
)

DATA = Rows()
DATA_SYNC_FAILED = DATA.add(
    "DataSyncFailed",
    Workload(
        "any; the pod is not affected", "yes, up to 5 minutes apart, a single file up to 30 minutes"
    ),
    "Files of the workload are not synchronised. A reason of the pod takes "
    "precedence, so it may be hidden.",
    "The message ends with the code of the cause: see the next table.",
)

SECTIONS = (
    DEPLOYING,
    IMAGES,
    EXITS,
    STARTS,
    SPECIFICATION,
    REFERENCES,
    DEVICE_ERRORS,
    DATA,
)
