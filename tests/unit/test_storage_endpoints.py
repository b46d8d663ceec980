"""What is taken as the address of an S3 server."""

from __future__ import annotations

import pytest

from flotta.storage.endpoints import checked_endpoint


@pytest.mark.parametrize(
    "url",
    ["https://s3.example.com", "https://192.0.2.1:9000", "https://[2001:db8::1]:9000", ""],
)
def test_usable_address_comes_back_as_it_is(url: str) -> None:
    assert checked_endpoint(url) == url


def test_blanks_and_the_last_slash_do_not_matter() -> None:
    assert checked_endpoint(" https://s3.example.com:9000/ ") == "https://s3.example.com:9000"


@pytest.mark.parametrize(
    "url",
    [
        *("s3.example.com", "http://h:9000", "ftp://h", "https://", "https://:9000"),
        *("https://h:0", "https://h:99999", "https://h:port", "https://user:secret@h"),
        *("https://h/path", "https://h?query", "https://h#part", "https://a b", "https://[::1"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"^s3\.endpoint is .*; use https://HOST:PORT$"):
        checked_endpoint(url, "s3.endpoint")


def test_plain_http_is_taken_where_it_is_allowed() -> None:
    assert checked_endpoint("http://h:9000", "x", ("https", "http")) == "http://h:9000"
