"""Boot media, and the files of other programs, as a device that runs from an image reads them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from hypothesis import strategies as st
from inputs import apply_changes, as_json, changes_of_bytes, like, mutations, texts
from properties import assert_printable

from flotta.live.boot_report import BootReport, Warned
from flotta.live.console.screen import HEIGHT, WIDTH
from flotta.live.console.service import BROKEN, render_now
from flotta.live.device_id import choose_device_id, is_device_id
from flotta.live.hardware import Hardware, Serial
from flotta.live.places import Places
from flotta.live.state.block_device import open_device
from flotta.live.state.errors import NoState
from flotta.live.state.gpt import plan_writes
from flotta.live.state.medium import find_place
from flotta.protocol.joining import JoiningStatus, Phase, encode_joining
from unit.live.media import BACKUP, GIBIBYTE, ISO, SECTOR, make_stick, put

Fuzz = Callable[..., None]
Changes = list[tuple[int, int, bytes]]
HEAD = ISO[: 18 * 2048]  # table and descriptors


def test_a_place_for_the_state_is_never_on_the_iso_or_behind_the_end(
    fuzz: Fuzz, tmp_path: Path
) -> None:
    stick = make_stick(tmp_path)
    size = stick.stat().st_size
    with open_device(stick) as device:
        place = find_place(device)
    writes = plan_writes(place.table) if place.table else ()
    tail = b"".join(write.content for write in writes[:2])

    def check(front: Changes, end_of_medium: tuple[bool, Changes]) -> None:
        table, back = end_of_medium
        head = apply_changes(HEAD, front)[: len(HEAD)].ljust(len(HEAD), b"\0")
        put(stick, 0, with_checksums(head))
        end = apply_changes(tail, back)[:BACKUP].ljust(BACKUP, b"\0") if table else bytes(BACKUP)
        put(stick, size - BACKUP, end)
        try:
            with open_device(stick) as device:
                found = find_place(device)
        except NoState:
            return
        area = found.area
        assert area.offset >= GIBIBYTE
        assert area.offset + area.length <= size - BACKUP
        for write in plan_writes(found.table) if found.table else ():
            in_front = write.offset >= SECTOR and write.offset + len(write.content) < GIBIBYTE
            assert in_front or write.offset >= area.offset + area.length

    fuzz(check, changes_of_bytes(), st.tuples(st.booleans(), changes_of_bytes()))


def with_checksums(head: bytes) -> bytes:
    """Return a table as its writer would have made it: else nearly all are refused for that."""
    entries, header = head[2 * SECTOR : 64 * SECTOR], bytearray(head[SECTOR : SECTOR + 92])
    struct.pack_into("<I", header, 88, zlib.crc32(entries))
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    return head[:SECTOR] + header + head[SECTOR + 92 :]


def test_the_console_shows_a_screen_whatever_the_files_say(fuzz: Fuzz, tmp_path: Path) -> None:
    places = Places(tmp_path)
    for path in (places.report, places.joining):
        path.parent.mkdir(parents=True)
    report = msgspec.json.encode(
        BootReport(device_id="till-1", settings=True, warnings=[Warned("StateReadOnly", "x")])
    )
    joining = encode_joining(
        JoiningStatus(phase=Phase.REFUSED, reason="OtherKey", message="x", code="N2Q6-WVQ9")
    )
    examples = [msgspec.json.decode(example) for example in (report, joining)]

    def check(boot: bytes, status: bytes) -> None:
        places.report.write_bytes(boot)
        places.joining.write_bytes(status)
        lines = render_now(places).split("\n")
        assert lines != [BROKEN]
        assert len(lines) <= HEIGHT
        for line in lines:
            assert len(line) <= WIDTH
            assert_printable(line)

    fuzz(
        check,
        st.one_of(mutations(report), as_json(like(examples[0]))),
        st.one_of(mutations(joining), as_json(like(examples[1]))),
    )


def test_whatever_the_firmware_says_a_device_gets_an_id(fuzz: Fuzz) -> None:
    def check(uuid: str, serial: tuple[str, str]) -> None:
        chosen = choose_device_id("", "", Hardware(uuid, (Serial(*serial),)))
        assert is_device_id(chosen.text)
        assert 0 < len(chosen.hostname) <= 63

    fuzz(check, texts(), st.tuples(texts(), texts()))
