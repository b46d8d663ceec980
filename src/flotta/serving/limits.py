"""How many connections a server has at once, and how long it waits for a client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from flotta.serving.descriptors import connection_budget

# Label values of metrics; docs/reference/metrics.md#edge-api says what each means.
Cap = Literal["total", "handshakes", "address", "certificate", "anonymous", "descriptors"]
CAPS: tuple[Cap, ...] = (
    *("total", "handshakes", "address"),
    *("certificate", "anonymous", "descriptors"),
)
ANONYMOUS = ""  # the key of all clients without a certificate
# A body may come as slowly as over GPRS with little signal, but its length must be known then.
SLOWEST = 512  # bytes a second
LONGEST_BODY = 3 * 1024 * 1024  # bytes; that of the resource API
HANDSHAKES = 512  # pending at once; a handshake takes about a millisecond of CPU


class Owner(NamedTuple):
    """Whose connection it is: connections with the same key share one cap."""

    key: str
    name: str  # for the log
    most: int  # connections at once
    cap: Cap = "certificate"


# Returns the owner of a DER certificate that TLS has verified, None of a client without one.
Identify = Callable[[bytes | None], Owner]


@dataclass(frozen=True)
class Limits:
    """Most connections at once: all of them, and those whose handshake is pending."""

    total: int
    handshakes: int = HANDSHAKES
    by_address: bool = True  # whether addresses share the pending handshakes fairly

    @classmethod
    def of_descriptors(cls, most: int = 0, *, by_address: bool = True) -> Limits:
        """Return what descriptors and memory of this process allow, at most `most`.

        With 0, `most` does not count. At most half of the connections may be pending handshakes.
        """
        budget = connection_budget()
        total = max(1, min(budget, most) if most else budget)
        return cls(total, max(1, min(HANDSHAKES, total // 2)), by_address)


@dataclass(frozen=True)
class Deadlines:
    """Seconds within which a client must do something."""

    hello: float = 5.0  # send the first byte, and before it the header of the PROXY protocol
    handshake: float = 15.0  # complete the TLS handshake, from its first byte
    first_request: float = 10.0  # send the first request with all its headers
    headers: float = 10.0  # complete the headers of a further request that has begun
    body: float = 60.0  # begin with a request's body; see `for_body`
    idle: float = 150.0  # send the next request; gateways hold one for 55

    def for_body(self, length: int | None) -> float:
        """Return the seconds within which a body of this many bytes has to be here as a whole."""
        return self.body + min(length or 0, LONGEST_BODY) / SLOWEST
