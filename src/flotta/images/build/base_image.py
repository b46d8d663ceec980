"""Building a base image: nothing is done when the one that is there was made from the same."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flotta.images.base_record import AREA, LIVE, PATH, BaseRecord, parse_record
from flotta.images.build.container_images import (
    ContainerImage,
    add_container_images,
    read_container_image,
)
from flotta.images.build.foreign import require_runnable
from flotta.images.build.isolated import require_root, require_tools, run_isolated
from flotta.images.build.medium import make_medium
from flotta.images.build.programs import install_programs
from flotta.images.build.request import BaseRequest, check_request, inputs_digest
from flotta.images.build.root_archive import root_archive
from flotta.images.build.system_files import write_system_files
from flotta.images.build.wheelhouse import Wheelhouse, read_wheelhouse
from flotta.images.build.workspace import open_workspace
from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import open_iso
from flotta.protocol.reasons.images import DESTINATION_FOREIGN, TOOL_FAILED

TOOLS = (
    *("setpriv", "unshare", "mmdebstrap", "apt-get", "dpkg-deb", "tar"),
    *("mksquashfs", "xorriso", "mformat", "mmd", "mcopy"),
)
MODE = 0o644  # a base has no secrets
NO_SOURCES = "# None: what is installed into a live system is gone at the next boot.\n"


@dataclass(frozen=True)
class Plan:
    """What a build is made from, and the image that is there already."""

    request: BaseRequest
    house: Wheelhouse
    images: list[ContainerImage]
    inputs: str  # digest of the inputs
    epoch: int
    current: BaseRecord | None

    @property
    def changes(self) -> bool:
        """Whether a build is needed; whether there are newer packages is known only after it."""
        return self.request.refresh or self.current is None or self.current.inputs != self.inputs


def plan_build(request: BaseRequest) -> Plan:
    """Check the request and the machine, read the inputs; raises ImageError, changes nothing."""
    check_request(request)
    require_tools(TOOLS)
    house = read_wheelhouse(request.wheelhouse)
    images = [read_container_image(path) for path in request.container_images]
    inputs = inputs_digest(request, house.digest, [image.digest for image in images])
    epoch = house.epoch if request.epoch is None else request.epoch
    return Plan(request, house, images, inputs, epoch, _read_current(request))


def require_possible(request: BaseRequest) -> None:
    """Raise ImageError when this user, or this machine, cannot build the image."""
    require_root()
    require_runnable(request.architecture)


def build_base(plan: Plan, report: Callable[[str], None] = lambda _: None) -> BaseRecord:
    """Build the image and put it at its path; one that is the same already stays.

    `report` gets a sentence before each step. Raises ImageError; the earlier image then stays.
    """
    request = plan.request
    require_possible(request)
    with open_workspace(request.output) as work:
        root = _make_root(plan, work, report)
        report("Write the medium")
        made = work / "base.iso"
        record = make_medium(
            request, root, made, epoch=plan.epoch, inputs=plan.inputs, release=plan.house.version
        )
        if record != plan.current:
            _publish(made, request.output)
    return record


def _make_root(plan: Plan, work: Path, report: Callable[[str], None]) -> Path:
    request = plan.request
    report(f"Install the packages of {request.suite.name} for {request.architecture.name}")
    root = work / "root"
    archive = root_archive(request, work)
    try:
        _unpack(archive, root)
    except ImageError as error:
        if error.reason != TOOL_FAILED or archive.parent == work:
            raise
        report(f"{archive} is damaged, and made again")
        shutil.rmtree(root)
        _unpack(root_archive(replace(request, refresh=True), work), root)
    (root / "etc/apt/sources.list").write_text(NO_SOURCES, encoding="ascii")
    report(f"Install the programs {plan.house.release}")
    install_programs(root, request.suite, plan.house)
    write_system_files(root, request.architecture, plan.house, plan.epoch)
    add_container_images(root, plan.images)
    return root


def _unpack(archive: Path, root: Path) -> None:
    root.mkdir()
    kept = ("--numeric-owner", "--xattrs", "--xattrs-include=*")
    run_isolated(["tar", "--extract", *kept, f"--directory={root}", f"--file={archive}"])


def _publish(made: Path, output: Path) -> None:
    with open(made, "rb") as file:
        os.fchmod(file.fileno(), MODE)
        os.fsync(file.fileno())
    os.replace(made, output)


def _read_current(request: BaseRequest) -> BaseRecord | None:
    """Return what the image at the path says of itself, None if there is nothing to keep."""
    if not os.path.lexists(request.output):
        return None
    what = "is not a base image of flotta.edge"
    with contextlib.suppress(ImageError, ValueError), open_iso(request.output) as iso:
        found = parse_record(iso.read(PATH) or b"")
        if found.kind == LIVE:
            what = "has the settings of devices in it"
            if not any(iso.read(AREA) or b""):
                return found
    if request.force:
        return None
    raise ImageError(
        DESTINATION_FOREIGN,
        f"{request.output} {what}, so it was left as it is. Choose another path, or force it.",
    )
