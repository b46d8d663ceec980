"""`flotta`: look at the fleet, let devices in, find out why something does not run."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flotta.cli.manifests import add_command as add_manifests
from flotta.fleet.joining import DECLINED_ANNOTATION, REQUEST_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from flotta.resources.client import Client

    Command = Callable[[Client, argparse.Namespace], Coroutine[Any, Any, str]]

Object = dict[str, Any]

# Where role operator puts the administrator's access on the control plane.
LOCAL_KUBECONFIG = Path("/etc/flotta/kubeconfig/admin.kubeconfig")
# A path that Kubernetes does not serve is answered without a reason; a missing object has one.
_NOT_INSTALLED = (
    "flotta is not installed on this cluster (it has no kind EdgeDevice or its like); install it with "
    "the role flotta.edge.operator, or choose another cluster with --kubeconfig or --context"
)


def main(arguments: list[str] | None = None) -> None:
    """Entry point; ends with one sentence and status 1 when something is in the way."""
    options = _parser().parse_args(arguments)
    try:
        offline = getattr(options, "offline", None)
        text = offline(options) if offline else asyncio.run(_run(options))
    except ValueError as error:
        sys.exit(f"flotta: {error}")
    if text:
        print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta", description=__doc__)
    parser.add_argument(
        "--kubeconfig",
        help=f"default: $KUBECONFIG, else {LOCAL_KUBECONFIG} or ~/.kube/config if it is there",
    )
    parser.add_argument("--context", help="context of the kubeconfig; default: its current one")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="show every device, its workloads and files")
    status.add_argument("-n", "--namespace", help="only this namespace")
    status.add_argument("-o", "--output", choices=["table", "json"], default="table")
    status.set_defaults(run=_status)
    approve = commands.add_parser("approve", help="let a device in that asks to join")
    approve.add_argument("name", help="id of the device")
    approve.add_argument("-n", "--namespace", help="namespace of the EdgeDevice")
    approve.add_argument("--set", help="EdgeDeviceSet that the device joins")
    approve.set_defaults(run=_approve)
    decline = commands.add_parser("decline", help="refuse a device that asks to join")
    decline.add_argument("name", help="id of the device")
    decline.set_defaults(run=_decline)
    explain = commands.add_parser("explain", help="say why a device or workload is as it is")
    explain.add_argument("kind", choices=["device", "workload"])
    explain.add_argument("name")
    explain.add_argument("-n", "--namespace", default="default")
    explain.set_defaults(run=_explain)
    add_manifests(commands)
    convert = commands.add_parser("convert", help="rewrite manifests of earlier releases")
    convert.add_argument(
        "file", nargs="?", default="-", help="YAML or JSON; default: standard input"
    )
    convert.set_defaults(offline=_convert)
    return parser


async def _run(options: argparse.Namespace) -> str:
    """Run a command; every error of the API becomes a ValueError with a sentence."""
    import yaml

    from flotta.resources.client import ApiError, Client

    command: Command = options.run
    try:
        async with await Client.connect(_kubeconfig(options.kubeconfig), options.context) as client:
            return await command(client, options)
    except ApiError as error:
        raise ValueError(_sentence(error)) from error
    except yaml.YAMLError as error:
        raise ValueError("the kubeconfig is not readable as YAML") from error


def _kubeconfig(given: str | None) -> str | None:
    path = given or os.environ.get("KUBECONFIG")
    if path and not Path(path).exists():
        raise ValueError(f"there is no kubeconfig {path}")
    usual = (LOCAL_KUBECONFIG, Path.home() / ".kube/config")
    return path or next((str(file) for file in usual if os.access(file, os.R_OK)), None)


def _sentence(error: Exception) -> str:
    from flotta.resources.client import Forbidden, NotFound, Unreachable

    if isinstance(error, Unreachable):
        return f"the resource API does not answer: {error}"
    if isinstance(error, Forbidden):
        return f"the kubeconfig's identity may not do that: {error}"
    if isinstance(error, NotFound) and not error.reason:
        return _NOT_INSTALLED
    return str(error)


def _convert(options: argparse.Namespace) -> str:
    from flotta.cli.manifest_conversion import convert_file

    conversion = convert_file(options.file)
    for warning in conversion.warnings:
        print(f"flotta: {warning}", file=sys.stderr)
    return conversion.text.rstrip("\n")


async def _status(client: Client, options: argparse.Namespace) -> str:
    from flotta.cli import fleet_status
    from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST

    devices, requests = await asyncio.gather(
        client.list(EDGE_DEVICE, options.namespace), client.list(SIGNED_REQUEST, REQUEST_NAMESPACE)
    )
    found = fleet_status.rows(devices, requests)
    if options.namespace:
        found = [row for row in found if row.namespace == options.namespace]
    if options.output == "json":
        return json.dumps(fleet_status.as_data(found), indent=2)
    if not found:
        return "There are no devices, and none asks to join."
    return _printed(fleet_status.as_table(found))


def _printed(table: Any) -> str:
    from rich.console import Console

    console = Console()
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n")


async def _approve(client: Client, options: argparse.Namespace) -> str:
    spec: Object = {"approved": True}
    if options.namespace:
        spec["targetNamespace"] = options.namespace
    if options.set:
        spec["targetSet"] = options.set
    patch = {"spec": spec, "metadata": {"annotations": {DECLINED_ANNOTATION: None}}}
    request = await _patch_request(client, options.name, patch)
    return f"{options.name} is approved for namespace {request['spec']['targetNamespace']}."


async def _decline(client: Client, options: argparse.Namespace) -> str:
    from flotta.resources.kinds import EDGE_DEVICE

    note = {"annotations": {DECLINED_ANNOTATION: "true"}}
    patch = {"spec": {"approved": False}, "metadata": note}
    request = await _patch_request(client, options.name, patch)
    namespace = request["spec"]["targetNamespace"]
    if await _find(client, EDGE_DEVICE, options.name, namespace):
        remedy = f"kubectl delete edgedevice {options.name} -n {namespace}"
        return f"{options.name} is declined, but still in the fleet; remove it with: {remedy}"
    return f"{options.name} is declined."


async def _patch_request(client: Client, name: str, patch: Object) -> Object:
    from flotta.resources.client import NotFound
    from flotta.resources.kinds import SIGNED_REQUEST

    try:
        return await client.merge_patch(SIGNED_REQUEST, name, REQUEST_NAMESPACE, patch)
    except NotFound as error:
        if not error.reason:
            raise
        raise ValueError(f"no device {name} asks to join; see: flotta status") from error


async def _explain(client: Client, options: argparse.Namespace) -> str:
    explain = _explain_device if options.kind == "device" else _explain_workload
    return "\n".join(await explain(client, options.name, options.namespace))


async def _explain_device(client: Client, name: str, namespace: str) -> list[str]:
    from flotta.cli.explanation import explain_device, explain_request
    from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, SIGNED_REQUEST

    device = await _find(client, EDGE_DEVICE, name, namespace)
    if device is None:
        request = await _find(client, SIGNED_REQUEST, name, REQUEST_NAMESPACE)
        if request is None:
            raise ValueError(f"there is no device {name} in namespace {namespace}, nor a request")
        return explain_request(request)
    workloads = await client.list(EDGE_WORKLOAD, namespace)
    return explain_device(device, workloads, await _events(client, EDGE_DEVICE, name, namespace))


async def _explain_workload(client: Client, name: str, namespace: str) -> list[str]:
    from flotta.cli.explanation import explain_workload
    from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD

    workload = await _find(client, EDGE_WORKLOAD, name, namespace)
    if workload is None:
        raise ValueError(f"there is no workload {name} in namespace {namespace}")
    devices = await client.list(EDGE_DEVICE, namespace)
    return explain_workload(
        workload, devices, await _events(client, EDGE_WORKLOAD, name, namespace)
    )


async def _find(client: Client, kind: Any, name: str, namespace: str) -> Object | None:
    from flotta.resources.client import NotFound

    try:
        return await client.get(kind, name, namespace)
    except NotFound as error:
        if not error.reason:
            raise
        return None


async def _events(client: Client, kind: Any, name: str, namespace: str) -> list[Object]:
    from flotta.resources.kinds import EVENT

    selector = f"involvedObject.kind={kind.kind},involvedObject.name={name}"
    return await client.list(EVENT, namespace, field_selector=selector)


if __name__ == "__main__":
    main()
