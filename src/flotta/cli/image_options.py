"""The options of `flotta image` that are about personalised media."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotta.cli.image_build_options import add_build
from flotta.cli.subcommands import Commands


def add_image(commands: Commands) -> None:
    """Add the command and its actions."""
    image = commands.add_parser("image", help="make ISOs with which devices boot into the fleet")
    actions = image.add_subparsers(required=True, metavar="ACTION", dest="action")
    add_build(actions)
    _add_personalise(actions)
    _add_seed(actions)
    _add_show(actions)
    _add_verify(actions)
    _add_reset(actions)


def _add_personalise(actions: Commands) -> None:
    personalise = actions.add_parser(
        "personalise",
        help="put settings and a registration certificate into an ISO",
        description="Put settings and a registration certificate into a copy of a base ISO. "
        "Options count more than the file of settings.",
    )
    _add_base(personalise, required=True)
    personalise.add_argument("--checksum", metavar="SHA256", help="SHA-256 of the base")
    personalise.add_argument(
        "--firmware",
        action="append",
        choices=["bios", "uefi"],
        help="by which the base has to boot; may be repeated; default: both, uefi for arm64",
    )
    personalise.add_argument("--architecture", help="of the base: amd64 or arm64; default: any")
    _add_output(personalise)
    _add_settings(personalise)


def _add_seed(actions: Commands) -> None:
    seed = actions.add_parser(
        "seed",
        help="write the same settings to a small image beside a base",
        description="Write settings to a small image: a second stick beside an unmodified base.",
    )
    _add_output(seed)
    _add_settings(seed)


def _add_show(actions: Commands) -> None:
    show = actions.add_parser("show", help="show what an ISO is and carries, without secrets")
    show.add_argument("iso", type=Path, metavar="ISO", help="ISO or seed")
    show.add_argument(
        "-o",
        "--output",
        choices=["text", "json"],
        default="text",
        help="text for people (default) or json for programs",
    )


def _add_verify(actions: Commands) -> None:
    verify = actions.add_parser("verify", help="check an ISO, and that it is its base otherwise")
    verify.add_argument("iso", type=Path, metavar="ISO", help="personalised ISO or seed")
    _add_base(verify, required=False)


def _add_reset(actions: Commands) -> None:
    reset = actions.add_parser("reset", help="overwrite the settings in an ISO: it is its base")
    reset.add_argument("iso", type=Path, metavar="ISO", help="personalised ISO or seed")


def _add_base(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument(
        "--base", type=Path, metavar="ISO", required=required, help="base ISO, or an installer"
    )
    parser.add_argument(
        "--wheelhouse",
        type=Path,
        metavar="TAR",
        help="programs for the system that an installer installs",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="directory of installers that are prepared"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="what to write, with mode 0600")
    parser.add_argument(
        "--force", action="store_true", help="replace a file that is not an ISO of flotta.edge"
    )
    parser.add_argument(
        "--thorough", action="store_true", help="compare every byte of a file that is there"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, only tell what would be done"
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings", metavar="FILE", help="YAML file with settings; - is standard input"
    )
    parser.add_argument(
        "--registration",
        type=Path,
        metavar="DIR",
        help="directory that `flotta registration issue --output` wrote: certificate, key and CA",
    )
    parser.add_argument("--server", metavar="HOST:PORT", help="of the Edge API")
    parser.add_argument("--batch", metavar="NAME", help="name of the registration batch")
    parser.add_argument("-n", "--namespace", help="namespace that the devices join")
    parser.add_argument("--device-id", metavar="ID", help="id of the only device that boots it")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="label that the devices ask for; may be repeated",
    )
    parser.add_argument(
        "--ssh-key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="public keys that may log in as root; may be repeated",
    )
