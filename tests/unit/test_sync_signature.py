"""Published examples: AWS "Signature Calculations for the Authorization Header" (Amazon S3)."""

from __future__ import annotations

from datetime import UTC, datetime

from flotta.sync.signature import EMPTY_SHA256, authorization, canonical_query, signing_key

MOMENT = datetime(2013, 5, 24, tzinfo=UTC)
KEYS = {
    "access_key": "AKIAIOSFODNN7EXAMPLE",
    "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "region": "us-east-1",
    "moment": MOMENT,
}
HEADERS = {
    "Host": "examplebucket.s3.amazonaws.com",
    "x-amz-content-sha256": EMPTY_SHA256,
    "x-amz-date": "20130524T000000Z",
}


def signature_of(header: str) -> str:
    return header.rpartition("Signature=")[2]


def test_get_object_with_range_as_published():
    header = authorization("GET", "/test.txt", {}, {**HEADERS, "Range": "bytes=0-9"}, **KEYS)
    assert header == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_get_bucket_lifecycle_as_published():
    header = authorization("GET", "/", {"lifecycle": ""}, HEADERS, **KEYS)
    assert (
        signature_of(header) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )


def test_list_objects_as_published():
    header = authorization("GET", "/", {"max-keys": "2", "prefix": "J"}, HEADERS, **KEYS)
    assert (
        signature_of(header) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


def test_signing_key_as_published():
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


def test_query_is_sorted_and_encoded_like_aws_wants():
    query = canonical_query({"prefix": "a b/é+~", "list-type": "2"})
    assert query == "list-type=2&prefix=a%20b%2F%C3%A9%2B~"
