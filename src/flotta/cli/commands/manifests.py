"""`flotta manifests`: the objects of an installation as YAML, for other tools to apply.

What a user has to add by hand: docs/how-to/install-on-kubernetes.md#without-ansible.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from flotta.installation.crds import render_crds
from flotta.installation.manifests import render_objects
from flotta.installation.rbac import render_installer_role
from flotta.installation.settings import Installation
from flotta.resources.objects.meta import Manifest
from flotta.yaml_loader import load_yaml

NO_IMAGE = (
    "no image is set, so the pods use {}, which may exist on this machine only; "
    "set image to one that the cluster can pull"
)


def run(options: argparse.Namespace) -> str:
    """Return the YAML; raises ValueError with a sentence for bad settings."""
    objects: Sequence[Manifest] = (
        [render_installer_role()] if options.installer else _render_manifests(options.settings)
    )
    return "---\n" + yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True).rstrip()


def _render_manifests(path: str | None) -> Sequence[Manifest]:
    settings = _read_settings(path)
    installation = Installation.from_parameters(settings)
    if not settings.get("image"):
        print(f"flotta: {NO_IMAGE.format(installation.image)}", file=sys.stderr)
    crds = render_crds() if installation.stores_fleet else []
    return [*crds, *render_objects(installation)]


def _read_settings(path: str | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        settings = load_yaml(text) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} is not a mapping of settings")
    return settings
