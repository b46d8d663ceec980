"""The steps between the initramfs and systemd (docs/reference/images.md#state).

They run as root in a chroot of the future root, without udev, D-Bus or network. No step keeps the
machine from starting: what fails is a warning, and the next step runs.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from flotta.durable_files import read_bounded
from flotta.live.boot_report import BootReport, StateReport, Warnings, write_report
from flotta.live.device_id import DeviceID, Source
from flotta.live.names import write_client_id, write_host_name
from flotta.live.naming import name_device
from flotta.live.payload_files import install_files, list_payload
from flotta.live.places import Places
from flotta.live.state.errors import NoState
from flotta.live.state.finding import Wanted, is_present, mount_any_state
from flotta.live.state.mounts import mount_containers_in_memory, mount_kept, stack_etc
from flotta.payload.manifest import MAX_MANIFEST, Manifest, parse_manifest
from flotta.protocol.reasons.live import (
    NO_SETTINGS,
    PREPARATION_FAILED,
    SETTINGS_DAMAGED,
    STATE_FAILED,
    STATE_INCOMPLETE,
    STATE_MEDIUM_IN_DOUBT,
)
from flotta.protocol.reasons.reason import Code

log = logging.getLogger(__name__)

GATEWAY_USER = "flotta-gateway"
NAMES = (Path("etc/hostname"), Path("etc/hosts"))  # written here, besides the payload


class Preparation:
    """One boot of one machine; `medium` is the device that it was started from.

    `in_doubt` says that this may be another device with the same contents.
    """

    def __init__(self, places: Places, medium: Path, in_doubt: bool = False) -> None:
        self._places = places
        self._medium = medium
        self._in_doubt = in_doubt
        self._warnings = Warnings()
        self._manifest: Manifest | None = None
        self._state = StateReport("Overlay")
        self._device_id = DeviceID("", Source.RANDOM)

    def run(self) -> BootReport:
        """Carry out every step, write the report and return it."""
        self._manifest = self._read_manifest()
        with self._step("The state", STATE_FAILED):
            self._state = self._mount_state()
        with self._step("The device id"):
            self._device_id = name_device(
                self._places,
                self._manifest.device_id if self._manifest else "",
                self._has_state,
                self._warnings,
            )
        with self._step("The settings of the medium"):
            self._install_payload()
        with self._step("The names of the host"):
            self._write_names()
        with self._step("The directories of the state", STATE_INCOMPLETE):
            self._mount_directories()
        report = self._describe()
        write_report(self._places.report, report)
        return report

    @property
    def _has_state(self) -> bool:
        return self._state.kind != "Overlay"

    @contextlib.contextmanager
    def _step(self, what: str, reason: Code = PREPARATION_FAILED) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the machine must start whatever happened
            log.exception("%s: this step failed", what)
            self._warnings.add(reason, f"{what} could not be prepared: {error}.")

    def _read_manifest(self) -> Manifest | None:
        path = self._places.payload / "manifest.json"
        try:
            return parse_manifest(read_bounded(path, MAX_MANIFEST))
        except FileNotFoundError:
            self._warnings.add(NO_SETTINGS, "The boot medium has no settings for a device.")
        except (OSError, ValueError) as error:
            self._warnings.add(SETTINGS_DAMAGED, f"The settings are not complete: {error}.")
        return None

    def _mount_state(self) -> StateReport:
        disk = self._manifest.state_disk if self._manifest else ""
        wanted = Wanted(self._medium, disk, self._places.root, self._places.state)
        try:
            if self._in_doubt and not disk:
                raise NoState(
                    STATE_MEDIUM_IN_DOUBT,
                    f"{self._medium} may not be what the machine has booted from: another medium "
                    "has the same contents, or this one has other settings.",
                )
            return mount_any_state(wanted)
        except NoState as error:
            self._warnings.add(error.reason, str(error))
            present = is_present(wanted)
            return StateReport("Overlay", "", error.reason, str(error), present)

    def _install_payload(self) -> None:
        source, root = self._places.payload / "root", self._places.root
        left_out = self._registration if self._is_member() else ()
        for failure in install_files(source, root, left_out):
            self._warnings.add(SETTINGS_DAMAGED, failure)
        _, key = self._places.registration
        if key.exists():
            shutil.chown(key, GATEWAY_USER)

    @property
    def _registration(self) -> tuple[str, ...]:
        root = self._places.root
        return tuple(str(path.relative_to(root)) for path in self._places.registration)

    def _is_member(self) -> bool:
        """Tell whether the device is in the fleet of the medium already."""
        identity = self._places.registration[0].parent.relative_to(self._places.root)
        payload, state = self._places.payload / "root", self._places.state
        if not self._has_state or not (state / identity / "device").is_dir():
            return False
        # Loads cryptography, a third of the start of this program, which a first boot needs not.
        from flotta.live.own_identity import (  # noqa: PLC0415
            has_own_identity,
            latest_known_time,
        )

        now = latest_known_time(payload, state)
        authorities = payload / identity / "ca.pem"
        return has_own_identity(state / identity, authorities, self._device_id.text, now)

    def _write_names(self) -> None:
        if self._places.configuration.exists():
            write_client_id(self._places.configuration, self._device_id.text)
        write_host_name(self._places.root, self._device_id)

    def _mount_directories(self) -> None:
        root, state = self._places.root, self._places.state
        if self._has_state:
            stack_etc(root, state, [*list_payload(self._places.payload / "root"), *NAMES])
            mount_kept(root, state)
        else:
            mount_containers_in_memory(root)

    def _describe(self) -> BootReport:
        known = self._manifest
        return BootReport(
            device_id=self._device_id.text,
            device_id_source=self._device_id.source,
            state=self._state,
            server=known.server if known else "",
            batch=known.batch if known else "",
            medium=str(self._medium),
            settings=known is not None,
            warnings=self._warnings.found,
        )
