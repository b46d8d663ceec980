"""`httpGet` of a probe or a hook, as it is stored beside the manifest of its pod."""

from __future__ import annotations

import msgspec


class HttpGet(msgspec.Struct, frozen=True, omit_defaults=True, tag="httpGet"):
    """A GET request; without `host` it goes to the pod.

    A probe passes for a status from 200 to 399, a hook succeeds with any answer.
    """

    port: int
    path: str = "/"
    scheme: str = "HTTP"  # or HTTPS, whose certificate is not verified
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()
