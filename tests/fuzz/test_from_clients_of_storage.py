"""Requests to the IAM API of the embedded S3 server, and the lines of rclone's log."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from inputs import as_json, like, text_mutations, texts
from properties import assert_nothing_outside, assert_printable

from flotta.storage.access_log import LINE_LIMIT, format_line
from flotta.storage.auth_proxy import answer_question
from flotta.storage.bucket_names import is_bucket_name
from flotta.storage.iam.policies import BadPolicy, find_bucket
from flotta.storage.iam.signatures import SignedHttpRequest, Unsigned, verify_signature
from flotta.storage.iam.users import IamError, Users
from flotta.storage.key_store import read_key

Fuzz = Callable[..., None]
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:*"],
            "Resource": ["arn:aws:s3:::b-1", "arn:aws:s3:::b-1/*"],
        }
    ],
}
STAMP = datetime(2026, 5, 1, 12, tzinfo=UTC)
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIA/20260501/us-east-1/iam/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)


def test_policies(fuzz: Fuzz) -> None:
    def check(document: bytes) -> None:
        with contextlib.suppress(BadPolicy):
            assert is_bucket_name(find_bucket(document.decode(errors="replace")))

    fuzz(check, as_json(like(POLICY)))


def test_signatures(fuzz: Fuzz) -> None:
    def check(authorization: str, other: str) -> None:
        headers = (
            ("authorization", authorization),
            ("host", other),
            ("x-amz-date", "20260501T120000Z"),
            ("x-amz-content-sha256", other),
        )
        for given in (headers, headers[:3]):
            request = SignedHttpRequest("POST", f"https://{other}/", given, b"Action=X")
            with pytest.raises(Unsigned):
                verify_signature(request, "iam", {"AKIA": "secret"}.get, STAMP)

    fuzz(check, text_mutations(AUTHORIZATION), st.one_of(texts(), st.just("127.0.0.1:9000")))


def test_users_and_keys_stay_in_their_directory(fuzz: Fuzz, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    users = Users(keys)

    def check(name: str, other: str) -> None:
        for act in (
            lambda: users.create(name),
            lambda: users.put_policy(name, other, json.dumps(POLICY)),
            lambda: users.put_policy(name, "p", other),
            lambda: users.create_key(name),
            lambda: users.get_policy(name, other),
            lambda: users.delete_key(name, other),
            lambda: users.delete(name),
        ):
            try:
                act()
            except (IamError, BadPolicy):
                continue
        read_key(keys, name)
        assert_nothing_outside(tmp_path, keys)

    fuzz(check, text_mutations("flotta-a.b@c"), text_mutations(json.dumps(POLICY)))


def test_questions_of_rclone(fuzz: Fuzz, tmp_path: Path) -> None:
    def check(access_key: str) -> None:
        request, response = io.StringIO(json.dumps({"user": access_key})), io.StringIO()
        assert answer_question(request, response, tmp_path, tmp_path) == 1
        assert not response.getvalue()

    fuzz(check, texts())


def test_lines_of_the_log(fuzz: Fuzz) -> None:
    record: dict[str, Any] = {
        "level": "debug",
        "msg": "serve s3: CREATE OBJECT: bucket key",
        "object": "s3",
        "time": "2026",
    }

    def check(line: bytes) -> None:
        shown = format_line(line.decode(errors="surrogateescape"))
        if shown is not None:
            assert_printable(shown)
            assert len(shown) <= LINE_LIMIT + 20

    fuzz(check, as_json(like(record, {**record, "level": "error"}, {**record, "msg": "x"})))
