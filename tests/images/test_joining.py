"""How a device joins that was booted from an ISO, and what its console says about it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from device_storage_site import reasons

from administrator import flotta
from flotta.protocol.console_code import console_code
from images.device import Station, has_joined, key_of
from images.qemu import BOOT_SECONDS, Cd, Firmware, Machine, UsbStick, make_stick
from servers.ports import free_port
from waiting import eventually

pytestmark = [pytest.mark.deep, pytest.mark.timeout(3600)]
Picture = Callable[[Machine, str], None]
RULE = {"uses": 1, "approval": {"mode": "Automatic"}}
LONG_AGO = "2000-01-01T00:00:00"


async def test_a_device_shows_that_it_has_no_network_and_then_its_code(
    station: Station, base: Path, picture: Picture
) -> None:
    """Its clock has stood still as well, so that it takes the time of its certificate."""
    iso = station.write(base, await station.issue())
    kubeconfig = station.plane.kubeconfig

    with station.machine(Cd(iso), clock=LONG_AGO, link=False) as machine:
        machine.wait_for("NO NETWORK")
        picture(machine, "console-no-network")
        assert await station.fleet.client.get_or_none(*station.request_key()) is None
        machine.set_link(True)
        code = console_code(key_of(await station.request(lambda _: True)))
        machine.wait_for("WAITING FOR APPROVAL")
        machine.wait_for(code)
        picture(machine, "console-waiting")
        assert code in flotta(kubeconfig, "status").stdout
        wrong = flotta(kubeconfig, "approve", station.device_id, "--code", "0000-0000")
        assert wrong.returncode == 1
        right = flotta(kubeconfig, "approve", station.device_id, "--code", code)
        assert right.returncode == 0, right.stderr
        await station.device(has_joined)
        machine.wait_for("IN THE FLEET")


async def test_a_cd_without_a_disk_is_one_device_that_comes_back_where_its_batch_allows_it(
    station: Station, base: Path
) -> None:
    iso = station.write(base, await station.issue(**RULE, allowKeyReplacement=True))
    with station.machine(Cd(iso)):
        first = await station.device(has_joined)
    with station.machine(Cd(iso)):
        again = await station.device(lambda found: key_of(found) != key_of(first))
        assert again["metadata"]["uid"] == first["metadata"]["uid"]
        await eventually(lambda: is_reported(station, "KeyReplaced"), BOOT_SECONDS)
    assert await station.uses() == [station.device_id]

    await station.fleet.specify(station.batch, **RULE)
    with station.machine(Cd(iso)) as machine:
        machine.wait_for("REFUSED")
        machine.wait_for("OtherKey")
    assert key_of(await station.device(lambda _: True)) == key_of(again)


async def test_a_device_with_the_medium_of_a_revoked_batch_shows_that_it_is_refused(
    station: Station, base: Path, picture: Picture
) -> None:
    iso = station.write(base, await station.issue(**RULE))
    await station.revoke()
    with station.machine(UsbStick(make_stick(iso, station.folder / "stick.img"))) as machine:
        machine.wait_for("REFUSED")
        machine.wait_for("RegistrationRevoked")
        picture(machine, "console-refused")
    assert await station.fleet.client.get_or_none(*station.request_key()) is None


async def test_a_base_without_settings_says_so(station: Station, base: Path) -> None:
    with station.machine(Cd(base)) as machine:
        machine.wait_for("NO SETTINGS")


async def test_a_device_joins_with_secure_boot(station: Station, base: Path) -> None:
    """Whoever has the key of the medium's settings may look inside."""
    key, port = station.folder / "key", free_port()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_name("key.pub").read_text().strip()
    iso = station.write(base, await station.issue(**RULE), ssh_authorized_keys=[public])
    stick = make_stick(iso, station.folder / "stick.img")
    secure = {"firmware": Firmware.SECURE_BOOT, "ssh_port": port}
    with station.machine(UsbStick(stick), **secure) as machine:
        await station.device(has_joined)
        machine.wait_for("IN THE FLEET")
        variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
        shown = await eventually(
            lambda: inside(key, port, f"od -An -tu1 {variable}"), BOOT_SECONDS, pause=1.0
        )
    assert shown.split()[-1] == "1"


async def is_reported(station: Station, reason: str) -> bool:
    return reason in await reasons(station.fleet, station.device_id)  # type: ignore[arg-type]


def inside(key: Path, port: int, command: str) -> str:
    """Run a command on the device; return what it prints, "" while it cannot be reached."""
    trusting = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    done = subprocess.run(
        ["ssh", "-q", "-i", key, "-p", str(port), *trusting, "root@127.0.0.1", command],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout
