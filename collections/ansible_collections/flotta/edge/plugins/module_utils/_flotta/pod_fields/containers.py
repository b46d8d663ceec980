# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/containers.py: change that.
"""Rows of the fields of containers, relative to an entry of `containers`."""

from __future__ import annotations

from ..pod_fields.field import (
    Field,
    PodmanVersion,
    Refusal,
    emulated,
    honoured,
    ignored_before,
    out_of_range,
    refused,
)
from ..pod_fields.values import (
    EMPTY,
    FALSE,
    NUMBERS_OF_USERS,
    between,
    keys_matching,
    matching,
    one_of,
)

FIELD_PATHS = matching(
    r"metadata\.(name|namespace|uid)|metadata\.(labels|annotations)\['.*'\]"
    r"|spec\.nodeName|status\.(hostIP|podIP)",
    "`metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels['KEY']`, "
    "`metadata.annotations['KEY']`, `spec.nodeName`, `status.hostIP`, `status.podIP`",
)
RESOURCE_NAMES = matching(
    r"(limits|requests)\.(cpu|memory|ephemeral-storage)",
    "`limits` and `requests` of `cpu`, `memory` and `ephemeral-storage`",
)

ONLY_V1 = Refusal("only v1 exists", "remove it, or write v1", one_of("", "v1"))
SCHEMES = Refusal("this scheme does not exist", "use HTTP or HTTPS", one_of("", "HTTP", "HTTPS"))
COUNTS = out_of_range(between(0, (1 << 31) - 1))  # of seconds and attempts
NO_MESSAGE = "podman keeps no message of a container that ends"
READ_LOG = "remove it, and read the log with podman logs on the device"
MAX_PROBE_GRACE = 3600  # seconds

PROCESS = (
    honoured("{name,image,workingDir,tty}"),
    emulated(
        "imagePullPolicy",
        "The worker pulls, so that a pod starts without a network.",
        Refusal(
            "this policy does not exist",
            "use Always, IfNotPresent or Never",
            one_of("", "Always", "IfNotPresent", "Never"),
        ),
    ),
    emulated("{command,args}", "With `$(VAR)` replaced as in Kubernetes."),
    refused(
        "{stdin,stdinOnce}",
        "podman gives a container of a pod no standard input",
        "remove it, and set tty for a program that needs a terminal",
        FALSE,
    ),
    emulated("env[].{name,value}", "With `$(VAR)` replaced as in Kubernetes."),
    emulated("env[].valueFrom.{configMapKeyRef,secretKeyRef}.{name,key,optional}", ""),
    emulated("envFrom[].prefix", ""),
    emulated("envFrom[].{configMapRef,secretRef}.{name,optional}", ""),
    emulated("env[].valueFrom.fieldRef.apiVersion", "", ONLY_V1),
    emulated(
        "env[].valueFrom.fieldRef.fieldPath",
        "",
        Refusal("a device does not know this field", "remove the variable", FIELD_PATHS),
    ),
    emulated("env[].valueFrom.resourceFieldRef.{containerName,divisor}", ""),
    emulated(
        "env[].valueFrom.resourceFieldRef.resource",
        "Without a limit, what the device has.",
        Refusal("a device does not know this resource", "remove the variable", RESOURCE_NAMES),
    ),
    refused(
        "env[].valueFrom.fileKeyRef",
        "podman does not read variables from files",
        "use configMapKeyRef or secretKeyRef",
    ),
    honoured(
        "ports[].{containerPort,hostIP,hostPort,protocol}",
        "A port without hostPort is not published.",
    ),
    emulated("ports[].name", "Probes may use it."),
)

LIFE = (
    refused(
        "restartPolicy",
        "podman has one restartPolicy for a pod",
        "set restartPolicy of the pod, or use another EdgeWorkload",
        one_of(""),
    ),
    refused(
        "restartPolicyRules",
        "podman has one restartPolicy for a pod",
        "set restartPolicy of the pod, or use another EdgeWorkload",
        EMPTY,
    ),
    refused("terminationMessagePath", NO_MESSAGE, READ_LOG, one_of("", "/dev/termination-log")),
    refused("terminationMessagePolicy", NO_MESSAGE, READ_LOG, one_of("", "File")),
    emulated("lifecycle.{postStart,preStop}.exec.command", "By the pod's unit."),
    emulated("lifecycle.{postStart,preStop}.sleep.seconds", "By the pod's unit."),
    emulated(
        "lifecycle.{postStart,preStop}.httpGet.{host,httpHeaders[].name,httpHeaders[].value,"
        "path,port}",
        "By the pod's unit.",
    ),
    emulated("lifecycle.{postStart,preStop}.httpGet.scheme", "", SCHEMES),
    refused(
        "lifecycle.{postStart,preStop}.tcpSocket",
        "Kubernetes does not carry it out either",
        "use exec",
    ),
    refused(
        "lifecycle.stopSignal",
        "podman takes it from the image",
        "set STOPSIGNAL in the image, or send the signal in preStop",
        one_of(""),
    ),
)

PROBES = (
    emulated("{livenessProbe,readinessProbe,startupProbe}.exec.command", ""),
    emulated("{livenessProbe,readinessProbe,startupProbe}.grpc.{port,service}", ""),
    emulated("{livenessProbe,readinessProbe,startupProbe}.tcpSocket.{host,port}", ""),
    emulated(
        "{livenessProbe,readinessProbe,startupProbe}.httpGet.{host,httpHeaders[].name,"
        "httpHeaders[].value,path,port}",
        "",
    ),
    emulated(
        "{livenessProbe,readinessProbe,startupProbe}.httpGet.scheme",
        "Certificates are not verified, as in Kubernetes.",
        SCHEMES,
    ),
    emulated(
        "{livenessProbe,readinessProbe,startupProbe}.{initialDelaySeconds,periodSeconds,"
        "timeoutSeconds,failureThreshold}",
        "With Kubernetes' defaults.",
        COUNTS,
    ),
    emulated("readinessProbe.successThreshold", "With Kubernetes' default.", COUNTS),
    emulated(
        "{livenessProbe,startupProbe}.successThreshold",
        "",
        Refusal("only 1 is possible, as in Kubernetes", "remove it, or write 1", one_of(0, 1)),
    ),
    emulated(
        "{livenessProbe,startupProbe}.terminationGracePeriodSeconds",
        "Default: that of the pod.",
        out_of_range(between(1, MAX_PROBE_GRACE)),
    ),
    refused(
        "readinessProbe.terminationGracePeriodSeconds",
        "a readiness probe stops nothing",
        "remove it",
    ),
)

SECURITY = (
    honoured("securityContext.{allowPrivilegeEscalation,privileged}"),
    honoured(
        "securityContext.readOnlyRootFilesystem",
        "With podman from 4.4 on, `/run`, `/tmp` and `/var/tmp` stay writable.",
    ),
    honoured("securityContext.{runAsGroup,runAsUser}", "", out_of_range(NUMBERS_OF_USERS)),
    honoured("securityContext.capabilities.{add,drop}"),
    emulated("securityContext.runAsNonRoot", "The worker asks the image for its user."),
    honoured(
        "securityContext.procMount",
        "",
        ignored_before(PodmanVersion(4, 7), one_of("", "Default")),
        Refusal(
            "this kind of mount does not exist",
            "use Default or Unmasked",
            one_of("", "Default", "Unmasked"),
        ),
    ),
)
# The pod has them too, for all of its containers.
PROFILES = (
    honoured("securityContext.seLinuxOptions.{level,role,type,user}", "On devices with SELinux."),
    emulated(
        "securityContext.seccompProfile.localhostProfile",
        "A file in `/var/lib/kubelet/seccomp` of the device.",
        Refusal(
            "podman finds profiles in one directory only",
            "name a file in /var/lib/kubelet/seccomp of the device",
            matching(r"[^/]*", "names of files"),
        ),
    ),
    emulated(
        "securityContext.seccompProfile.type",
        "By the annotations that podman reads. Default: podman's own profile.",
        Refusal(
            "this type does not exist",
            "use RuntimeDefault, Unconfined or Localhost",
            one_of("", "RuntimeDefault", "Unconfined", "Localhost"),
        ),
    ),
    refused(
        "securityContext.appArmorProfile.localhostProfile",
        "podman does not read profiles of pods",
        "use RuntimeDefault",
        one_of(""),
    ),
    honoured(
        "securityContext.appArmorProfile.type",
        "podman's own profile.",
        Refusal(
            "podman does not read profiles of pods",
            "use RuntimeDefault",
            one_of("", "RuntimeDefault"),
        ),
    ),
    refused(
        "securityContext.windowsOptions.{gmsaCredentialSpec,gmsaCredentialSpecName,hostProcess,"
        "runAsUserName}",
        "devices run Linux",
        "remove it",
    ),
)

RESOURCES = (
    honoured(
        "resources.limits",
        "`cpu` and `memory`; from podman 5.4 on also CDI devices (`VENDOR/CLASS=NAME`).",
        Refusal(
            "podman has no limit of this resource",
            "use cpu and memory only",
            keys_matching(r"cpu|memory|.+=.+", "`cpu`, `memory`, CDI devices"),
        ),
        Refusal(
            "podman before 5.4 ignores CDI devices",
            "mount the device file with a hostPath volume, or install podman 5.4 or later",
            keys_matching(r"cpu|memory", "`cpu`, `memory`"),
            before=PodmanVersion(5, 4),
        ),
    ),
    honoured(
        "resources.requests",
        "`memory` is what the kernel leaves the container when memory is short. `cpu` reserves "
        "nothing: nothing is scheduled on a device.",
        Refusal(
            "podman reserves nothing of this resource",
            "use cpu and memory only",
            keys_matching(r"cpu|memory", "`cpu`, `memory`"),
        ),
    ),
    refused(
        "resources.claims",
        "a device has no resource drivers",
        "mount the device file with a hostPath volume",
        EMPTY,
    ),
    refused(
        "resizePolicy",
        "changed resources always mean a new pod",
        "remove it",
        EMPTY,
    ),
)

MOUNTS = (
    honoured("volumeMounts[].{name,readOnly}"),
    honoured(
        "volumeMounts[].mountPath",
        "A mount at `/export` is replaced by the workload's own directory.",
        Refusal(
            "podman reads options after a colon",
            "choose a path without a colon",
            matching("[^:]*", "paths without a colon"),
        ),
    ),
    emulated("volumeMounts[].{subPath,subPathExpr}", ""),
    honoured(
        "volumeMounts[].mountPropagation",
        "",
        Refusal(
            "this propagation does not exist",
            "use None, HostToContainer or Bidirectional",
            one_of("", "None", "HostToContainer", "Bidirectional"),
        ),
    ),
    refused(
        "volumeMounts[].recursiveReadOnly",
        "podman does not mount read-only recursively",
        "remove it, or write Disabled",
        one_of("", "Disabled"),
    ),
    refused(
        "volumeDevices",
        "podman has no volumes that are block devices",
        "mount the device file with a hostPath volume of type BlockDevice",
        EMPTY,
    ),
)

CONTAINERS: tuple[Field, ...] = (
    *PROCESS,
    *LIFE,
    *PROBES,
    *SECURITY,
    *PROFILES,
    *RESOURCES,
    *MOUNTS,
)

# Instead of rows above, for entries of `initContainers`.
ONLY_REGULAR = "an init container ends before the others start"
INIT_CONTAINERS: tuple[Field, ...] = (
    refused(
        "restartPolicy",
        "podman has no sidecar containers",
        "move the container to containers",
        one_of(""),
    ),
    refused("{livenessProbe,readinessProbe,startupProbe,lifecycle}", ONLY_REGULAR, "remove it"),
    refused(
        "ports[].hostPort", "ports of init containers are not published", "remove it", one_of(0)
    ),
)
