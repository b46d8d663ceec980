# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/pod_fields/volumes.py: change that.
"""Rows of the fields of volumes, relative to an entry of `volumes`."""

from __future__ import annotations

from ..pod_fields.containers import ONLY_V1, RESOURCE_NAMES
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
from ..pod_fields.values import between, matching, one_of

FILE_PATHS = matching(
    r"metadata\.(name|namespace|uid|labels|annotations)|metadata\.(labels|annotations)\['.*'\]",
    "`metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels`, "
    "`metadata.annotations`, `metadata.labels['KEY']`, `metadata.annotations['KEY']`",
)
HOST_PATH_TYPES = (
    *("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket"),
    *("CharDevice", "BlockDevice"),
)
OF_CLOUDS = (
    "{awsElasticBlockStore,azureDisk,azureFile,cephfs,cinder,csi,fc,flexVolume,flocker,"
    "gcePersistentDisk,glusterfs,iscsi,nfs,photonPersistentDisk,portworxVolume,quobyte,rbd,"
    "scaleIO,storageos,vsphereVolume}"
)

MODES = out_of_range(between(0, 0o777, "0 to 0777 (511)"))

FILES = (
    emulated("{configMap,secret}.{items[].key,items[].path,optional}", ""),
    emulated("{configMap,secret,projected,downwardAPI}.defaultMode", "Default: 0644.", MODES),
    emulated("{configMap,secret,downwardAPI}.items[].mode", "", MODES),
    emulated("projected.sources[].{configMap,secret,downwardAPI}.items[].mode", "", MODES),
    emulated("configMap.name", "Mounted read-only. A changed value means a new pod."),
    emulated("secret.secretName", "Mounted read-only. A changed value means a new pod."),
    emulated(
        "projected.sources[].{configMap,secret}.{items[].key,items[].path,name,optional}",
        "",
    ),
    refused(
        "projected.sources[].{clusterTrustBundle,podCertificate,serviceAccountToken}",
        "a device has no Kubernetes API and gives no tokens or certificates",
        "put what the pod needs into a Secret",
    ),
)


DOWNWARD = (
    emulated("{downwardAPI,projected.sources[].downwardAPI}.items[].path", ""),
    emulated(
        "{downwardAPI,projected.sources[].downwardAPI}.items[].fieldRef.apiVersion",
        "",
        ONLY_V1,
    ),
    emulated(
        "{downwardAPI,projected.sources[].downwardAPI}.items[].fieldRef.fieldPath",
        "",
        Refusal("a device does not know this field", "remove the file", FILE_PATHS),
    ),
    emulated(
        "{downwardAPI,projected.sources[].downwardAPI}.items[].resourceFieldRef."
        "{containerName,divisor}",
        "",
    ),
    emulated(
        "{downwardAPI,projected.sources[].downwardAPI}.items[].resourceFieldRef.resource",
        "",
        Refusal("a device does not know this resource", "remove the file", RESOURCE_NAMES),
    ),
)

DIRECTORIES = (
    honoured("name", "`export-` and the name of the workload is that of its own directory."),
    emulated(
        "emptyDir.medium",
        "A directory of the workload's own; with `Memory` a tmpfs. Default for a volume without a "
        "source.",
        Refusal("a device has no such medium", "remove it, or write Memory", one_of("", "Memory")),
    ),
    emulated(
        "emptyDir.sizeLimit",
        "The size of the tmpfs, else measured by the worker: a pod that takes more is evicted and "
        "starts again with empty directories.",
    ),
    honoured("hostPath.path"),
    emulated(
        "hostPath.type",
        "Before each start of the pod the unit checks a file or directory, podman the others. "
        "Without a type the path must exist.",
        Refusal("this type does not exist", "use one of the others", one_of(*HOST_PATH_TYPES)),
    ),
    emulated(
        "persistentVolumeClaim.claimName",
        "One podman volume for each namespace and claim. No PersistentVolumeClaim is needed.",
    ),
    emulated("persistentVolumeClaim.readOnly", ""),
    honoured(
        "image",
        "The worker pulls it. Mounted without subPath.",
        ignored_before(PodmanVersion(5, 3)),
    ),
    honoured("image.{reference,pullPolicy}"),
)

ELSEWHERE = (
    refused(
        OF_CLOUDS,
        "a device mounts no storage of clusters and clouds",
        "mount it on the device, and use a hostPath volume",
    ),
    refused(
        "ephemeral",
        "a device has no storage classes",
        "use emptyDir, or persistentVolumeClaim for data that stays",
    ),
    refused("gitRepo", "podman does not clone repositories", "clone it in an init container"),
)

VOLUMES: tuple[Field, ...] = (*DIRECTORIES, *FILES, *DOWNWARD, *ELSEWHERE)
