"""Address and access key of a bucket, from a ConfigMap and a Secret that belong together."""

from __future__ import annotations

import base64
import binascii

from flotta.fleet.references import BrokenReference, ObjectSource
from flotta.resources.kinds import CONFIG_MAP, SECRET, Kind
from flotta.resources.objects.core import KeyedData
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import is_owned_by, name_of


class BucketCredentials:
    """Reads the values and collects what is wrong, so that users see all of it at once.

    With a claim, only objects that the claim owns are read: every provisioner that uses the
    library of the kind (lib-bucket-provisioner: NooBaa, Rook) sets this owner, and so does ours.
    """

    def __init__(
        self,
        source: ObjectSource,
        namespace: str,
        config_map: str,
        secret: str,
        claim: BucketClaim | None = None,
    ) -> None:
        self._claim = claim
        self._config_map = source.lookup(CONFIG_MAP, namespace, config_map)
        self._secret = source.lookup(SECRET, namespace, secret)
        self._names = {CONFIG_MAP: config_map, SECRET: secret}
        self._absent: dict[Kind[KeyedData], list[str]] = {CONFIG_MAP: [], SECRET: []}
        self._problems: list[str] = []

    def config_value(self, key: str, default: str | None = None) -> str:
        """Return a value from the ConfigMap, or the default when it has none."""
        # An older object may contain a number where the schema now requires a string.
        text = str(_data(self._config_map).get(key) or "").strip() or default
        if text is None:
            self._absent[CONFIG_MAP].append(key)
        return text or ""

    def config_host(self, key: str) -> str:
        """Return a host name or address from the ConfigMap."""
        text = self.config_value(key)
        if "/" in text:
            self.add_problem(f"{key} is {text!r}; give the host name only")
        return text

    def config_port(self, key: str, default: str | None = None, *, given: str | None = None) -> int:
        """Return `given`, else a port number from the ConfigMap."""
        text = given or self.config_value(key, default)
        if text.isdecimal() and 0 < int(text) < 65536:  # RFC 6335: 16 bits, 0 reserved
            return int(text)
        if text:
            self.add_problem(f"{key} is {text!r}, not a port number")
        return 0

    def secret_value(self, key: str) -> str:
        """Return a value from the Secret in base64, without the newline that `echo` appends."""
        try:
            text = base64.b64decode(_data(self._secret).get(key) or "").strip()
        except (binascii.Error, ValueError):
            text = b""
        if not text:
            self._absent[SECRET].append(key)
        return base64.b64encode(text).decode()

    def optional_secret_value(self, key: str) -> str:
        """Return a value from the Secret in base64, "" when it has none."""
        return str(_data(self._secret).get(key) or "").strip()

    def add_problem(self, sentence: str) -> None:
        """Remember something else that is wrong."""
        self._problems.append(sentence)

    def require_complete(self) -> None:
        """Raise BrokenReference with everything that was missing or wrong."""
        sentences = [
            *self._describe(CONFIG_MAP, self._config_map),
            *self._describe(SECRET, self._secret),
            *self._problems,
        ]
        if sentences:
            raise BrokenReference("; ".join(sentences))

    def _describe(self, kind: Kind[KeyedData], obj: KeyedData | None) -> list[str]:
        name = f"{kind.kind} {self._names[kind]!r}"
        if obj is None:
            return [f"{name} does not exist"]
        if self._claim is not None and not is_owned_by(obj, self._claim):
            claim = f"ObjectBucketClaim {name_of(self._claim)!r}"
            return [f"{name} was not written for {claim}; delete or rename it"]
        absent = self._absent[kind]
        return [f"{name} is missing {' and '.join(absent)}"] if absent else []


def _data(obj: KeyedData | None) -> dict[str, str]:
    return (obj.get("data") if obj else None) or {}
