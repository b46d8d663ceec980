# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/console_code.py: change that.
"""The short code of a device's key, which its console shows and the administrator compares.

40 bits: enough to tell devices that wait at the same time apart, and for nobody to meet the code of
another device by chance. Whoever wants to can search for a key with a given code, so it confirms
which device is meant and is not a secret (docs/reference/control-plane.md#console-code).
"""

from __future__ import annotations

import hashlib

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O and U
LENGTH = 8  # characters of five bits
MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def console_code(key_fingerprint: str) -> str:
    """Return the code of a key as `ABCD-EFGH`.

    It is the first 40 bits of the SHA-256 of the fingerprint as text: 64 lower-case hex digits, in
    ASCII, of the SHA-256 of the key's SubjectPublicKeyInfo.
    """
    digest = hashlib.sha256(key_fingerprint.encode("ascii")).digest()
    bits = int.from_bytes(digest[:5])
    letters = [ALPHABET[bits >> 5 * place & 31] for place in reversed(range(LENGTH))]
    text = "".join(letters)
    return f"{text[:4]}-{text[4:]}"


def is_same_code(one: str, other: str) -> bool:
    """Tell whether two texts are the same code, as people write it.

    Case, hyphens and spaces do not count; O is 0, I and L are 1.
    """
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    return text.upper().translate(MISREAD)
