"""The signed ListObjectsV2 that the resident process makes itself, without boto3.

One kept connection; TLS is verified with the CA of the storage; proxies of the environment are
used.
Source: Amazon S3 API reference, ListObjectsV2 (path-style addressing, encoding-type=url).
"""

from __future__ import annotations

import base64
import html
import http.client
import io
import re
import ssl
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit
from xml.etree import ElementTree

from flotta.protocol.reasons.reason import with_code
from flotta.protocol.reasons.sync import (
    BUCKET_NOT_FOUND,
    CLOCK_WRONG,
    INVALID_LISTING,
    STORAGE_CREDENTIALS_REFUSED,
    STORAGE_NOT_TRUSTED,
    STORAGE_REFUSED,
    STORAGE_UNREACHABLE,
)
from flotta.sync.model import S3Storage, SyncError
from flotta.sync.signature import EMPTY_SHA256, authorization, canonical_path, canonical_query

TIMEOUT = 60.0  # seconds without a byte
RESPONSE_LIMIT = 8 << 20  # bytes of one page: 1,000 keys of 1,024 escaped bytes take up half
MAX_SIZE = 1 << 62  # bytes of an object, more than any
# Read without parsing: a page like the last one never needs to be parsed at all.
TOKEN = re.compile(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>")
URL_ENCODED = re.compile(rb"<EncodingType>\s*url\s*<")
TRUNCATED = re.compile(rb"<IsTruncated>\s*true\s*<")


class ConnectionFailedError(SyncError):
    """The server was not reached or the connection broke; trying again later may help."""


class RefusedError(SyncError):
    """The server responded, but with an error; `code` is S3's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class RemoteObject:
    """One listed object. `modified` is opaque: compared with its record, never with a clock."""

    key: str
    size: int
    etag: str
    modified: str


class ListingClient:
    """Lists one bucket; keeps its connection between calls. Not for concurrent use."""

    def __init__(self, storage: S3Storage, timeout: float = TIMEOUT) -> None:
        self.storage = storage
        self._url = urlsplit(storage.endpoint)
        self._timeout = timeout
        self._context = ssl.create_default_context(cadata=storage.ca_pem or None)
        self._connection: http.client.HTTPConnection | None = None

    def list_pages(self, prefix: str) -> Iterator[bytes]:
        """Yield the responses that list every object whose key begins with `prefix`."""
        token: str | None = ""
        while token is not None:
            query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
            if token:
                query["continuation-token"] = token
            page = self._get(query)
            yield page
            token = _next_token(page)

    def close(self) -> None:
        """Close the kept connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _get(self, query: dict[str, str]) -> bytes:
        kept = self._connection is not None
        try:
            return self._send_request(query)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not kept:
                raise ConnectionFailedError(self._describe_failure(error)) from error
        # The server may have closed the kept connection meanwhile: try once more with a new one.
        try:
            return self._send_request(query)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionFailedError(self._describe_failure(error)) from error

    def _send_request(self, query: dict[str, str]) -> bytes:
        connection = self._connection or self._connect()
        self._connection = connection
        path = f"{self._url.path.rstrip('/')}/{self.storage.bucket}"
        target = f"{canonical_path(path)}?{canonical_query(query)}"
        connection.request("GET", target, headers=self._signed_headers(path, query))
        response = connection.getresponse()
        body = response.read(RESPONSE_LIMIT)
        if response.status >= 500:
            self.close()
            sentence = (
                f"The S3 server {self.storage.endpoint} answered"
                f" {response.status} {response.reason}."
            )
            raise ConnectionFailedError(with_code(sentence, STORAGE_UNREACHABLE))
        if response.status != 200:
            raise self._refused_error(response.status, body)
        return body

    def _signed_headers(self, path: str, query: dict[str, str]) -> dict[str, str]:
        moment = datetime.now(UTC)
        headers = {
            "Host": self._url.netloc,
            "x-amz-content-sha256": EMPTY_SHA256,
            "x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ"),
        }
        headers["Authorization"] = authorization(
            "GET",
            path,
            query,
            headers,
            access_key=self.storage.access_key,
            secret_key=self.storage.secret_key,
            region=self.storage.region,
            moment=moment,
        )
        return headers

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        proxy = _proxy_of(self._url)
        to_host, to_port = (proxy.hostname or "", proxy.port or 3128) if proxy else (host, port)
        if self._url.scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection = http.client.HTTPSConnection(
            to_host, to_port, timeout=self._timeout, context=self._context
        )
        if proxy:
            connection.set_tunnel(host, port or 443, headers=_proxy_headers(proxy))
        return connection

    def _describe_failure(self, error: Exception) -> str:
        endpoint = self.storage.endpoint
        if isinstance(error, ssl.SSLCertVerificationError):
            text = (
                f"The certificate of the S3 server {endpoint} is not valid: {error.verify_message}."
            )
            return with_code(text, STORAGE_NOT_TRUSTED)
        if isinstance(error, TimeoutError):
            return with_code(
                f"The S3 server {endpoint} did not answer in time.", STORAGE_UNREACHABLE
            )
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return with_code(
            f"The S3 server {endpoint} cannot be reached: {reason}.", STORAGE_UNREACHABLE
        )

    def _refused_error(self, status: int, body: bytes) -> RefusedError:
        code, message = parse_error(body, status)
        return RefusedError(code, describe_refusal(self.storage, code, message))


def describe_refusal(storage: S3Storage, code: str, message: str) -> str:
    """Return the sentence for an error response of the S3 server, with our code at its end."""
    where = f"{storage.endpoint} (bucket {storage.bucket})"
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "403"):
        text = f"The S3 server {where} refused the credentials: {code}."
        return with_code(text, STORAGE_CREDENTIALS_REFUSED)
    if code in ("NoSuchBucket",):
        text = f"The bucket {storage.bucket} does not exist at {storage.endpoint}."
        return with_code(text, BUCKET_NOT_FOUND)
    text = f"The S3 server {where} refused the request: "
    if code == "RequestTimeTooSkewed":
        return with_code(f"{text}the clock of the device is wrong.", CLOCK_WRONG)
    return with_code(f"{text}{code} {message}".rstrip(". ") + ".", STORAGE_REFUSED)


def parse_error(body: bytes, status: int) -> tuple[str, str]:
    """Return code and message of an S3 error document; the HTTP status if it is not one."""
    try:
        root = _parse_xml(body)
    except ElementTree.ParseError:
        return str(status), ""
    return root.findtext("{*}Code") or str(status), root.findtext("{*}Message") or ""


def parse_objects(pages: Iterable[bytes]) -> Iterator[RemoteObject]:
    """Yield the objects of listing responses; one page at a time is in memory.

    Raises ConnectionFailedError for anything else.
    """
    for page in pages:
        try:
            yield from _parse_page(page)
        except ElementTree.ParseError as error:
            raise ConnectionFailedError(
                with_code("The S3 server sent a listing that is not XML.", INVALID_LISTING)
            ) from error
        except (ValueError, LookupError) as error:  # a size that is none, an unknown encoding
            text = f"The S3 server sent a listing that cannot be read: {error}."
            raise ConnectionFailedError(with_code(text, INVALID_LISTING)) from error


def _parse_page(page: bytes) -> Iterator[RemoteObject]:
    # expat has no network access and refuses entity bombs; the server is authenticated by TLS.
    events = ElementTree.iterparse(io.BytesIO(page), ("start", "end"))  # noqa: S314
    _, root = next(events)
    space = root.tag[: root.tag.rfind("}") + 1]
    # In the order of the document, the encoding comes after the objects on some servers.
    decode = unquote_plus if URL_ENCODED.search(page) else str
    for event, item in events:
        if event == "end" and item.tag == f"{space}Contents":
            yield RemoteObject(
                key=decode(item.findtext(f"{space}Key") or ""),
                size=_read_size(item.findtext(f"{space}Size") or "0"),
                etag=(item.findtext(f"{space}ETag") or "").strip('"'),
                modified=item.findtext(f"{space}LastModified") or "",
            )
            root.clear()


def _read_size(text: str) -> int:
    size = int(text)
    if size < 0:
        raise ValueError(f"an object has a size of {size} bytes")
    return min(size, MAX_SIZE)


def _next_token(page: bytes) -> str | None:
    if b"NextContinuationToken" not in page:
        if b"ListBucketResult" not in page:
            raise ConnectionFailedError(
                with_code("The S3 server sent something that is not a listing.", INVALID_LISTING)
            )
        return None
    found = TOKEN.search(page)
    truncated = TRUNCATED.search(page) is not None
    # Bytes that are not UTF-8 make a token that the server refuses.
    return html.unescape(found[1].decode(errors="replace")) if found and truncated else None


def _parse_xml(body: bytes) -> ElementTree.Element:
    # expat has no network access and refuses entity bombs; the server is authenticated by TLS.
    try:
        return ElementTree.fromstring(body)  # noqa: S314
    except (ValueError, LookupError) as error:  # an encoding that Python does not read
        raise ElementTree.ParseError(str(error)) from error


def _proxy_of(url: SplitResult) -> SplitResult | None:
    found = urllib.request.getproxies().get(url.scheme)
    if not found or urllib.request.proxy_bypass(url.hostname or ""):
        return None
    return urlsplit(found if "://" in found else f"http://{found}")


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    text = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}
