"""rclone's debug log as an access log: one readable line for each request.

rclone has no access log; at debug level it names every request when it starts to serve it. The rest
of the debug output is left out. rclone logs as JSON, one record on a line: in its text form, a key
with a line break could begin a line of its own, with any stamp and level.
"""

from __future__ import annotations

import re

import msgspec

from flotta.printable_text import printable
from flotta.protocol.json_text import decode_json

LINE_LIMIT = 4096  # characters of a line that is passed on
REQUESTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"serve s3: CREATE OBJECT: (\S+) (.*)"), "PUT {}/{}"),
    (re.compile(r"serve s3: GET OBJECT Bucket: (\S+) Object: (.*)"), "GET {}/{}"),
    (re.compile(r"serve s3: HEAD OBJECT (\S+) (.*)"), "HEAD {}/{}"),
    (re.compile(r"serve s3: DELETE: (\S+) (.*)"), "DELETE {}/{}"),
    (re.compile(r"serve s3: delete multi (\S+)"), "DELETE-MANY {}"),
    (re.compile(r"serve s3: put multipart upload (\S+) (.*) \S+$"), "PART {}/{}"),
    (re.compile(r"serve s3: initiate multipart upload (\S+) (.*)"), "MULTIPART {}/{}"),
    (re.compile(r"serve s3: complete multipart upload (\S+) (.*) \S+$"), "COMPLETE {}/{}"),
    (re.compile(r'serve s3: bucketname: (\S+) prefix: prefix:"(.*?)"'), "LIST {}/{}"),
    (re.compile(r"serve s3: CREATE BUCKET: (\S+)"), "CREATE-BUCKET {}"),
    (re.compile(r"serve s3: DELETE BUCKET: (\S+)"), "DELETE-BUCKET {}"),
)
HARMLESS = ("poll-interval is not supported", "Moved (server-side)", ": Deleted", ": Copied")


class Record(msgspec.Struct):
    """A record of rclone's log (`rclone --use-json-log`); `object` is what it is about."""

    level: str
    msg: str
    object: str = ""


def format_line(line: str) -> str | None:
    """Return the line to print for a line of rclone's log, None to leave it out.

    What is not a record (a panic, output of the auth proxy) is indented, so that it cannot be taken
    for one. All of it is printable.
    """
    try:
        record = decode_json(line.encode(), Record)
    except (msgspec.DecodeError, UnicodeEncodeError):
        text = printable(line.rstrip("\r\n"), LINE_LIMIT)
        return f"    rclone: {text}" if text.strip() else None
    about = f"{record.object}: {record.msg}" if record.object else record.msg
    text = printable(about, LINE_LIMIT)
    if record.level == "debug":
        return _format_request(text)
    return None if any(part in text for part in HARMLESS) else _format_record(record, text)


def _format_record(record: Record, text: str) -> str:
    return f"{printable(record.level.upper(), 8):<6}: {text}"


def _format_request(line: str) -> str | None:
    for pattern, form in REQUESTS:
        found = pattern.search(line)
        if found:
            return "access: " + form.format(*found.groups())
    return None
