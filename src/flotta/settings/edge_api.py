"""Settings of the Edge API."""

from __future__ import annotations

from flotta.own_names import DEVICE_PORT
from flotta.settings.common import KUBECONFIG, LOG_LEVEL, NAMESPACE
from flotta.settings.setting import EVERYWHERE, Flag, ListenAddress, Number, Text, Words
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
BACKEND = Text(
    help="Where devices are stored: `crd` is the resource API.", default="crd", variable="BACKEND"
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
    EDGE_API_DRAIN_SECONDS,
    MAX_CONNECTIONS,
    ADDRESS_FAIRNESS,
    PROXY_PROTOCOL,
    METRICS_ADDR,
    NAMESPACE,
    LOG_LEVEL,
)
