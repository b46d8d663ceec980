"""Whatever is given as a name, a request is for an object of that kind or not made at all."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
import urllib3
import yarl
from hypothesis import given
from hypothesis import strategies as st

from flotta.cli.flotta import main
from flotta.resources.client import Client, NotFound
from flotta.resources.kinds import EDGE_WORKLOAD, NAMESPACE, SECRET
from flotta.resources.names import check_name, check_namespace

PREFIX = "/api/v1/namespaces/n/secrets/"
OF_ANOTHER = ["", ".", "..", "../x", "a/b", "../../../n/secrets/mixed", "a%2Fb", "%2e%2e"]
QUOTED = ["d1?dryRun=All", "a#b", "a b", "a\nb", "ä", "a;b", "a\\..\\b"]


class NoRequests:
    """Fails a test that makes a request."""

    async def read_body(self, *_: object) -> bytes:
        raise AssertionError


@pytest.mark.parametrize("name", OF_ANOTHER)
def test_a_name_that_would_be_another_path_is_refused(name: str) -> None:
    with pytest.raises(NotFound, match="no Secret can have the name"):
        SECRET.path("n", name)
    with pytest.raises(NotFound, match="no Namespace can have the name"):
        SECRET.path(name, "s")
    with pytest.raises(NotFound, match="no Namespace"):
        NAMESPACE.path(None, name)


@pytest.mark.parametrize("name", QUOTED)
def test_what_else_means_something_in_an_address_is_quoted(name: str) -> None:
    assert unquote(SECRET.path("n", name)) == PREFIX + name
    assert set(SECRET.path("n", name)[len(PREFIX) :]).isdisjoint("?#/ \n;\\")


@given(st.text(max_size=8) | st.text("./%?#ab\\", max_size=8))
def test_http_clients_ask_for_the_object_of_that_name(name: str) -> None:
    try:
        url = "http://h" + SECRET.path("n", name)
    except (NotFound, UnicodeEncodeError):  # half of a surrogate pair
        return
    for sent in (urllib3.util.parse_url(url).request_uri, yarl.URL(url).raw_path_qs):
        assert unquote(urlsplit(sent).path) == PREFIX + name
        assert urlsplit(sent).query == ""


@pytest.mark.asyncio
async def test_without_a_name_nothing_is_asked_or_deleted() -> None:
    client = Client(NoRequests())  # type: ignore[arg-type]
    assert await client.get_or_none(SECRET, "", "n") is None
    with pytest.raises(NotFound):
        await client.delete(SECRET, "", "n")
    with pytest.raises(NotFound):
        await client.merge_patch(EDGE_WORKLOAD, "w", "", {})
    with pytest.raises(NotFound):
        await client.list(SECRET, "")


@pytest.mark.parametrize("name", [*OF_ANOTHER, *QUOTED, "A", "-a", "a" * 254])
def test_a_sentence_says_what_is_wrong_with_a_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name is"):
        check_name(name)
    with pytest.raises(ValueError, match=r"^-n is"):
        check_namespace(name, "-n")
    assert check_name("till-1.shops") == "till-1.shops"
    with pytest.raises(ValueError, match="63"):
        check_namespace("till-1.shops")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["decommission", ""], "the name is empty"),
        (["decommission", "a", "../edgedevicesets/s1"], "the name is '../edgedevicesets/s1'"),
        (["decommission", "--held", "--yes", "-n", ""], "the namespace is empty"),
        (["adopt", "--all-unknown", "-n", ""], "the namespace is empty"),
        (["status", "-n", ""], "the namespace is empty"),
        (["approve", "a?x=y"], "the name is 'a?x=y'"),
        (["explain", "workload", "..", "-n", "a"], "the name is '..'"),
        (["device", "quarantine", "a", "-n", "a/b"], "the namespace is 'a/b'"),
        (["registration", "revoke", ""], "the name is empty"),
        (["registration", "issue", "a", "-n", ""], "the namespace is empty"),
        (["certificates", "issue", "--server", "s", "--name", ""], "the name is empty"),
    ],
)
def test_commands_refuse_what_cannot_be_a_name(words: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--kubeconfig", "/nowhere", *words])
    assert str(ended.value.code).startswith(f"flotta: {sentence}")
