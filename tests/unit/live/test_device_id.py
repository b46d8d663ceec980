"""A device without a name gets the same id at each boot, and no two machines share one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.live.device_id import Source, choose_device_id, is_device_id, name_of
from flotta.live.hardware import Hardware, Serial, read_hardware

UUID = "4C4C4544-0039-5A10-8052-B7C04F4D3532"


def hardware(uuid: str = "", *serials: tuple[str, str]) -> Hardware:
    return Hardware(uuid, tuple(Serial(*serial) for serial in serials))


@pytest.mark.parametrize(
    "uuid",
    [
        UUID,
        "564d12ab-7c3f-9e01-b2d4-6a8f0c1e3d57",
        "00000000-0000-0000-0000-ac1f6bd01e24",  # zeros and a MAC address: unique all the same
        "{4C4C4544-0039-5A10-8052-B7C04F4D3532}",
    ],
)
def test_the_uuid_of_the_machine_is_its_id_in_lower_case(uuid: str) -> None:
    chosen = choose_device_id("", "", hardware(uuid))
    assert chosen.text == uuid.strip("{}").lower()
    assert chosen.source is Source.PRODUCT_UUID


@pytest.mark.parametrize(
    "uuid",
    [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90AB-CDDEEFAABBCC",
        "01234567-89AB-CDEF-0123-456789ABCDEF",
        "11111111-2222-3333-4444-555555555555",
        "00112233-4455-6677-8899-AABBCCDDEEFF",
        "00010203-0405-0607-0809-0A0B0C0D0E0F",
        "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
        "4C4C4544-0000-2010-8020-80C04F202020",
        "12345678-1234-5678-9ABC-123456789ABC",
        "01234567-8910-1112-1314-151617181920",
        "DEADBEEF-DEAD-BEEF-DEAD-BEEFDEADBEEF",
        "12121212-1212-1212-1212-121212121212",
        "Not Settable",
        "Not Present",
        "",
        "garbage \x1b[31m",
    ],
)
def test_a_placeholder_for_a_uuid_is_passed_over(uuid: str) -> None:
    chosen = choose_device_id("", "", hardware(uuid, ("Dell Inc.", "9ZR7M52")))
    assert (chosen.text, chosen.source) == ("dell-9zr7m52", Source.SERIAL)


@pytest.mark.parametrize(
    "serial",
    [
        "To be filled by O.E.M.",
        "To Be Filled By O.E.M. by More String",
        "Default string",
        "None",
        "N/A",
        "NA",
        "Not Specified",
        "Not Applicable",
        "System Serial Number",
        "Chassis Serial Number",
        "Base Board Serial Number",
        "SerNum0",
        "0123456789",
        "123456789",
        "1234567890",
        "12345678901234567",
        "BSN12345678901234567",
        "MB-1234567890",
        "SSN12345678901234567",
        "0",
        "00000000",
        "0000000000000000",
        "XXXXXXXXXX",
        "xx-xx-xx",
        "........",
        "-",
        "   ",
        "",
        "INVALID",
        "Unknown",
        "Empty",
        "empty",
        "OEM",
        "TBD",
        "Standard",
        "9876543210",
        "abcdefgh",
        "123",
        *("Type2 - Board Serial Number", "OEM_Serial", "OEM SN", "Chassis_SN", "System_SN"),
        *("Main Board S/N", "Mainboard", "unknown chassis", "Standard PC", "SerialNum1", "INTEL"),
        *("1234567890ABCDEF", "A1B2C3D4", "00000001", "0000000000000001", "SN0000000000"),
        "NA0000000",
    ],
)
def test_a_placeholder_for_a_serial_number_is_passed_over(serial: str) -> None:
    machine = hardware("", ("Acme", serial), ("Board Corp", "PF2XK0A1"))
    assert choose_device_id("", "", machine).text == "board-pf2xk0a1"


@pytest.mark.parametrize(
    ("vendor", "serial", "expected"),
    [
        ("LENOVO", "PF2XK0A1", "lenovo-pf2xk0a1"),
        ("Dell Inc.", "9ZR7M52", "dell-9zr7m52"),
        ("Hewlett-Packard", "CZC1234ABC", "hewlett-czc1234abc"),
        ("raspberrypi", "10000000a3b1c2d4", "raspberrypi-10000000a3b1c2d4"),
        ("To be filled by O.E.M.", "PF2XK0A1", "serial-pf2xk0a1"),
        ("", "PF2XK0A1", "serial-pf2xk0a1"),
        ("日本", "PF2XK0A1", "serial-pf2xk0a1"),
    ],
)
def test_a_serial_number_is_named_after_its_vendor(vendor: str, serial: str, expected: str) -> None:
    assert name_of(Serial(vendor, serial)) == expected


@pytest.mark.parametrize("number", ["VMware-56 4d 1a", "A/B7", "x" * 30 + "y" * 300, "___", "ÄÖ77"])
def test_every_serial_number_becomes_an_id_of_its_own(number: str) -> None:
    name, other = name_of(Serial("V" * 99, number)), name_of(Serial("V" * 99, number + "'"))
    assert is_device_id(name)
    assert is_device_id(other)
    assert name != other


def test_the_state_counts_before_the_payload_and_that_before_the_hardware() -> None:
    machine = hardware(UUID)
    assert choose_device_id("till-1", "till-2", machine).source is Source.STORED
    assert choose_device_id("", "Till-2\n", machine).text == "till-2"
    assert choose_device_id("", "till-2", machine).source is Source.PAYLOAD
    assert choose_device_id("", "", machine).source is Source.PRODUCT_UUID


@pytest.mark.parametrize(
    "text", ["", "Not an id!", "-a", "register", "a" * 65, "a\x00b", "../../x"]
)
def test_what_cannot_be_an_id_is_passed_over(text: str) -> None:
    assert choose_device_id(text, text, hardware(UUID)).text == UUID.lower()


def test_without_anything_the_id_is_random() -> None:
    first, second = (choose_device_id("", "", hardware("Not Settable")) for _ in range(2))
    assert first.source is Source.RANDOM
    assert is_device_id(first.text)
    assert first.text != second.text


def test_the_hostname_is_the_id_as_far_as_it_may_be_long() -> None:
    given = "a" * 62 + "-b"
    assert choose_device_id("", given, hardware()).hostname == "a" * 62


def test_firmware_is_read_from_dmi_and_device_tree(tmp_path: Path) -> None:
    dmi, tree = tmp_path / "sys/class/dmi/id", tmp_path / "sys/firmware/devicetree/base"
    dmi.mkdir(parents=True)
    tree.mkdir(parents=True)
    (dmi / "product_uuid").write_text(UUID + "\n")
    (dmi / "sys_vendor").write_text("Dell Inc.\n")
    (dmi / "product_serial").write_text("9ZR7M52\n")
    (dmi / "board_serial").write_bytes(b"\xff" * 9000)
    (tree / "serial-number").write_bytes(b"10000000a3b1c2d4\0")
    (tree / "compatible").write_bytes(b"raspberrypi,4-model-b\0brcm,bcm2711\0")
    found = read_hardware(tmp_path)
    assert found.uuid == UUID
    assert found.serials[0] == Serial("Dell Inc.", "9ZR7M52")
    assert found.serials[1] == Serial("", "")
    assert found.serials[-1] == Serial("raspberrypi", "10000000a3b1c2d4")


def test_a_machine_without_firmware_tables_says_nothing(tmp_path: Path) -> None:
    assert choose_device_id("", "", read_hardware(tmp_path)).source is Source.RANDOM
