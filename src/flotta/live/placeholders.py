"""Identifiers that say nothing: what makers of boards leave in DMI when they fill in nothing.

Two machines with one of these would be one device. A value that is refused costs little (the next
one counts), so the rules are strict. The words are those seen in the field, such as the lists of
Canonical's `dmidecode` reports, the Linux kernel's quirks and fwupd's.
"""

from __future__ import annotations

import re
import uuid
from itertools import pairwise

SHORTEST_SERIAL = 4  # letters and digits
FEWEST_BYTES = 5  # different bytes in a UUID; one of zeros and a MAC address mostly has more
LARGEST_FILLER = 0x0F  # a UUID of such bytes alone was typed, as 03000200-0400-0500-0006-…

UUIDS = frozenset(
    uuid.UUID(text)
    for text in (
        "03000200-0400-0500-0006-000700080009",  # AMI's default; many boards
        "00020003-0004-0005-0006-000700080009",  # the same in the other byte order
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "78563412-3412-7856-90ab-cddeefaabbcc",
        "12345678-1234-1234-1234-123456789abc",
        "12345678-90ab-cdef-1234-567890abcdef",
        "10000000-2000-3000-4000-500000000000",
        "4c4c4544-0000-2010-8020-80c04f202020",  # Dell without a service tag
        "fffefdfc-fbfa-f9f8-f7f6-f5f4f3f2f1f0",
        "deadbeef-dead-beef-dead-beefdeadbeef",
    )
)

# Compared without case, blanks and punctuation.
WORDS = """
    tobefilledbyoem tobefilledbyoemmanufacturer tobefilledbyoemx filledbyoem tobefilled
    tobesetbyoem tobedetermined tobeupdated tobd tbd oem oemdefault default defaultstring
    defaultvalue defaultserial defaultserialnumber defaultsystemserial standard
    none null nil nill na nan empty blank unknown undefined unspecified invalid void unset
    notspecified notapplicable notavailable notdefined notpresent notsettable notset notfound
    notprovided notassigned notsupported notprogrammed nodata noserial noserialnumber noasset
    noassettag nosn noinformation nonumber
    serial serialnumber serialno serialnum sn systemserial systemserialnumber
    systemproductserial productserial productserialnumber baseboardserial
    baseboardserialnumber boardserial boardserialnumber mbserial motherboardserial
    chassisserial chassisserialnumber enclosureserial assettag assetnumber
    systemmanufacturer systemproductname systemversion systemname manufacturer
    sernum sernum0 sernum1 serno empty0 ssn123456789 mb1234567890 eval evaluation test testserial
    testing sample example prototype engineeringsample dummy reserved x86 pc qemu bochs
    changeme fixme placeholder string text abcd abcdef qwerty asdf
"""
SERIALS = frozenset(WORDS.split())
PREFIXED_COUNT = re.compile(r"[a-z]{0,8}0?12345\d*(90?)?")  # "BSN12345678901234567", "SN12345"
FILLERS = re.compile(r"(tobefilled|defaultstring|notspecified|systemserial|serialnumber).*")
COUNTS = (
    "01234567890123456789",
    "98765432109876543210",
    "0123456789abcdefghijklmnopqrstuvwxyz",
    "1234567890abcdefghijklmnopqrstuvwxyz",
    "a1b2c3d4e5f6g7h8i9j0",
)
ZEROS = re.compile(r"0{5,}[a-z0-9]{1,2}|[a-z]{1,12}0{4,}")  # "00000001", "SN0000000000"
# Nothing but words that say what would stand there: "Type2 - Board Serial Number", "SerialNum1".
CAPTION = re.compile(
    r"(type\d|unknown|standard|default|oem|product|system|chassis|enclosure|main|mother|base|board"
    r"|computer|machine|pc|asset|tag|serial|sernum|number|num|no|sn)+\d?"
)
MAKERS = frozenset(
    ["intel", "amd", "asus", "asrock", "msi", "gigabyte", "lenovo", "dell", "hp", "hpe", "acer"]
)
TYPED = "01234567", "12345678", "78563412"  # how a UUID begins that was typed


def is_placeholder_uuid(number: uuid.UUID) -> bool:
    """Tell whether a UUID was typed or left out instead of made."""
    octets = number.bytes
    return (
        number in UUIDS
        or number.hex.startswith(TYPED)
        or len(set(octets)) < FEWEST_BYTES
        or max(octets) <= LARGEST_FILLER
        or len({(later - earlier) % 256 for earlier, later in pairwise(octets)}) == 1
        or all(octet % 0x11 == 0 for octet in octets)  # 11111111-2222-3333-4444-…
        or octets[:8] == octets[8:]
    )


def is_placeholder_serial(text: str) -> bool:
    """Tell whether a serial number says nothing about the machine."""
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    return (
        len(letters) < SHORTEST_SERIAL
        or letters in SERIALS | MAKERS
        or len(set(letters)) == 1
        or len(set(letters) - {"0", "x"}) == 0
        or FILLERS.fullmatch(letters) is not None
        or PREFIXED_COUNT.fullmatch(letters) is not None
        or ZEROS.fullmatch(letters) is not None
        or CAPTION.fullmatch(letters) is not None
        or _counts(letters)
    )


def is_placeholder_vendor(text: str) -> bool:
    """Tell whether the name of a maker says nothing."""
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    return not letters or letters in SERIALS or FILLERS.fullmatch(letters) is not None


def _counts(letters: str) -> bool:
    """Tell whether the letters only count up or down, or repeat a short piece."""
    repeats = (letters + letters).find(letters, 1) <= len(letters) // 4
    return repeats or any(letters in count for count in COUNTS)
