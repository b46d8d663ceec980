# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/pod.py: change that.
"""Rows of the fields of the pod itself: network, namespaces, life and what only a cluster has."""

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
from ..pod_fields.values import EMPTY, FALSE, NUMBERS_OF_USERS, TRUE, between, one_of

NO_SCHEDULER = "a device has no scheduler"
SELECT_DEVICES = "select devices with spec.deviceSelector of the EdgeWorkload"
NO_PRIORITY = "a device evicts no pod for another"
NO_CLUSTER_DNS = "a device has no cluster DNS"
MAX_GRACE = 86400  # seconds

NETWORK = (
    honoured(
        "hostNetwork", "The host name is the device's; with podman before 4.8 the workload's."
    ),
    honoured(
        "hostname",
        "Default: the name of the workload. With hostNetwork, podman from 4.8 on uses the "
        "device's, as Kubernetes does.",
    ),
    honoured("hostAliases[].{ip,hostnames}", "Not with hostNetwork."),
    honoured("dnsConfig.nameservers", "They replace the device's own."),
    honoured(
        "dnsConfig.{searches,options[].name,options[].value}", "They replace the device's own."
    ),
    emulated(
        "dnsPolicy",
        "With `None`, name servers and search domains are those of dnsConfig alone. There is no "
        "cluster DNS, so the others all mean those of the device.",
        Refusal(
            "this policy does not exist",
            "use Default or None",
            one_of("", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        ),
    ),
    refused("hostnameOverride", "podman does not set it", "use hostname", one_of("")),
    refused("subdomain", NO_CLUSTER_DNS, "use hostname", one_of("")),
    refused("setHostnameAsFQDN", NO_CLUSTER_DNS, "write the whole name in hostname", FALSE),
    honoured("enableServiceLinks", "Nothing to carry out: no Services exist on a device."),
)

NAMESPACES = (
    honoured("hostPID", "", ignored_before(PodmanVersion(4, 4), FALSE)),
    honoured("hostIPC", "", ignored_before(PodmanVersion(4, 5), FALSE)),
    honoured("shareProcessNamespace"),
    refused(
        "hostUsers",
        "a pod with users of its own could not write its volumes",
        "remove it",
        TRUE,
    ),
)

LIFE = (
    honoured(
        "restartPolicy",
        "",
        Refusal(
            "this policy does not exist",
            "use Always, OnFailure or Never",
            one_of("", "Always", "OnFailure", "Never"),
        ),
    ),
    emulated(
        "terminationGracePeriodSeconds",
        "The unit stops the pod with it. Default: 10.",
        out_of_range(between(0, MAX_GRACE)),
    ),
    refused(
        "activeDeadlineSeconds",
        "podman does not end a pod after a time",
        "end the program in the container itself, for example with timeout",
    ),
    emulated(
        "imagePullSecrets[].name",
        "Credentials from these Secrets, of the types kubernetes.io/dockerconfigjson and "
        "kubernetes.io/dockercfg, beside those of spec.imageRegistries. A missing Secret is left "
        "out, as in Kubernetes.",
    ),
    honoured(
        "os.name",
        "",
        Refusal("devices run Linux", "remove it, or write linux", one_of("", "linux")),
    ),
)

SECURITY = (
    honoured("securityContext.{runAsUser,runAsGroup}", "", out_of_range(NUMBERS_OF_USERS)),
    honoured("securityContext.supplementalGroups"),
    emulated("securityContext.runAsNonRoot", "The worker asks the image for its user."),
    emulated(
        "securityContext.fsGroup",
        "The group of the pod's volumes and of `/export`.",
        out_of_range(NUMBERS_OF_USERS),
    ),
    emulated(
        "securityContext.fsGroupChangePolicy",
        "",
        Refusal(
            "this policy does not exist",
            "use Always or OnRootMismatch",
            one_of("", "Always", "OnRootMismatch"),
        ),
    ),
    honoured(
        "securityContext.supplementalGroupsPolicy",
        "",
        Refusal(
            "podman always adds the groups of the image",
            "remove it, or write Merge",
            one_of("", "Merge"),
        ),
    ),
    honoured("securityContext.sysctls", "", ignored_before(PodmanVersion(4, 5), EMPTY)),
    honoured("securityContext.sysctls[].{name,value}"),
    refused(
        "securityContext.seLinuxChangePolicy",
        "podman does not relabel volumes of pods",
        "remove it",
        one_of(""),
    ),
)

CLUSTER = (
    refused("nodeName", NO_SCHEDULER, "name the device in spec.device", one_of("")),
    refused("nodeSelector", NO_SCHEDULER, SELECT_DEVICES, EMPTY),
    refused("affinity.{nodeAffinity,podAffinity,podAntiAffinity}", NO_SCHEDULER, SELECT_DEVICES),
    refused("topologySpreadConstraints", NO_SCHEDULER, SELECT_DEVICES, EMPTY),
    honoured(
        "tolerations[].{effect,key,operator,tolerationSeconds,value}",
        "Nothing to carry out: devices have no taints.",
    ),
    refused("schedulerName", NO_SCHEDULER, "remove it", one_of("", "default-scheduler")),
    refused("schedulingGates", NO_SCHEDULER, SELECT_DEVICES, EMPTY),
    refused("schedulingGroup.podGroupName", NO_SCHEDULER, SELECT_DEVICES),
    refused("priorityClassName", NO_PRIORITY, "remove it", one_of("")),
    refused("preemptionPolicy", NO_PRIORITY, "remove it", one_of("", "PreemptLowerPriority")),
    refused("priority", NO_PRIORITY, "remove it", one_of(0)),
    refused("overhead", NO_SCHEDULER, "remove it", EMPTY),
    refused(
        "runtimeClassName",
        "podman runs every pod with the OCI runtime of its configuration",
        "set the runtime in containers.conf of the device",
        one_of(""),
    ),
    refused(
        "{serviceAccountName,serviceAccount}",
        "a device has no Kubernetes API and gives no tokens",
        "remove it, and give the pod a Secret if it needs credentials",
        one_of("", "default"),
    ),
    refused(
        "automountServiceAccountToken",
        "a device has no Kubernetes API and gives no tokens",
        "remove it, and give the pod a Secret if it needs credentials",
        FALSE,
    ),
    refused(
        "readinessGates",
        "nothing sets conditions of pods on a device",
        "use a readinessProbe",
        EMPTY,
    ),
    refused(
        "resourceClaims",
        "a device has no resource drivers",
        "mount the device file with a hostPath volume",
        EMPTY,
    ),
    refused(
        "resources.{claims,limits,requests}",
        "podman has no limits of whole pods",
        "set them for each container",
        EMPTY,
    ),
    refused(
        "ephemeralContainers",
        "debugging containers are not part of a specification",
        "use podman exec on the device",
        EMPTY,
    ),
)

POD: tuple[Field, ...] = (*NETWORK, *NAMESPACES, *LIFE, *SECURITY, *CLUSTER)
