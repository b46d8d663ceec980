# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kubeconfig says about its control planes, read without asking any."""

from __future__ import annotations

import hashlib
import os
from urllib.parse import urlsplit

import yaml


def read_kubeconfig(path: str | None) -> list[bytes]:
    """Return the content of the files of a kubeconfig, which may be several as in KUBECONFIG, none for the service account of the pod."""
    contents = []
    for file in (path or "").split(os.pathsep):
        if os.path.isfile(file):
            with open(file, "rb") as opened:
                contents.append(opened.read())
    return contents


def digest_of(contents: list[bytes]) -> str:
    """Return a text that differs when another server, context or user may be meant."""
    place = os.environ.get("KUBERNETES_SERVICE_HOST", "").encode()
    return hashlib.sha256(b"\0".join([place, *contents])).hexdigest()


def servers_of(contents: list[bytes]) -> set[str]:
    """Return the host names and addresses of all API servers; a broken file has none, which whoever connects to it says better."""
    hosts = {os.environ.get("KUBERNETES_SERVICE_HOST")}.union(*map(_servers, contents))
    return {host for host in hosts if host}


def _servers(content: bytes) -> set[str | None]:
    try:
        clusters = yaml.safe_load(content)["clusters"]
        return {urlsplit(entry["cluster"]["server"]).hostname for entry in clusters}
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError):
        return set()
