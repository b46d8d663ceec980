"""The URL of a remote data store."""

from __future__ import annotations

import pytest

from flotta.protocol.store_url import checked_url, is_exposed

BASE = "/api/flotta-backend/v1"


@pytest.mark.parametrize(
    "host", ["store", "Store.example.", "my_store:8053", "192.0.2.7:1", "[2001:db8::1]:8053"]
)
def test_a_host_gets_the_base_path(host: str) -> None:
    assert checked_url(f"https://{host}", "URL") == f"https://{host}{BASE}"


@pytest.mark.parametrize(
    "url",
    [
        "https://ho st",
        "https://h\0",
        "https://h\n",
        "https://gerät.example",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 127}a",
        "https://-a",
        "https://a..b",
        "https://[::1",
        "https://:8053",
        "https://store:99999",
        f"https://store/a b{BASE}",
    ],
)
def test_what_no_request_can_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^URL is .*; use https://HOST:PORT$"):
        checked_url(url, "URL")


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("https://store", False),
        ("http://localhost:8053", False),
        ("http://127.0.0.2", False),
        ("http://[::1]", False),
        ("http://store", True),
        ("http://192.0.2.1:80", True),
    ],
)
def test_http_beyond_the_host_is_exposed(url: str, exposed: bool) -> None:
    assert is_exposed(url) is exposed
