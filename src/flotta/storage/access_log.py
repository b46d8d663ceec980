"""rclone's debug log as an access log: one readable line for each request.

rclone has no access log; at debug level it names every request when it starts to serve it. The rest
of the debug output is left out.
"""

from __future__ import annotations

import re

STAMP = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
LEVEL = re.compile(r"^(DEBUG|INFO|NOTICE|ERROR|CRITICAL)\s*: ")
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


def format_line(line: str) -> str | None:
    """Return the line to print for a line of rclone's log, None to leave it out."""
    line = STAMP.sub("", line.rstrip("\n"))
    level = LEVEL.match(line)
    if level is None or level[1] != "DEBUG":
        return None if any(text in line for text in HARMLESS) else line
    return _format_request(line)


def _format_request(line: str) -> str | None:
    for pattern, form in REQUESTS:
        found = pattern.search(line)
        if found:
            return "access: " + form.format(*found.groups())
    return None
