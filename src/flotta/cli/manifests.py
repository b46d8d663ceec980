"""`flotta manifests`: the objects of an installation as YAML, for those who apply them by other means."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add the command to the subparsers of `flotta`."""
    command = commands.add_parser(
        "manifests", help="print the Kubernetes objects of the control plane as YAML"
    )
    command.add_argument(
        "--settings",
        type=Path,
        help="YAML file with settings, named like the options of the module flotta.edge.operator",
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
        installation = Installation.from_parameters(_settings(options.settings))
        objects = [*definitions.render(), *render(installation)]
    return "---\n" + yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True).rstrip()


def _settings(path: Path | None) -> dict[str, Any]:
    import yaml

    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no mapping of settings")
    return found
