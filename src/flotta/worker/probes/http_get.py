"""httpGet: a request to the container, without a program in it (HTTP/1.1 by h11).

Rules of Kubernetes: any status from 200 to 399 passes; a redirect to the same host is followed,
at most ten times, and one to another host passes; certificates are not verified; what is asked for
in the path may have a query.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin, urlsplit

import h11

from flotta import __version__
from flotta.identity.ssl_contexts import unverified_client_context
from flotta.worker.http_get_action import HttpGet
from flotta.worker.probes.connection import MAX_RECEIVED, Connection, connect
from flotta.worker.probes.probe import ProbeFailed

MAX_REDIRECTS = 10  # requests in all, as of Go's client
MAX_BODY = 10 * 1024  # bytes that are waited for, as in Kubernetes
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# As Kubernetes: servers leave `kube-probe/` out of their logs.
PROBE_AGENT, HOOK_AGENT = (f"kube-{role}/flotta-{__version__}" for role in ("probe", "lifecycle"))
UNQUOTED = "!$&'()*+,;=:@/%~"


@dataclass(frozen=True)
class _Request:
    scheme: str
    host: str
    port: int
    target: str
    headers: tuple[tuple[str, str], ...]
    agent: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


@dataclass(frozen=True)
class _Response:
    status: int
    location: str


async def get(action: HttpGet, address: str) -> None:
    """Send the request to the pod at this address; raises ProbeFailed."""
    request = _make_request(action, address, PROBE_AGENT)
    for _ in range(MAX_REDIRECTS):
        response = await _exchange(request)
        following = _redirect(request, response)
        if following is None:
            if not 200 <= response.status < 400:
                raise ProbeFailed(f"status {response.status}")
            return
        request = following
    raise ProbeFailed(f"stopped after {MAX_REDIRECTS} redirects")


async def get_any(action: HttpGet, address: str) -> None:
    """Send the request once; any answer will do. Raises ProbeFailed when there is none."""
    await _exchange(_make_request(action, address, HOOK_AGENT))


def _make_request(action: HttpGet, address: str, agent: str) -> _Request:
    host, target = action.host or address, _make_target(action.path)
    return _Request(action.scheme.lower(), host, action.port, target, action.headers, agent)


def _make_target(path: str) -> str:
    """Return what goes into the request line: path and query, everything else quoted."""
    plain, _, query = path.partition("#")[0].partition("?")
    target = quote(plain if plain.startswith("/") else f"/{plain}", safe=UNQUOTED)
    return f"{target}?{quote(query, safe=UNQUOTED + '?')}" if query else target


def _redirect(request: _Request, response: _Response) -> _Request | None:
    """Return the request that follows a response, None when that response counts."""
    if response.status not in REDIRECTS or not response.location:
        return None
    try:
        url = urlsplit(urljoin(request.url, response.location))
        port = url.port
    except ValueError as error:
        raise ProbeFailed("redirected to what is not a URL") from error
    if (url.hostname or "") != request.host.lower():
        return None
    if url.scheme not in ("http", "https"):
        raise ProbeFailed("redirected to another protocol")
    # The author's Host stays for a relative location only.
    keeps_host = not urlsplit(response.location).netloc
    headers = request.headers if keeps_host else _without_host(request.headers)
    target = _make_target(url.path + (f"?{url.query}" if url.query else ""))
    return replace(
        request,
        scheme=url.scheme,
        port=port or (443 if url.scheme == "https" else 80),
        target=target,
        headers=headers,
    )


def _without_host(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers if name.lower() != "host")


def _complete_headers(request: _Request) -> list[tuple[bytes, bytes]]:
    """Return the author's headers and those that are missing; an empty one leaves it out."""
    defaults = {"Host": request.authority, "User-Agent": request.agent, "Accept": "*/*"}
    given = {name.lower() for name, _ in request.headers}
    headers = [(name, value) for name, value in defaults.items() if name.lower() not in given]
    optional = ("user-agent", "accept")
    headers += [pair for pair in request.headers if pair[1] or pair[0].lower() not in optional]
    headers.append(("Connection", "close"))
    return [(name.encode(), value.encode()) for name, value in headers]


async def _exchange(request: _Request) -> _Response:
    context = unverified_client_context() if request.scheme == "https" else None
    protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_RECEIVED)
    try:
        head = h11.Request(
            method="GET", target=request.target.encode(), headers=_complete_headers(request)
        )
        data = protocol.send(head) or b""
        protocol.send(h11.EndOfMessage())
    except h11.LocalProtocolError as error:
        raise ProbeFailed("the headers of the probe are not valid HTTP") from error
    async with connect(request.host, request.port, context) as connection:
        await connection.send(data)
        try:
            return await _receive(protocol, connection)
        except h11.RemoteProtocolError as error:
            raise ProbeFailed("the response is not valid HTTP") from error


async def _receive(protocol: h11.Connection, connection: Connection) -> _Response:
    """Return the head of the response, once its body or enough of that has arrived."""
    response: _Response | None = None
    body = 0
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            protocol.receive_data(await connection.read())
        elif isinstance(event, h11.Response):
            locations = [value for name, value in event.headers if name == b"location"]
            location = locations[0].decode("latin-1") if locations else ""
            response = _Response(event.status_code, location)
        elif isinstance(event, h11.Data):
            body += len(event.data)
        elif isinstance(event, h11.ConnectionClosed) and response is None:
            raise ProbeFailed("no response")
        if response and (body >= MAX_BODY or isinstance(event, h11.EndOfMessage)):
            return response
