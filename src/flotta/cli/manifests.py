"""`flotta manifests`: the objects of an installation as YAML, for those who apply them by other means."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

_NO_IMAGE = (
    "no image is set, so the pods use {}, which only this machine may have; "
    "set image to one that the cluster can pull"
)


def add_command(commands: Any) -> None:
    """Add the command to the subparsers of `flotta`."""
    command = commands.add_parser(
        "manifests", help="print the Kubernetes objects of the control plane as YAML"
    )
    command.add_argument(
        "--settings",
        help="YAML file with settings, named like the options of the module flotta.edge.operator; - is standard input",
    )
    command.add_argument(
        "--installer", action="store_true", help="only the ClusterRole that an installer needs"
    )
    command.set_defaults(offline=printed)


def printed(options: argparse.Namespace) -> str:
    """Return the YAML; raises ValueError with a sentence for bad settings."""
    import yaml

    from flotta.installation import definitions
    from flotta.installation.manifests import render
    from flotta.installation.rights import installer_role
    from flotta.installation.settings import Installation

    if options.installer:
        objects = [installer_role()]
    else:
        settings = _settings(options.settings)
        installation = Installation.from_parameters(settings)
        if not settings.get("image"):
            print(f"flotta: {_NO_IMAGE.format(installation.image)}", file=sys.stderr)
        objects = [*definitions.render(), *render(installation)]
    return "---\n" + yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True).rstrip()


def _settings(path: str | None) -> dict[str, Any]:
    import yaml

    if path is None:
        return {}
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        found = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no mapping of settings")
    return found
