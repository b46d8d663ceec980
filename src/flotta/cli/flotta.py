"""`flotta`: show the fleet, let devices in and out, explain why a workload does not run."""

from __future__ import annotations

import argparse
import signal
import sys

from flotta.cli.certificates_options import add_certificates
from flotta.cli.commands import run_command
from flotta.cli.image_options import add_image
from flotta.cli.kubeconfig import LOCAL_KUBECONFIG
from flotta.cli.registration_options import add_registration
from flotta.cli.subcommands import Commands
from flotta.printable_text import printable_lines
from flotta.protocol.directives import KEEP_PODS, STOP_PODS

INTERRUPTED = 128 + signal.SIGINT  # status, as shells give it


def main(arguments: list[str] | None = None) -> None:
    """Entry point; exits with one sentence and status 1 on an error.

    The exit codes are those of docs/reference/command-line.md#exit-codes.
    """
    options = _parser().parse_args(arguments)
    try:
        result = run_command(options.command, options)
    except KeyboardInterrupt:
        print("flotta: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except ValueError as error:
        sys.exit(f"flotta: {printable_lines(str(error))}")
    if isinstance(result, int):
        sys.exit(result)
    if result:
        print(result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta", description=__doc__)
    parser.add_argument(
        "--kubeconfig",
        help=f"default: $KUBECONFIG, else {LOCAL_KUBECONFIG} or ~/.kube/config if it exists",
    )
    parser.add_argument("--context", help="context of the kubeconfig; default: its current one")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_status(commands)
    _add_approval(commands)
    _add_adoption(commands)
    _add_decommission(commands)
    _add_device(commands)
    add_registration(commands)
    add_image(commands)
    add_certificates(commands)
    _add_explain(commands)
    _add_manifests(commands)
    _add_convert(commands)
    return parser


def _add_status(commands: Commands) -> None:
    status = commands.add_parser("status", help="show every device, its workloads and files")
    status.add_argument("-n", "--namespace", help="only devices of this namespace")
    _add_output(status)


def _add_approval(commands: Commands) -> None:
    approve = commands.add_parser("approve", help="approve a device that requests to join")
    approve.add_argument("name", help="id of the device")
    approve.add_argument(
        "-n", "--namespace", help="namespace of the EdgeDevice; default: the one it requests"
    )
    approve.add_argument("--set", help="EdgeDeviceSet that the device joins")
    approve.add_argument(
        "--code", help="code on the console of the device; approve it only if it is this one"
    )
    decline = commands.add_parser("decline", help="decline a device that requests to join")
    decline.add_argument("name", help="id of the device")


def _add_adoption(commands: Commands) -> None:
    adopt = commands.add_parser("adopt", help="take back devices that are unknown to it")
    adopt.add_argument("name", nargs="*", help="id of a device")
    adopt.add_argument("--selector", help="labels of existing EdgeDevices: adopt their devices")
    adopt.add_argument("--all-unknown", action="store_true", help="adopt every unknown device")
    adopt.add_argument("-n", "--namespace", help="only devices of this namespace")
    adopt.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="label of the EdgeDevice; may be repeated",
    )
    adopt.add_argument("--set", help="EdgeDeviceSet that the devices join")


def _add_decommission(commands: Commands) -> None:
    decommission = commands.add_parser(
        "decommission", help="wipe devices and remove them, or confirm wipes that are held"
    )
    decommission.add_argument("name", nargs="*", help="id of a device")
    decommission.add_argument("--selector", help="labels of the devices")
    decommission.add_argument("--held", action="store_true", help="every wipe that is held")
    decommission.add_argument(
        "-n", "--namespace", help="namespace of the devices; default for names: default"
    )
    decommission.add_argument("--yes", action="store_true", help="do it for several devices")


def _add_device(commands: Commands) -> None:
    device = commands.add_parser("device", help="keep lost devices out, and let them in again")
    actions = device.add_subparsers(required=True, metavar="ACTION", dest="action")
    quarantine = actions.add_parser(
        "quarantine", help="refuse the certificates and keys of lost or stolen devices"
    )
    release = actions.add_parser("release", help="let quarantined devices in again")
    for action in (quarantine, release):
        action.add_argument("name", nargs="+", help="id of a device")
        action.add_argument("-n", "--namespace", default="default", help="namespace of the devices")
    pods = quarantine.add_mutually_exclusive_group()
    pods.add_argument(
        "--stop-pods",
        dest="pods",
        action="store_const",
        const=STOP_PODS,
        default=STOP_PODS,
        help="the devices stop their pods when they learn of it (default)",
    )
    pods.add_argument(
        "--keep-pods",
        dest="pods",
        action="store_const",
        const=KEEP_PODS,
        help="their pods keep running",
    )
    quarantine.add_argument("--reason", default="", help="why, for those who look later")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=["table", "json"],
        default="table",
        help="table for people (default) or json for programs",
    )


def _add_explain(commands: Commands) -> None:
    explain = commands.add_parser(
        "explain",
        help="explain the state of a device or a workload",
        description="Explain the state of a device or a workload, or a reason, and what to do.",
    )
    explain.add_argument("kind", choices=["device", "workload", "reason"], help="what to explain")
    explain.add_argument("name", help="name of the EdgeDevice or EdgeWorkload, or a reason")
    explain.add_argument(
        "-n", "--namespace", default="default", help="namespace of the object; default: default"
    )


def _add_manifests(commands: Commands) -> None:
    manifests = commands.add_parser(
        "manifests", help="print the Kubernetes objects of the control plane as YAML"
    )
    manifests.add_argument(
        "--settings",
        help="YAML file with settings, named like the options of the module flotta.edge.operator; "
        "- is standard input",
    )
    manifests.add_argument(
        "--installer",
        action="store_true",
        help="print only the ClusterRole that an installer needs",
    )


def _add_convert(commands: Commands) -> None:
    convert = commands.add_parser("convert", help="convert manifests of earlier releases")
    convert.add_argument(
        "file", nargs="?", default="-", help="YAML or JSON; default: standard input"
    )


if __name__ == "__main__":
    main()
