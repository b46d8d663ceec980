"""Settings of the operator."""

from __future__ import annotations

from flotta.settings.common import KUBECONFIG, LOG_LEVEL, NAMESPACE
from flotta.settings.setting import Address, Flag, ListenAddress, Number, Text
from flotta.settings.storage import STORAGE

EMBEDDED_CLASS = "flotta.project-flotta.io/embedded"
PROBE_ADDRESS: Address = ("127.0.0.1", 8081)

AUTO_APPROVAL = Flag(
    help="Whether every device that requests to join is approved, whatever its batch says.",
    default=False,
    variable="AUTO_APPROVAL_PROCESS",
    option="auto_approval",
    role_input="operator_auto_approval",
)
BUCKET_FOR_EVERY_DEVICE = Flag(
    help="Whether each device gets a bucket.",
    default=True,
    variable="OBC_AUTO_CREATE",
    option="bucket_for_every_device",
    option_default=None,
    option_default_help="`true` if `s3` or `bucket_storage_class` is set",
    role_input="operator_bucket_for_every_device",
)
BUCKET_STORAGE_CLASS = Text(
    help="Storage class of the devices' bucket claims.",
    default=EMBEDDED_CLASS,
    variable="BUCKET_STORAGE_CLASS",
    option="bucket_storage_class",
    option_default="",
    role_input="operator_bucket_storage_class",
    input_default="",
)
DECOMMISSION_TIMEOUT = Number(
    help="Seconds that a deleted device has to acknowledge its removal; `0` does not wait.",
    default=300,
    unit="seconds",
    most=10**9,
    variable="DECOMMISSION_TIMEOUT",
    option="decommission_timeout",
    role_input="operator_decommission_timeout",
)
REQUEST_EXPIRY = Number(
    help="Seconds after which a request to join is deleted that nobody approved, or whose device "
    "has not registered since; `0` keeps it forever.",
    default=30 * 86400,
    unit="seconds",
    most=10**9,
    variable="REQUEST_EXPIRY",
    option="request_expiry",
    role_input="operator_request_expiry",
)
EDGEWORKLOAD_CONCURRENCY = Number(
    help="How many devices the operator handles at a time.",
    default=5,
    least=1,
    most=1000,
    variable="EDGEWORKLOAD_CONCURRENCY",
    option="edgeworkload_concurrency",
    role_input="operator_edgeworkload_concurrency",
)
MAX_CONCURRENT_RECONCILES = Number(
    help="How many other objects of a kind the operator handles at a time.",
    default=3,
    least=1,
    most=1000,
    variable="MAX_CONCURRENT_RECONCILES",
    option="max_concurrent_reconciles",
    role_input="operator_max_concurrent_reconciles",
)
LEADER_ELECT = Flag(
    help="Whether several operators elect a leader; only the leader works.",
    default=False,
    variable="LEADER_ELECT",
)
PROBE_ADDR = ListenAddress(
    help="Where the operator serves /healthz and /readyz.",
    default=PROBE_ADDRESS,
    variable="PROBE_ADDR",
)
METRICS_ADDR = ListenAddress(
    help="Where the operator serves /metrics.",
    default=PROBE_ADDRESS,
    default_help="`PROBE_ADDR`; the role sets `127.0.0.1:8082` on a machine",
    variable="METRICS_ADDR",
)

OPERATOR = (
    KUBECONFIG,
    AUTO_APPROVAL,
    REQUEST_EXPIRY,
    DECOMMISSION_TIMEOUT,
    BUCKET_FOR_EVERY_DEVICE,
    BUCKET_STORAGE_CLASS,
    *STORAGE,
    EDGEWORKLOAD_CONCURRENCY,
    MAX_CONCURRENT_RECONCILES,
    LEADER_ELECT,
    PROBE_ADDR,
    METRICS_ADDR,
    NAMESPACE,
    LOG_LEVEL,
)
