"""Which program, module and role has which settings."""

from __future__ import annotations

from collections.abc import Mapping

from flotta.settings.configuration_api import (
    CONFIGURATION_API_COMMAND,
    CONFIGURATION_API_SERVE,
)
from flotta.settings.device import DEVICE_ROLE, GATEWAY, WORKER
from flotta.settings.edge_api import EDGE_API
from flotta.settings.engine import (
    APISERVER_ACCEPT_LOSS,
    APISERVER_BACKUP,
    APISERVER_GO_BACK,
    APISERVER_INIT,
    APISERVER_RESTORE,
    APISERVER_SERVE,
    METRICS_LISTEN,
    RESOURCE_API,
    S3_INIT,
    S3_PORT,
    S3_SERVE,
)
from flotta.settings.installation import INSTALLATION
from flotta.settings.live import LIVE_CONSOLE, LIVE_PREPARE
from flotta.settings.operator import OPERATOR
from flotta.settings.roles import LOCAL_HOSTS_ROLE, PROGRAMS_ROLE
from flotta.settings.setting import Setting

Settings = tuple[Setting[object], ...]

# Commands of `flotta-configuration-api` on its database.
COMMANDS = ("put", "get", "list", "show", "approve", "unregister", "forget")
# The command lines; `flotta-s3 serve` is the command `serve` of the program `flotta-s3`.
PROGRAMS: Mapping[str, Settings] = {
    "flotta-operator": OPERATOR,
    "flotta-edge-api": EDGE_API,
    "flotta-apiserver init": APISERVER_INIT,
    "flotta-apiserver serve": APISERVER_SERVE,
    "flotta-apiserver backup": APISERVER_BACKUP,
    "flotta-apiserver restore": APISERVER_RESTORE,
    "flotta-apiserver accept-loss": APISERVER_ACCEPT_LOSS,
    "flotta-apiserver go-back": APISERVER_GO_BACK,
    "flotta-s3 init": S3_INIT,
    "flotta-s3 serve": S3_SERVE,
    "flotta-configuration-api serve": CONFIGURATION_API_SERVE,
    **{f"flotta-configuration-api {command}": CONFIGURATION_API_COMMAND for command in COMMANDS},
    "flotta-gateway": GATEWAY,
    "flotta-device-worker": WORKER,
    "flotta-live prepare": LIVE_PREPARE,
    "flotta-live console": LIVE_CONSOLE,
}
CONTROL_PLANE: Settings = tuple(
    dict.fromkeys((*OPERATOR, *EDGE_API, *RESOURCE_API, S3_PORT, METRICS_LISTEN, *INSTALLATION))
)
OPERATOR_MODULE: Settings = tuple(setting for setting in CONTROL_PLANE if setting.option)
ROLES: Mapping[str, Settings] = {
    "operator": tuple(setting for setting in CONTROL_PLANE if setting.role_input),
    "device": DEVICE_ROLE,
    "programs": PROGRAMS_ROLE,
    "local_hosts": LOCAL_HOSTS_ROLE,
}
