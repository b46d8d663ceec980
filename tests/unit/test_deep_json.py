"""JSON that is nested so deeply that Python gives up is refused like any other that is wrong."""

from __future__ import annotations

import json

import msgspec
import pytest

from flotta.gateway.certificate_requests import _split_certificate
from flotta.gateway.errors import BadResponse
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.status_codes import explain_refusal
from flotta.storage.access_log import format_line
from flotta.storage.iam.policies import BadPolicy, find_bucket
from flotta.sync import job

DEEP = "[" * 1500 + "]" * 1500
MEMBER = f'"unknown": {DEEP}}}'


def test_a_message_of_the_transferring_child() -> None:
    line = f'{{"number": 1, "action": "place", {MEMBER}'.encode()
    for decode in (job.decode_message, job.decode_file_request):
        with pytest.raises(msgspec.DecodeError):
            decode(line)


def test_a_response_of_the_edge_api() -> None:
    body = f'{{"reason": "UnknownDevice", {MEMBER}'.encode()
    assert explain_refusal(HttpResponse(403, {}, body), "till-7").endswith("[RequestRefused]")
    with pytest.raises(BadResponse):
        _split_certificate(f'{{"content": {{"certificate": "x", {MEMBER}}}'.encode())


def test_a_policy_and_a_line_of_the_log_of_the_object_storage() -> None:
    with pytest.raises(BadPolicy):
        find_bucket(f'{{"Statement": [], {MEMBER}')
    record = json.dumps({"level": "error", "msg": "m"})[:-1]
    assert (format_line(f"{record}, {MEMBER}") or "").startswith("    rclone: ")
