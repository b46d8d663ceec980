"""Options of the embedded engine: resource API and object storage."""

from __future__ import annotations

from pathlib import Path

from flotta.settings.common import LOG_LEVEL
from flotta.settings.setting import FilePath, Number, Setting, Text, Words

RESOURCE_API_PORT = Number(
    help="Port of the embedded resource API.",
    default=6443,
    least=1,
    most=65535,
    role_input="operator_resource_api_port",
)
RESOURCE_API_LISTEN = Text(
    help="Address at which the embedded resource API listens.",
    default="127.0.0.1",
    role_input="operator_resource_api_listen",
)
S3_PORT = Number(
    help="Port of the embedded object storage.",
    default=9000,
    least=1,
    most=65535,
    role_input="operator_s3_port",
)
METRICS_LISTEN = Text(
    help="Address at which operator and Edge API of the embedded engine serve metrics.",
    default="127.0.0.1",
    role_input="operator_metrics_listen",
)
PKI_DIR = FilePath(
    help="Directory of the certificates and private keys.",
    default=Path("/etc/flotta/pki"),
    flag="--pki-dir",
)
KUBECONFIG_DIR = FilePath(
    help="Directory of the kubeconfigs.",
    default=Path("/etc/flotta/kubeconfig"),
    flag="--kubeconfig-dir",
)
SERVER = Text(help="Address that clients use, https://HOST:PORT.", flag="--server", required=True)
SAN = Words(help="Name or address in the server certificate; repeatable.", flag="--san")
API_LISTEN = Text(help="HOST:PORT at which it listens.", default="127.0.0.1:6443", flag="--listen")
DATABASE = FilePath(
    help="File of the database.",
    default=Path("/var/lib/flotta/apiserver/state.db"),
    flag="--database",
)
KEPT_EVENTS = Number(
    help="Number of changes over which a watch can resume, within `--kept-bytes`.",
    default=10_000,
    most=10**9,
    flag="--kept-events",
)
KEPT_SECONDS = Number(
    help="Seconds over which a watch can resume even if there were more changes, "
    "within `--kept-bytes`.",
    default=300,
    unit="seconds",
    most=10**9,
    flag="--kept-seconds",
)
KEPT_BYTES = Number(
    help="Bytes that the changes over which a watch can resume take up at most, in memory and "
    "on the disk.",
    default=64 * 1024 * 1024,
    unit="bytes",
    least=1024 * 1024,
    most=2**40,
    flag="--kept-bytes",
)
ADMIN_FILE = FilePath(
    help="File that gets the administrator's access key, mode 0600.",
    flag="--admin-file",
    required=True,
)
KEYS = FilePath(help="Directory of the key files.", flag="--keys", required=True)
ROOT = FilePath(help="Directory of the buckets.", flag="--root", required=True)
S3_LISTEN = Text(help="HOST:PORT at which it listens.", default="127.0.0.1:9000", flag="--listen")
IAM_LISTEN = Text(
    help="HOST:PORT at which it also serves the IAM API, for operators on other machines.",
    default_help="nowhere",
    flag="--iam-listen",
)
CERT = FilePath(help="Server certificate chain, PEM.", flag="--cert", required=True)
KEY = FilePath(help="Private key of the server certificate, PEM.", flag="--key", required=True)
CACHE = FilePath(
    help="Directory of rclone's cache.", default_help="`cache` beside the root", flag="--cache"
)

BACKUP_S3_KEYS = FilePath(
    help="Directory of the access keys of the embedded object storage.",
    default=Path("/var/lib/flotta/s3/keys"),
    flag="--s3-keys",
)
BACKUP_S3_ADMIN_FILE = FilePath(
    help="File with the access key of the storage administrator.",
    default=Path("/etc/flotta/s3-admin.env"),
    flag="--s3-admin-file",
)
FORCE = Text(
    help="The word `overwrite`: replace the control plane that is there. It is kept beside the "
    "restored one, with `.replaced` at the end of each name.",
    flag="--force",
)
RESOURCE_API: tuple[Setting[object], ...] = (RESOURCE_API_LISTEN, RESOURCE_API_PORT)
APISERVER_INIT = (PKI_DIR, KUBECONFIG_DIR, SERVER, SAN)
APISERVER_SERVE = (
    API_LISTEN,
    DATABASE,
    PKI_DIR,
    KEPT_EVENTS,
    KEPT_SECONDS,
    KEPT_BYTES,
    LOG_LEVEL,
)
APISERVER_BACKUP = (
    DATABASE,
    PKI_DIR,
    KUBECONFIG_DIR,
    BACKUP_S3_KEYS,
    BACKUP_S3_ADMIN_FILE,
)
APISERVER_RESTORE = (*APISERVER_BACKUP, FORCE)
APISERVER_ACCEPT_LOSS = (DATABASE,)
APISERVER_GO_BACK = (DATABASE,)
S3_INIT = (ADMIN_FILE, KEYS)
S3_SERVE = (ROOT, KEYS, S3_LISTEN, IAM_LISTEN, CERT, KEY, CACHE, LOG_LEVEL)
