# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/storage/endpoints.py: change that.
"""What counts as the address of an S3 server or of its IAM API."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Scheme, name or address, port: nothing behind these, and no password.
FORM = re.compile(r"(https?)://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?", re.ASCII)


def checked_endpoint(
    url: str, name: str = "the endpoint", schemes: tuple[str, ...] = ("https",)
) -> str:
    """Return `url` without blanks and slashes around it, empty for an empty one.

    Raises ValueError with a sentence that begins with `name` when it is not `SCHEME://HOST[:PORT]`.
    """
    text = url.strip().rstrip("/")
    if "@" in text:  # the other sentence repeats the URL, and logs keep it
        raise ValueError(
            f"{name} is a URL with a user name or password; use {schemes[0]}://HOST:PORT"
        )
    if text and not (_is_usable(text) and urlsplit(text).scheme in schemes):
        raise ValueError(f"{name} is {text!r}; use {schemes[0]}://HOST:PORT")
    return text


def _is_usable(text: str) -> bool:
    try:
        return FORM.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:
        return False
