"""Installation of the control plane, and changes of its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, cast

from flotta.installation import kinds, names
from flotta.installation.admission_policies import render_admission_policies
from flotta.installation.apply import Applier, Scope, is_ours, refuse_terminating
from flotta.installation.cluster_scope import find_other_namespace
from flotta.installation.deployment_ready import DeploymentReadiness
from flotta.installation.diff import ObjectChange
from flotta.installation.edge_api_endpoint import (
    add_found_names,
    detect_openshift,
    edge_api_endpoint,
    lacks_address,
)
from flotta.installation.errors import InstallationError, describe_error
from flotta.installation.labels import version_label
from flotta.installation.manifests import (
    render_namespace,
    render_objects,
    render_prerequisites,
    render_programs,
)
from flotta.installation.metadata import new_object
from flotta.installation.networking import render_services
from flotta.installation.objects import Deployment
from flotta.installation.settings import Installation
from flotta.own_names import EDGE_API, OPERATOR
from flotta.resources.client import ApiError, Client
from flotta.resources.kinds import GROUP, SECRET
from flotta.resources.objects.core import Secret


class VersionInfo(TypedDict, total=False):
    """The response of `/version`."""

    gitVersion: str  # of Kubernetes, as v1.36.3


@dataclass(frozen=True)
class InstallOutcome:
    """The outcome. `endpoint` is `host:port` for devices, empty while it is not known.

    Without the component `edge_api`, `endpoint` and `server_names` are empty.
    The previous version and image are empty if nothing was installed; `warnings` are sentences.
    """

    changes: list[ObjectChange]
    endpoint: str
    server_names: tuple[str, ...]
    cluster_version: str
    version: str
    image: str
    previous_version: str
    previous_image: str
    warnings: list[str]


async def install(
    client: Client, installation: Installation, *, check_mode: bool, wait_timeout: float
) -> InstallOutcome:
    """Install the control plane or change it; raises InstallationError.

    `wait_timeout` is in seconds, for the load balancer and then for the programs; 0 does not wait.
    """
    applier = Applier(client, check_mode=check_mode)
    cluster_version = await _read_cluster_version(client)
    await _refuse_obstacles(applier, installation)
    before = await applier.get_or_none(
        kinds.DEPLOYMENT, installation.programs[0], installation.namespace
    )
    installation = await _apply_all(applier, installation, wait_timeout=wait_timeout)
    if wait_timeout and not check_mode:
        await DeploymentReadiness(
            applier, installation.namespace, installation.image, installation.programs
        ).wait(wait_timeout)
    served = EDGE_API in installation.programs
    return InstallOutcome(
        changes=applier.changes,
        endpoint=edge_api_endpoint(installation) if served else "",
        server_names=installation.certificate_names if served else (),
        cluster_version=cluster_version,
        version=installation.version,
        image=installation.image,
        previous_version=version_label(before),
        previous_image=_image_of(before),
        warnings=[
            *_list_warnings(installation, check_mode=check_mode),
            *(await _warn_of_missing_policies(applier) if installation.stores_fleet else ()),
        ],
    )


def _list_warnings(installation: Installation, *, check_mode: bool) -> list[str]:
    if check_mode or not lacks_address(installation):
        return []
    return [
        "The load balancer has no address yet, so the server certificate does not cover the "
        "address that devices will use; run this again when it has one, or set server_names"
    ]


async def _warn_of_missing_policies(applier: Applier) -> list[str]:
    if await applier.serves(kinds.ADMISSION_POLICY):
        return []
    return [
        "The cluster does not serve ValidatingAdmissionPolicies (Kubernetes 1.30 does), so nothing "
        "keeps the operator from changing the Secrets of its namespace, or the Edge API from "
        "approving the requests that it creates; upgrade the cluster and run this again"
    ]


async def _apply_all(
    applier: Applier, installation: Installation, *, wait_timeout: float
) -> Installation:
    """Apply in order. The Service comes before the settings that contain its address."""
    installation = await detect_openshift(applier, installation)
    await _apply_namespace(applier, installation)
    for obj in render_prerequisites(installation):
        await applier.apply(obj)
    if await applier.serves(kinds.ADMISSION_POLICY):
        for obj in render_admission_policies(installation):
            await applier.apply(obj)
    await _refuse_missing_secret(applier, installation)
    for service in render_services(installation):
        applied = await applier.apply(service)
        installation = await add_found_names(
            applier, installation, applied, wait_timeout=wait_timeout
        )
    for obj in render_programs(installation):
        await applier.apply(obj)
    rendered = [*render_objects(installation), *_kept_secrets(installation)]
    await applier.prune(rendered, await _managed_scope(applier, installation))
    return installation


async def _managed_scope(applier: Applier, installation: Installation) -> Scope:
    """Return where objects are that this installation would have rendered if they were wanted."""
    whole = set(installation.programs) == set(names.COMPONENT_PROGRAMS.values())
    return Scope(
        (installation.namespace, names.STORAGE_NAMESPACE),
        not await find_other_namespace(applier, installation.namespace),
        (*installation.programs, *([names.METRICS_SERVICE] if whole else [])),
    )


def _kept_secrets(installation: Installation) -> list[Secret]:
    """Return what stays without being rendered.

    A Secret that flotta created, and whose key the user no longer sets, is still mounted.
    """
    if installation.provisioner is None:
        return []
    return [new_object(installation, SECRET, names.S3_SECRET, OPERATOR)]


async def _apply_namespace(applier: Applier, installation: Installation) -> None:
    """Create the namespace; one not created by flotta is left unchanged and never removed."""
    namespace = render_namespace(installation)
    live = await applier.get_live(namespace)
    refuse_terminating(live)
    if live is None or is_ours(live):
        await applier.apply(namespace)


async def _refuse_obstacles(applier: Applier, installation: Installation) -> None:
    needs_crds = installation.stores_fleet and not applier.check_mode
    if needs_crds and not await applier.exists(kinds.CRD, f"edgedevices.{GROUP}"):
        raise InstallationError(
            "The CRDs are not installed yet; run the module flotta.edge.crds first"
        )
    other = await find_other_namespace(applier, installation.namespace)
    if other and installation.stores_fleet:
        raise InstallationError(
            f"The control plane is already installed in namespace {other}, "
            "and a cluster can have only one; use that namespace, or uninstall it there first"
        )


async def _refuse_missing_secret(applier: Applier, installation: Installation) -> None:
    storage, namespace = installation.provisioner, installation.namespace
    if applier.check_mode or storage is None or storage.access_key:
        return
    if OPERATOR not in installation.programs:
        return
    if not await applier.exists(SECRET, names.S3_SECRET, namespace):
        raise InstallationError(
            f"The Secret {namespace}/{names.S3_SECRET} with the S3 administrator's key is missing; "
            "set s3.access_key and s3.secret_key, or create it: "
            f"kubectl --namespace {namespace} create secret generic {names.S3_SECRET} "
            "--from-env-file=FILE"
        )


async def _read_cluster_version(client: Client) -> str:
    try:
        # Kubernetes' version.Info; the embedded engine serves the same.
        version = cast("VersionInfo", await client.read_json("/version"))
    except ApiError as error:
        raise describe_error(error) from error
    return version.get("gitVersion", "")


def _image_of(deployment: Deployment | None) -> str:
    if deployment is None:
        return ""
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]
