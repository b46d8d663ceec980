"""The role checks the settings of a data store before there are programs, as these do."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from installation_inputs import CA

from flotta.installation.settings import Installation

ROLE = Path(__file__).parents[2] / "collections/ansible_collections/flotta/edge/roles/operator"
URL = "https://store.example:8443"
DAMAGED = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def find_mistake() -> Callable[[str, str, str], str]:
    found: Callable[[str, str, str], str] = runpy.run_path(str(ROLE / "files/store_settings.py"))[
        "find_mistake"
    ]
    return found


def is_accepted(url: str, timeout: str, pem: str) -> bool:
    given = {
        "components": ["edge_api"],
        "backend": "remote",
        "remote_backend_url": url,
        "remote_backend_timeout": timeout,
        "remote_backend_ca_pem": pem,
    }
    try:
        Installation.from_parameters(given)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("url", "timeout", "pem"),
    [
        *((url, "5s", "") for url in (URL, f"{URL}/", "http://127.0.0.1:80", "https://[::1]:8443")),
        *((f"{URL}{path}", "5s", "") for path in ("/api/flotta-backend/v1", "/a/api/wrong", "?a")),
        *((f"https://{rest}", "5s", "") for rest in ("u:p@h", "h:99999", "h:0", "h:p", "[::1", "")),
        *((url, "5s", "") for url in ("localhost:8053", "ftp://h", "HTTPS://Store.Example")),
        *(
            (URL, text, "")
            for text in ("10ms", "1h", "1m30s", "5 seconds", "5", "1ms", "2h", "-5s")
        ),
        *((URL, "5s", pem) for pem in (CA, f"subject=O=Müller\n{CA}{CA}", "not a pem", DAMAGED)),
        (URL, "5s", CA + DAMAGED),
    ],
)
def test_both_agree(
    find_mistake: Callable[[str, str, str], str], url: str, timeout: str, pem: str
) -> None:
    assert (find_mistake(url, timeout, pem) == "") == is_accepted(url, timeout, pem)
