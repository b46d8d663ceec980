"""Settings of the S3 server in which the operator makes buckets."""

from __future__ import annotations

from flotta.settings.setting import Endpoint, FilePath, Flag, PlainEndpoint, Text

S3_DEVICE_ENDPOINT = Endpoint(
    help="Address at which devices reach the S3 server.",
    variable="S3_DEVICE_ENDPOINT",
    option="s3.device_endpoint",
    role_input="operator_s3.device_endpoint",
)
S3_ENDPOINT = PlainEndpoint(
    help="Address at which the operator reaches the S3 server; may use http.",
    default_help="the address that devices use",
    variable="S3_ENDPOINT",
    option="s3.endpoint",
    role_input="operator_s3.endpoint",
)
S3_REGION = Text(
    help="Region of the buckets.",
    default="us-east-1",
    variable="S3_REGION",
    option="s3.region",
    option_default="",
    role_input="operator_s3.region",
    input_default="",
)
S3_ADMIN_FILE = FilePath(
    help="Access key that may create buckets: a file of NAME=value lines, or a mounted Secret, "
    "with "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    variable="S3_ADMIN_FILE",
    live=True,
)
S3_CA_FILE = FilePath(
    help="CA of the S3 server's certificate, PEM.",
    default_help="`ca.crt` beside the access key, else the system's CAs",
    variable="S3_CA_FILE",
    live=True,
)
S3_IAM_ENDPOINT = Endpoint(
    help="Address of the server's IAM API, where the operator creates a user and an access key for "
    "each bucket.",
    variable="S3_IAM_ENDPOINT",
    option="s3.iam_endpoint",
    role_input="operator_s3.iam_endpoint",
)
S3_KEYS_DIR = FilePath(
    help="Key directory of a `flotta-s3` on the same machine, in which the operator creates an "
    "access key for each bucket.",
    variable="S3_KEYS_DIR",
)
S3_SHARED_KEYS = Flag(
    help="Whether every device gets the administrator's access key, for servers without an IAM "
    "API; "
    "each device can then read and change every bucket.",
    default=False,
    variable="S3_SHARED_KEYS",
    option="s3.shared_keys",
    role_input="operator_s3.shared_keys",
)

ISSUERS = (S3_KEYS_DIR, S3_IAM_ENDPOINT, S3_SHARED_KEYS)  # of which exactly one is set
STORAGE = (S3_DEVICE_ENDPOINT, S3_ENDPOINT, S3_REGION, S3_ADMIN_FILE, S3_CA_FILE, *ISSUERS)
