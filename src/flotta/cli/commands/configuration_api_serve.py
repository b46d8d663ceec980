"""`flotta-configuration-api serve`: the Edge Configuration API until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import sys

from flotta import daemon
from flotta.configuration_api.handlers import JoiningRules
from flotta.configuration_api.server import Settings, TlsFiles, run_server


def run(options: argparse.Namespace) -> None:
    """Serve until stopped; exit with one sentence on an error."""
    settings = _settings(options)
    try:
        daemon.run(lambda: run_server(settings), uvloop=True)
    except OSError as error:
        sys.exit(f"flotta-configuration-api: {error}")


def _settings(options: argparse.Namespace) -> Settings:
    host, _, port = options.listen.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"--listen is {options.listen!r}; use HOST:PORT")
    return Settings(
        host=host.strip("[]"),
        port=int(port),
        database=options.database,
        tls=_tls_files(options),
        client_name=options.client_name,
        rules=JoiningRules(options.auto_approve, options.max_pending),
    )


def _tls_files(options: argparse.Namespace) -> TlsFiles | None:
    files = options.cert, options.key, options.client_ca
    if options.insecure_http:
        if any(files):
            raise ValueError("--insecure-http excludes --cert, --key and --client-ca")
        return None
    if not all(files):
        raise ValueError(
            "--cert, --key and --client-ca are required: `flotta certificates issue --server` "
            "asks the Edge API for them. For a trial on one machine there is --insecure-http"
        )
    return TlsFiles(*files)
