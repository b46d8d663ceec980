"""A PC in QEMU, by software emulation: what a person at a device plugs in, sees and pulls out.

    stick = make_stick(iso, folder / "stick.img")
    with Machine(folder, UsbStick(stick), uuid=MACHINE) as pc:
        pc.wait_for("IN THE FLEET")
        pc.screenshot(folder / "joined.png")

The power is cut when the block ends. From inside, the loopback of this machine is at HOST. It is
never asked whether there is /dev/kvm: where it can be opened, it may still hang the guest.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

from waiting import NotInTimeError, wait_until

HOST = "10.0.2.2"  # the host's loopback, of QEMU's user network
GIB = 1 << 30  # bytes
STICK_SIZE = 2 * GIB  # bytes: the state begins at 1 GiB
BOOT_SECONDS = 1500.0  # until what a boot leads to; other lanes may have the processors
SHOWN = 4000  # characters of the console that a failure shows
OVMF = Path("/usr/share/OVMF")
# Control sequences of a terminal (ECMA-48), and the two forms that choose a character set.
CONTROL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][0-9A-B]|[=>78cM])")


class Firmware(Enum):
    """What starts the machine: code and variables of OVMF, or SeaBIOS."""

    BIOS = ()
    UEFI = ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")
    SECURE_BOOT = ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd")


@dataclass(frozen=True)
class UsbStick:
    """A raw file that the machine may write to, as what it boots from."""

    path: Path

    def arguments(self) -> list[str]:
        drive = f"if=none,id=stick,format=raw,cache=unsafe,file={self.path}"
        device = "usb-storage,drive=stick,bootindex=0,removable=on"
        return ["-device", "qemu-xhci", "-drive", drive, "-device", device]


@dataclass(frozen=True)
class Cd:
    """An ISO in a drive that only reads."""

    path: Path

    def arguments(self) -> list[str]:
        drive = f"if=none,id=cd,media=cdrom,readonly=on,format=raw,file={self.path}"
        device = "scsi-cd,drive=cd,bootindex=0"
        return ["-device", "virtio-scsi-pci", "-drive", drive, "-device", device]


@dataclass(frozen=True)
class Disk:
    """A raw file as a disk that the machine does not boot from; `serial` is the disk's."""

    path: Path
    serial: str = "disk"

    def arguments(self) -> list[str]:
        name = f"disk-{self.serial}"
        drive = f"if=none,id={name},format=raw,cache=unsafe,file={self.path}"
        return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={self.serial}"]


@dataclass(frozen=True)
class UsbDisk:
    """The same at a USB controller of its own."""

    path: Path
    serial: str = "usb"

    def arguments(self) -> list[str]:
        name = f"usb-{self.serial}"
        drive = f"if=none,id={name},format=raw,cache=unsafe,file={self.path}"
        device = f"usb-storage,bus={name}-hc.0,drive={name},serial={self.serial}"
        return ["-device", f"qemu-xhci,id={name}-hc", "-drive", drive, "-device", device]


Medium = UsbStick | Cd | Disk | UsbDisk


def make_stick(iso: Path, path: Path, size: int = STICK_SIZE) -> Path:
    """Write an ISO over a stick of this size in bytes; what a stick has behind it stays."""
    way = "conv=notrunc" if path.exists() else "conv=sparse"
    subprocess.run(["dd", f"if={iso}", f"of={path}", "bs=4M", way, "status=none"], check=True)
    with path.open("r+b") as stick:
        stick.truncate(max(size, path.stat().st_size))
    return path


def make_disk(path: Path, size: int = GIB) -> Path:
    """Return an empty disk of this size in bytes."""
    with path.open("wb") as disk:
        disk.truncate(size)
    return path


@dataclass
class Machine:
    """One run of a PC, from power on to power off; `folder` gets what it says and its variables.

    `clock` is what its clock shows at power on (None: the time now), `uuid` and `serial_number`
    what its firmware says that it is (None: what QEMU says, which is a placeholder).
    """

    folder: Path
    media: Medium | Sequence[Medium]
    firmware: Firmware = Firmware.BIOS
    memory: int = 1024  # MiB
    link: bool = True
    uuid: str | None = None
    serial_number: str | None = None
    clock: str | None = None
    ssh_port: int | None = None  # of the loopback, which leads to that of the device
    kept: Path = field(init=False)  # the variables of the firmware outlive a run
    _process: subprocess.Popen[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial = self.folder / "serial.log"
        self.kept = self.folder / "variables.fd"

    def __enter__(self) -> Machine:
        self.serial.unlink(missing_ok=True)
        with (self.folder / "qemu.log").open("a") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.folder,
            )
        try:
            self._read()  # the greeting
            self.ask("qmp_capabilities")
            self.set_link(self.link)
            self.ask("cont")
        except BaseException:
            self.cut_power()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            with suppress(OSError, ValueError, AssertionError):
                self.screenshot(self.folder / "failed.png")
            sys.stdout.write(
                f"The machine {'is on' if self.is_on() else 'is off'}:\n{self._last()}"
            )
        self.cut_power()

    def command(self) -> list[str]:
        """Return the command line; the machine stands still until it is told to go on."""
        media = [self.media] if isinstance(self.media, Medium) else self.media
        return [
            *("setpriv", "--pdeathsig", "KILL"),  # it ends with the test, however that ends
            *("qemu-system-x86_64", "-S", "-nodefaults", "-display", "none", "-vga", "std"),
            *("-accel", "tcg,thread=multi", "-cpu", "max,-erms", "-smp", "2"),
            *("-m", str(self.memory), "-no-reboot"),
            *("-chardev", "stdio,id=control,signal=off", "-mon", "chardev=control,mode=control"),
            *("-serial", f"file:{self.serial}"),
            *(
                "-netdev",
                f"user,id=net,ipv6=off{self._forward()}",
                "-device",
                "virtio-net-pci,netdev=net,romfile=",
            ),
            *("-device", "virtio-rng-pci"),
            *self._firmware(),
            *self._identity(),
            *(["-rtc", f"base={self.clock}"] if self.clock else []),
            *(argument for medium in media for argument in medium.arguments()),
        ]

    def ask(self, command: str, **arguments: object) -> Any:
        """Give QEMU a command of its machine protocol (QMP); return what it returns."""
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        process.stdin.flush()
        while True:
            reply = self._read()
            assert "error" not in reply, f"{command}: {reply}"
            if "return" in reply:
                return reply["return"]

    def set_link(self, up: bool) -> None:
        """Plug the network cable in or out."""
        self.ask("set_link", name="net", up=up)

    def screenshot(self, path: Path) -> Path:
        """Write what the screen shows as PNG."""
        self.ask("screendump", filename=str(path), format="png")
        return path

    def console(self) -> str:
        """Return all that the serial line has said, without control sequences."""
        if not self.serial.exists():
            return ""
        return CONTROL.sub("", self.serial.read_text(errors="replace")).replace("\r", "")

    def wait_for(self, text: str, seconds: float = BOOT_SECONDS, *, after: int = 0) -> int:
        """Wait until the serial line has said this after so many characters of it; return where."""

        def said() -> int:
            found = self.console().find(text, after)
            assert found >= 0 or self.is_on(), f"the machine is off; it said:\n{self._last()}"
            return found + 1

        try:
            return wait_until(said, seconds, pause=0.5) - 1
        except NotInTimeError as error:
            raise AssertionError(f"no {text!r} in {seconds:g} s, but:\n{self._last()}") from error

    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def cut_power(self) -> None:
        """End it at once, as if somebody pulled the plug."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process = None

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the machine is off"
        return self._process

    def _read(self) -> Mapping[str, Any]:
        process = self._running()
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"QEMU ended: {(self.folder / 'qemu.log').read_text()[-SHOWN:]}"
        read: Mapping[str, Any] = json.loads(line)
        return read

    def _last(self) -> str:
        return self.console()[-SHOWN:]

    def _forward(self) -> str:
        return f",hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22" if self.ssh_port else ""

    def _identity(self) -> list[str]:
        named = ["-uuid", self.uuid] if self.uuid else []
        if self.serial_number:
            named += ["-smbios", f"type=1,manufacturer=Acme,serial={self.serial_number}"]
        return named

    def _firmware(self) -> list[str]:
        if self.firmware is Firmware.BIOS:
            return []
        code, variables = (OVMF / name for name in self.firmware.value)
        if not self.kept.exists():
            shutil.copyfile(variables, self.kept)
        secure = self.firmware is Firmware.SECURE_BOOT
        return [
            *("-machine", "q35,smm=on" if secure else "q35"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={self.kept}"),
            *(["-global", "driver=cfi.pflash01,property=secure,value=on"] if secure else []),
        ]
