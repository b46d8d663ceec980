"""S3 and IAM of another vendor: moto's server over TLS, which enforces the policies it is given."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from s3_server import S3Server

from flotta.identity.authority import Authority
from flotta.storage.access_keys import AccessKey
from servers.ports import free_port
from waiting import wait_until

SETTING_UP = 3  # requests that moto does not check: they make the administrator
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
}


@contextlib.contextmanager
def foreign_s3(directory: Path) -> Iterator[S3Server]:
    authority = Authority.create("test storage CA", "flotta")
    issued = authority.issue_server(["127.0.0.1"])
    files = {"ca": authority.certificate_pem, "cert": issued.certificate, "key": issued.key}
    for name, data in files.items():
        (directory / f"s3.{name}").write_bytes(data)
    port = free_port()
    command = [
        *(sys.executable, "-c", "from moto.server import main; main()", "-p", str(port)),
        *("-c", str(directory / "s3.cert"), "-k", str(directory / "s3.key")),
    ]
    endpoint = f"https://127.0.0.1:{port}"
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SETTING_UP)}
    log = directory / "moto.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        server = S3Server(
            root=directory,
            keys=directory,
            ca_file=directory / "s3.ca",
            admin_file=directory / "admin.env",
            log=log,
            endpoint=endpoint,
            iam_endpoint=endpoint,
        )
        _make_administrator(server)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _make_administrator(server: S3Server) -> None:
    iam: Any = boto3.client(
        "iam",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        verify=str(server.ca_file),
        config=Config(retries={"total_max_attempts": 1}),
    )
    wait_until(lambda: iam.create_user(UserName="administrator"), tolerate=BotoCoreError)
    iam.put_user_policy(
        UserName="administrator", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
    )
    made = iam.create_access_key(UserName="administrator")["AccessKey"]
    key = AccessKey(made["AccessKeyId"], made["SecretAccessKey"], None)
    text = f"AWS_ACCESS_KEY_ID={key.access_key}\nAWS_SECRET_ACCESS_KEY={key.secret_key}\n"
    server.admin_file.write_text(text)
