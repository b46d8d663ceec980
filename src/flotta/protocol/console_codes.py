"""The short code by which a person recognises a device's key.

The device shows it on its console, the control plane on the request of the device. Whoever approves
compares both: equal codes mean that the request is from the device in front of them, not from
somebody else who asked for its id (docs/reference/wire-protocol.md#console-code).
"""

from __future__ import annotations

import hashlib
import re

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
BITS = 5  # of a letter
LETTERS = 8  # 40 bits: a key with a given code takes 2**40 tries
HALF = 4  # letters before and after the hyphen
ALIKE = str.maketrans("OIL", "011")  # what people type for what they see
CODE = re.compile(rf"[{ALPHABET}]{{{LETTERS}}}")


def console_code(public_key_fingerprint: str) -> str:
    """Return the code, such as `6XFB-5D6M`, of a key's fingerprint.

    `public_key_fingerprint` is the hex SHA-256 of the SubjectPublicKeyInfo, as enrolments carry it.
    The code is the first 40 bits of the SHA-256 of its 64 lower-case hex digits as ASCII.
    """
    digest = hashlib.sha256(public_key_fingerprint.lower().encode("ascii", "replace")).digest()
    number = int.from_bytes(digest, "big") >> (len(digest) * 8 - LETTERS * BITS)
    shifts = range((LETTERS - 1) * BITS, -1, -BITS)
    letters = "".join(ALPHABET[(number >> shift) % len(ALPHABET)] for shift in shifts)
    return f"{letters[:HALF]}-{letters[HALF:]}"


def read_console_code(text: str) -> str:
    """Return a code that a person typed in the form that `console_code` gives it.

    Case, blanks and hyphens do not matter, and O, I and L are what they look like.

    Raises ValueError with a sentence for anything else.
    """
    letters = re.sub(r"[\s-]", "", text).upper().translate(ALIKE)
    if not CODE.fullmatch(letters):
        raise ValueError(
            f"{text!r} is not a code: it has {LETTERS} letters and digits, as ABCD-EFGH"
        )
    return f"{letters[:HALF]}-{letters[HALF:]}"
