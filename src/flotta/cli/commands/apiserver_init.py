"""`flotta-apiserver init`: certificates and kubeconfigs that are missing or due for renewal."""

from __future__ import annotations

import argparse
import json
import sys
from urllib.parse import urlsplit

from flotta.apiserver.pki import PkiSettings, ensure_pki
from flotta.identity.errors import IdentityError


def run(options: argparse.Namespace) -> None:
    """Make the files and print as JSON whether anything was written."""
    host = urlsplit(options.server).hostname
    if not options.server.startswith("https://") or not host:
        sys.exit("flotta-apiserver: --server must look like https://HOST:6443")
    names = tuple(dict.fromkeys([host, *options.san]))
    settings = PkiSettings(options.pki_dir, options.kubeconfig_dir, options.server, names)
    try:
        changed = ensure_pki(settings)
    except (IdentityError, OSError) as error:
        sys.exit(f"flotta-apiserver: {error}")
    print(json.dumps({"changed": changed}))
