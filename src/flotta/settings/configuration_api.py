"""Options of the reference data store, `flotta-configuration-api`."""

from __future__ import annotations

from pathlib import Path

from flotta.settings.common import LOG_LEVEL
from flotta.settings.setting import FilePath, Flag, Number, Text

DATABASE = FilePath(
    help="File of the database.",
    default=Path("/var/lib/flotta/configuration-api/state.db"),
    flag="--database",
)
LISTEN = Text(help="HOST:PORT at which it listens.", default="127.0.0.1:8053", flag="--listen")
CERT = FilePath(help="Server certificate chain, PEM.", flag="--cert")
KEY = FilePath(help="Private key of the server certificate, PEM.", flag="--key")
CLIENT_CA = FilePath(
    help="CA of the Edge API's client certificate, PEM: the Flotta CA.", flag="--client-ca"
)
CLIENT_NAME = Text(
    help="Common name of the one client certificate that is served.",
    default="flotta-edge-api",
    flag="--client-name",
)
INSECURE_HTTP = Flag(
    help="Whether it serves plain http to everybody, on a loopback address only.",
    default=False,
    flag="--insecure-http",
)
AUTO_APPROVE = Flag(
    help="Whether every device that asks to join may register.",
    default=False,
    flag="--auto-approve",
)
MAX_PENDING = Number(
    help="Most devices that wait for approval at once; `0` for any number.",
    default=1000,
    most=10**9,
    flag="--max-pending",
)
CONFIGURATION_API_SERVE = (
    *(DATABASE, LISTEN, CERT, KEY, CLIENT_CA, CLIENT_NAME),
    *(INSECURE_HTTP, AUTO_APPROVE, MAX_PENDING, LOG_LEVEL),
)
CONFIGURATION_API_COMMAND = (DATABASE,)
