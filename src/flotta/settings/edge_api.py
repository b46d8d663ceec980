"""Settings of the Edge API."""

from __future__ import annotations

from flotta.own_names import DEVICE_PORT
from flotta.settings.common import KUBECONFIG, LOG_LEVEL, NAMESPACE
from flotta.settings.setting import (
    EVERYWHERE,
    Choice,
    Duration,
    FilePath,
    Flag,
    ListenAddress,
    Number,
    Text,
    Words,
)
from flotta.settings.storage import S3_DEVICE_ENDPOINT

DEFAULT_DOMAIN = "project-flotta.io"

BIND_ADDRESS = Text(
    help="Address at which the Edge API listens.", default=EVERYWHERE, variable="BIND_ADDRESS"
)
HTTPS_PORT = Number(
    help="Port at which devices reach the Edge API.",
    default=DEVICE_PORT,
    most=65535,
    variable="HTTPS_PORT",
    role_input="operator_edge_api_port",
)
SERVER_NAMES = Words(
    help="Names and addresses at which devices reach the Edge API; its server certificate covers "
    "them.",
    default=(DEFAULT_DOMAIN,),
    variable="SERVER_NAMES",
    option="server_names",
    option_default=(),
    option_default_help="the addresses of the nodes with `service_type` `NodePort`, else none",
)
DOMAIN = Words(help="Further names for the server certificate.", variable="DOMAIN")
TLS_LOCALHOST_ENABLED = Flag(
    help="Whether the server certificate also covers localhost, 127.0.0.1 and ::1.",
    default=True,
    variable="TLS_LOCALHOST_ENABLED",
)
METRICS_ADDR = ListenAddress(
    help="Where the Edge API serves /metrics, /healthz and /readyz.",
    default=("127.0.0.1", 8080),
    variable="METRICS_ADDR",
)
CLIENT_CERT_EXPIRATION_DAYS = Number(
    help="Days for which the certificate of a device is valid; devices renew it in time.",
    default=30,
    unit="days",
    least=1,
    most=3650,
    variable="CLIENT_CERT_EXPIRATION_DAYS",
    option="device_certificate_days",
    role_input="operator_device_certificate_days",
)
REGISTRATION_NAMESPACES = Words(
    help="Namespaces that the registration certificate of the Edge API allows.",
    default=("default",),
    variable="REGISTRATION_NAMESPACES",
    option="registration_namespaces",
    role_input="operator_registration_namespaces",
)
ENROLMENTS_PER_SECOND = Number(
    help="How many devices together may request to join in a second.",
    default=50,
    least=1,
    most=10_000,
    variable="ENROLMENTS_PER_SECOND",
)
PENDING_REQUESTS_PER_CERTIFICATE = Number(
    help="How many devices of one registration batch may have requested to join and not "
    "registered yet, approved or not.",
    default=10_000,
    least=1,
    most=1_000_000,
    variable="PENDING_REQUESTS_PER_CERTIFICATE",
)
PENDING_REQUESTS_PER_NAMESPACE = Number(
    help="How many devices may have requested to join one namespace and not registered yet, "
    "approved or not.",
    default=20_000,
    least=1,
    most=1_000_000,
    variable="PENDING_REQUESTS_PER_NAMESPACE",
)
PRESENCE_WRITE_SECONDS = Number(
    help="Minimum number of seconds between two writes of a device's `lastSeenTime`.",
    default=30,
    unit="seconds",
    least=1,
    most=3600,
    variable="PRESENCE_WRITE_SECONDS",
)
BACKEND = Choice(
    help="Where devices are stored: `crd` is the resource API, `remote` a data store of your own.",
    values=("crd", "remote"),
    default="crd",
    variable="BACKEND",
    option="backend",
    role_input="operator_backend",
    input_default="{{ 'remote' if 'configuration_api' in operator_components else 'crd' }}",
)
REMOTE_BACKEND_URL = Text(
    help="Where the data store of `BACKEND=remote` serves the Edge Configuration API: "
    "`https://HOST:PORT`, with or without the path `/api/flotta-backend/v1`; also `http`, "
    "which protects nothing and is for a store on the same host.",
    variable="REMOTE_BACKEND_URL",
    option="remote_backend_url",
    role_input="operator_remote_backend_url",
    input_default="{{ 'https://localhost:' ~ operator_configuration_api_port "
    "if 'configuration_api' in operator_components else '' }}",
)
REMOTE_BACKEND_TIMEOUT = Duration(
    help="How long the Edge API waits for one response of the remote data store; all attempts of "
    "one request together take at most 20 s.",
    default="5s",
    least="10ms",
    most="1h",
    variable="REMOTE_BACKEND_TIMEOUT",
    option="remote_backend_timeout",
    role_input="operator_remote_backend_timeout",
    alias="REMOT_BACKEND_TIMEOUT",  # as the documentation of v0.2 spells it
)
REMOTE_BACKEND_CA_FILE = FilePath(
    help="CA certificates, PEM, that the certificate of the remote data store is verified with.",
    default_help="the CA of the Edge API",
    variable="REMOTE_BACKEND_CA_FILE",
)
REMOTE_BACKEND_POLL_SECONDS = Number(
    help="Seconds between two looks at each device that holds a request, where the remote data "
    "store has no feed of changes.",
    default=5,
    unit="seconds",
    least=1,
    most=3600,
    variable="REMOTE_BACKEND_POLL_SECONDS",
)
REMOTE_BACKEND_STALE_SECONDS = Number(
    help="Seconds for which devices get the last known configuration while the remote data store "
    "cannot be reached; 0 means never.",
    default=3600,
    unit="seconds",
    most=30 * 24 * 3600,
    variable="REMOTE_BACKEND_STALE_SECONDS",
)
REMOTE_BACKEND_WIPES_PER_HOUR = Number(
    help="How many devices in an hour may be told to remove everything because the remote data "
    "store says `unregistered`, by all replicas together and over restarts; 0 means none.",
    default=20,
    most=10_000,
    variable="REMOTE_BACKEND_WIPES_PER_HOUR",
)
CERTIFICATES_DIR = FilePath(
    help="Directory in which the Edge API keeps the CA, its certificates and those of registration "
    "batches, instead of in Secrets of the resource API; needs `BACKEND=remote`.",
    default_help="Secrets of the resource API",
    variable="CERTIFICATES_DIR",
)
EDGE_API_DRAIN_SECONDS = Number(
    help="Seconds for which a stopping Edge API still serves while /readyz already fails.",
    default=0,
    unit="seconds",
    most=300,
    variable="EDGE_API_DRAIN_SECONDS",
)
MAX_CONNECTIONS = Number(
    help="Most connections that the Edge API serves at once; 0 means as many as its file "
    "descriptors and its memory allow.",
    default=0,
    most=1_000_000,
    variable="MAX_CONNECTIONS",
)
ADDRESS_FAIRNESS = Flag(
    help="Whether client addresses share pending TLS handshakes fairly; not useful behind a "
    "balancer that hides them. Let the balancer send the PROXY protocol instead: without "
    "addresses, one that begins hundreds of handshakes a second makes every new device wait.",
    default=True,
    variable="ADDRESS_FAIRNESS",
)
PROXY_PROTOCOL = Flag(
    help="Whether every connection to the Edge API begins with a header of the PROXY protocol, by "
    "which a balancer passes on the address of the device. Recommended behind every balancer that "
    "can send it.",
    default=False,
    variable="PROXY_PROTOCOL",
    option="proxy_protocol",
    role_input="operator_edge_api_proxy_protocol",
)

EDGE_API = (
    KUBECONFIG,
    BIND_ADDRESS,
    HTTPS_PORT,
    SERVER_NAMES,
    DOMAIN,
    TLS_LOCALHOST_ENABLED,
    CLIENT_CERT_EXPIRATION_DAYS,
    REGISTRATION_NAMESPACES,
    ENROLMENTS_PER_SECOND,
    PENDING_REQUESTS_PER_CERTIFICATE,
    PENDING_REQUESTS_PER_NAMESPACE,
    PRESENCE_WRITE_SECONDS,
    S3_DEVICE_ENDPOINT,
    BACKEND,
    REMOTE_BACKEND_URL,
    REMOTE_BACKEND_TIMEOUT,
    REMOTE_BACKEND_CA_FILE,
    REMOTE_BACKEND_POLL_SECONDS,
    REMOTE_BACKEND_STALE_SECONDS,
    REMOTE_BACKEND_WIPES_PER_HOUR,
    CERTIFICATES_DIR,
    EDGE_API_DRAIN_SECONDS,
    MAX_CONNECTIONS,
    ADDRESS_FAIRNESS,
    PROXY_PROTOCOL,
    METRICS_ADDR,
    NAMESPACE,
    LOG_LEVEL,
)
