"""Settings of a device: gateway and device worker, and the role that installs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flotta.own_names import DEVICE_PORT
from flotta.settings.setting import Choice, FilePath, Group, LogLevel, Number, Setting, Text, Words

DEVICE_LOG_LEVEL = LogLevel(
    help="How much gateway and device worker log.",
    variable="LOG_LEVEL",
    flag="--log-level",
    key="log-level",
    role_input="device_log_level",
)
SERVER = Text(
    help="Host and port of the Edge API, without a scheme.",
    default_help=f"port {DEVICE_PORT}",
    key="server",
    required=True,
)
CLIENT_ID = Text(
    help="Id of the device, made lower case: letters, digits, `-`, `.`, at most 64 characters.",
    default_help="the content of `/etc/machine-id`",
    key="client-id",
    role_input="device_id",
    input_default="{{ inventory_hostname }}",
)
CERT_FILE = FilePath(
    help="Registration certificate, PEM. The file is missing once the device has a certificate of "
    "its own.",
    key="cert-file",
    required=True,
)
KEY_FILE = FilePath(
    help="Private key of the registration certificate, PEM. It goes with the certificate.",
    key="key-file",
    required=True,
)
CA_ROOT = Words(
    help="Files with the CA certificates that the Edge API's certificate is checked against.",
    key="ca-root",
    required=True,
)
PATH_PREFIX = Text(
    help="Path prefix of the Edge API.",
    default="api/flotta-management/v1",
    key="path-prefix",
)
HTTPS_PROXY = Text(
    help="HTTP proxy through which the gateway reaches the Edge API.", variable="HTTPS_PROXY"
)
NO_PROXY = Text(
    help="Hosts and domains that the gateway reaches without the proxy, separated by commas.",
    variable="NO_PROXY",
)
CONFIG = FilePath(
    help="Configuration file of the gateway.",
    default=Path("/etc/yggdrasil/config.toml"),
    flag="--config",
)
TAGS = FilePath(
    help="File with the tags that the device sends when it joins; the tag `namespace` names the "
    "namespace to join.",
    default=Path("/etc/yggdrasil/tags.toml"),
    flag="--tags",
)
STATE_DIR = FilePath(
    help="Directory of the gateway's state.",
    default=Path("/var/lib/flotta/gateway"),
    flag="--state-dir",
)
DEVICE_DIR = FilePath(
    help="Directory of the device's certificate and private key.",
    default_help="`device/` beside `cert-file`",
    flag="--device-dir",
)
SOCKET = FilePath(
    help="Unix socket at which workers reach the gateway.",
    default=Path("/run/flotta/gateway.sock"),
    flag="--socket",
)
WORKERS_DIR = FilePath(
    help="Directory of the workers' Unix sockets.",
    default=Path("/run/flotta/workers"),
    flag="--workers-dir",
)
GROUP = Text(help="Group of the socket; empty for none.", default="flotta-ipc", flag="--group")
ALLOW_USER = Words(
    help="User that may connect to the socket besides root and the gateway's own; repeatable.",
    flag="--allow-user",
)
YGG_SOCKET_ADDR = Text(
    help="Address of the gateway's socket, as `unix:PATH` or `unix:@NAME`.",
    default="unix:/run/flotta/gateway.sock",
    variable="YGG_SOCKET_ADDR",
)
YGG_CONFIG_DIR = FilePath(
    help="Directory of `tags.toml`.", default=Path("/etc/yggdrasil"), variable="YGG_CONFIG_DIR"
)
YGG_CLIENT_ID = Text(
    help="Id of the device, for gateways that do not report it over the socket.",
    variable="YGG_CLIENT_ID",
)
FLOTTA_WORKER_STATE = FilePath(
    help="Directory of the device worker's state.",
    default=Path("/var/lib/flotta/worker"),
    variable="FLOTTA_WORKER_STATE",
)

GATEWAY_FILE = (
    SERVER,
    CLIENT_ID,
    CERT_FILE,
    KEY_FILE,
    CA_ROOT,
    PATH_PREFIX,
    replace(DEVICE_LOG_LEVEL, variable="", flag=""),
)
GATEWAY = (
    CONFIG,
    TAGS,
    STATE_DIR,
    DEVICE_DIR,
    SOCKET,
    WORKERS_DIR,
    GROUP,
    ALLOW_USER,
    replace(DEVICE_LOG_LEVEL, default_help="`log-level` of the configuration file"),
    HTTPS_PROXY,
    NO_PROXY,
)
WORKER = (
    YGG_SOCKET_ADDR,
    YGG_CONFIG_DIR,
    YGG_CLIENT_ID,
    FLOTTA_WORKER_STATE,
    replace(DEVICE_LOG_LEVEL, flag="", key=""),
)

DEVICE_ROLE: tuple[Setting[object], ...] = (
    Choice(
        help="Whether the device is part of the fleet.",
        values=("present", "absent"),
        default="present",
        role_input="device_state",
    ),
    CLIENT_ID,
    Text(help="Namespace that the device joins.", default="default", role_input="device_namespace"),
    Text(
        help="Inventory name of the control plane.",
        role_input="device_control_plane_host",
        default_help="the first host of the group `flotta_control_plane`",
        input_default="{{ groups['flotta_control_plane'] | default([]) | first | default('') }}",
    ),
    Text(
        help="Name or address at which the device reaches the control plane.",
        default_help="`operator_address` of the control plane, else the host of its Ingress or "
        "Route, "
        "else the address that its load balancer got in this run, else its `ansible_host`",
        role_input="device_control_plane_address",
    ),
    Number(
        help="Port at which the device reaches the Edge API.",
        default=DEVICE_PORT,
        default_help="the port set by the control plane host's inputs",
        least=1,
        most=65535,
        role_input="device_control_plane_port",
    ),
    Number(
        help="Seconds to try to reach the control plane before the role fails.",
        default=30,
        unit="seconds",
        most=10**7,
        role_input="device_control_plane_timeout",
    ),
    Group(
        help="Labels of the device.",
        role_input="device_labels",
        input_default={},
    ),
    Group(
        help="Tags that the device sends when it joins.",
        role_input="device_tags",
        input_default={},
    ),
    Words(
        help="Archives with container images that are loaded on the device.",
        role_input="device_images",
    ),
    DEVICE_LOG_LEVEL,
    Number(
        help="Seconds to wait until the device is ready.",
        default=120,
        unit="seconds",
        most=10**7,
        role_input="device_ready_timeout",
    ),
    Number(
        help="Seconds to wait until the device is decommissioned.",
        default=330,
        unit="seconds",
        most=10**7,
        role_input="device_decommission_timeout",
    ),
    Number(
        help="Seconds in which the device may join with the one-time certificate that the role "
        "gives it.",
        default=86400,
        unit="seconds",
        least=60,
        most=10**8,
        role_input="device_registration_validity",
    ),
    Text(
        help="Absolute path of the directory for the device's certificates.",
        default_help="`/etc/pki/consumer`; `/etc/flotta/device` on hosts of the RedHat family and "
        "where another program has its identity in `/etc/pki/consumer`",
        role_input="device_identity_directory",
    ),
)
