"""Listings of an S3 server that are not what a listing is."""

from __future__ import annotations

import pytest

from flotta.sync.listing import ConnectionFailedError, _next_token, parse_error, parse_objects

PAGE = """<?xml version="1.0"{encoding}?><ListBucketResult><IsTruncated>true</IsTruncated>
<NextContinuationToken>{token}</NextContinuationToken>
<Contents><Key>a</Key><Size>{size}</Size></Contents></ListBucketResult>"""


def page(encoding: str = "", after: str = "t", size: str = "5") -> bytes:
    return PAGE.format(encoding=encoding, token=after, size=size).encode("latin-1")


@pytest.mark.parametrize(
    "given", [page(size="x"), page(size="-5"), page(' encoding="big5"'), page(' encoding="none"')]
)
def test_what_cannot_be_read_is_a_failure_of_the_server(given: bytes) -> None:
    with pytest.raises(ConnectionFailedError):
        list(parse_objects([given]))


def test_a_token_that_is_not_utf_8_is_sent_back_to_a_server_that_refuses_it() -> None:
    assert _next_token(page(after="\x80t")) == "\ufffdt"


def test_an_error_document_in_an_unknown_encoding_is_its_status() -> None:
    assert parse_error(b'<?xml version="1.0" encoding="none"?><Error/>', 403) == ("403", "")
