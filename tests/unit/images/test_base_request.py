"""What a base image is made from: checked, and the same for the same."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from flotta.images.build import foreign, sources
from flotta.images.build.architectures import AMD64, ARM64, native_architecture
from flotta.images.build.container_images import read_container_image
from flotta.images.build.foreign import require_runnable
from flotta.images.build.mirror_credentials import authentication, without_credentials
from flotta.images.build.request import (
    BaseRequest,
    check_request,
    find_architecture,
    find_suite,
    inputs_digest,
)
from flotta.images.build.sources import package_sources
from flotta.images.build.suites import BOOKWORM, TRIXIE
from flotta.images.build.wheelhouse import EXTRAS, read_wheelhouse, unpack_wheelhouse
from flotta.images.errors import ImageError

WHEEL = "flotta_edge-0.2.0-py3-none-any.whl"


def make_wheelhouse(folder: Path, content: str = "x = 1\n", year: int = 2026) -> Path:
    """Write a directory with what a wheelhouse needs; nothing in it can be installed."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr(zipfile.ZipInfo("flotta/x.py", (year, 2, 3, 4, 5, 6)), content)
    for extra in EXTRAS:
        (folder / f"{extra}.txt").write_text("")
    return folder


def request(tmp_path: Path, **settings: object) -> BaseRequest:
    given = BaseRequest(BOOKWORM, AMD64, tmp_path / "wheels", tmp_path / "base.iso")
    return replace(given, **settings)


def refusal(reason: str) -> pytest.RaisesExc[ImageError]:
    return pytest.raises(ImageError, match=rf"\[{reason}\]$")


def test_a_wheelhouse_is_the_same_as_an_archive_and_as_a_directory(tmp_path: Path) -> None:
    folder = make_wheelhouse(tmp_path / "wheels")
    archive = tmp_path / "wheels.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, ".")
    house, packed = read_wheelhouse(folder), read_wheelhouse(archive)
    assert (house.digest, house.version, house.epoch) == (packed.digest, "0.2.0", packed.epoch)
    assert house.epoch == 1770091506  # 2026-02-03 04:05:06 UTC
    assert house.release == f"0.2.0+{house.digest[:8]}"
    unpack_wheelhouse(packed, tmp_path / "unpacked")
    assert sorted(os.listdir(tmp_path / "unpacked")) == sorted(os.listdir(folder))
    make_wheelhouse(folder, "x = 2\n")
    assert read_wheelhouse(folder).digest != house.digest


def test_a_wheelhouse_that_lacks_something_is_named(tmp_path: Path) -> None:
    with refusal("InvalidSettings"):
        read_wheelhouse(tmp_path / "missing")
    folder = make_wheelhouse(tmp_path / "wheels")
    (folder / "sync.txt").unlink()
    with pytest.raises(ImageError, match=r"does not have sync\.txt"):
        read_wheelhouse(folder)
    (folder / WHEEL).unlink()
    with pytest.raises(ImageError, match="no wheels"):
        read_wheelhouse(folder)
    (folder / WHEEL).write_bytes(b"no zip")
    with pytest.raises(ImageError, match="cannot be read"):
        read_wheelhouse(folder)


@pytest.mark.parametrize("form", ["gz", "bz2", "xz"])
def test_a_wheelhouse_that_is_cut_off_is_refused(tmp_path: Path, form: str) -> None:
    folder = make_wheelhouse(tmp_path / "wheels", content=os.urandom(40_000).hex())
    archive = tmp_path / "wheels.tar"
    with tarfile.open(archive, f"w:{form}") as tar:  # type: ignore[call-overload]
        tar.add(folder, ".")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(ImageError, match="cannot be read"):
        read_wheelhouse(archive)


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_the_id_of_a_container_image_is_that_of_podman(tmp_path: Path, form: str) -> None:
    id_ = sha256(form.encode()).hexdigest()
    manifest = {"config": {"digest": f"sha256:{id_}"}}
    files: dict[str, object] = {"manifest.json": [{"Config": f"{id_}.json"}], f"{id_}.json": {}}
    if form == "oci":
        blob = sha256(b"manifest").hexdigest()
        index = {"manifests": [{"digest": f"sha256:{blob}"}]}
        files = {"index.json": index, f"blobs/sha256/{blob}": manifest, f"blobs/sha256/{id_}": {}}
    path = tmp_path / "image.tar"
    write_tar(path, {name: json.dumps(content).encode() for name, content in files.items()})
    assert read_container_image(path).id == id_


ID = "a" * 64


@pytest.mark.parametrize(
    "files",
    [
        {"index.json": b'{"manifests": [{"digest": 5}]}'},
        {"manifest.json": b"[" * 200_000},
        {"manifest.json": f'[{{"Config": "{ID}.json"}}]'.encode()},  # which is not there
        {
            "manifest.json": b'[{"Config": "' + b"aa\\n" * 32 + b'"}]',
            "aa\n" * 32: b"",
        },
    ],
)
def test_an_archive_with_wrong_contents_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = tmp_path / "image.tar"
    write_tar(path, files)
    with refusal("InvalidSettings"):
        read_container_image(path)


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize("content", [b"", b"no archive" * 100, b"\x1f\x8b"])
def test_what_is_no_container_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    with refusal("InvalidSettings"):
        read_container_image(tmp_path / "image.tar")


@pytest.mark.parametrize(
    "settings",
    [
        {"compression": "zstd"},
        {"packages": ("curl;reboot",)},
        {"packages": ("-o",)},
        {"components": ("Main",)},
        {"packages": ("podman-",)},
        {"epoch": -5},
        {"epoch": 99999999999999},
        {"mirrors": ("mirror.example",)},
        {"mirrors": ("deb http://mirror.example bookworm main\ndeb x",)},
    ],
)
def test_a_misspelt_setting_is_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    with refusal("InvalidSettings"):
        check_request(request(tmp_path, **settings))


def test_a_suite_and_an_architecture_that_no_image_has() -> None:
    with refusal("InvalidSettings"):
        find_suite("buster")
    with refusal("WrongArchitecture"):
        find_architecture("riscv64")


def test_another_architecture_needs_its_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign.shutil, "which", lambda name: f"/usr/bin/{name}")
    require_runnable(find_architecture(native_architecture()), tmp_path)
    other = ARM64 if native_architecture() == "amd64" else AMD64
    with refusal("ToolMissing"):
        require_runnable(other, tmp_path)
    entry = tmp_path / f"qemu-{other.machine}"
    entry.write_text("enabled\ninterpreter /usr/bin/qemu\nflags: OC\n")
    with refusal("ToolMissing"):
        require_runnable(other, tmp_path)
    entry.write_text("enabled\ninterpreter /usr/bin/qemu\nflags: POF\n")
    require_runnable(other, tmp_path)


def test_the_inputs_decide_whether_an_image_is_built(tmp_path: Path) -> None:
    given = request(tmp_path)
    digest = inputs_digest(given, "wheels", ["image"])
    assert (
        inputs_digest(replace(given, cache=tmp_path, refresh=True), "wheels", ["image"]) == digest
    )
    others = [
        replace(given, suite=TRIXIE),
        replace(given, architecture=ARM64),
        replace(given, packages=("curl",)),
        replace(given, compression="xz"),
        replace(given, epoch=1),
    ]
    digests = {inputs_digest(other, "wheels", ["image"]) for other in others}
    assert len({digest, *digests, inputs_digest(given, "other", ["image"])}) == len(others) + 2


APT = """\
https://pkgs.example/core:/stable:/v1.30/deb/ /
https://node.example/node_20.x/ nodistro main
http://mirror.example/debian/ bookworm-updates main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian/ bookworm main
http://mirror.example/security/ bookworm-security main
"""


def test_packages_come_from_where_the_machine_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def says(output: str) -> None:
        done = subprocess.CompletedProcess([], 0, output)
        monkeypatch.setattr(sources.subprocess, "run", lambda *_, **__: done)

    says(APT)
    assert package_sources(TRIXIE, (), ("main", "non-free-firmware")) == [
        "deb http://mirror.example/debian trixie main non-free-firmware",
        "deb http://mirror.example/debian trixie-updates main non-free-firmware",
        "deb http://mirror.example/security trixie-security main non-free-firmware",
    ]
    says("")
    with pytest.raises(ImageError, match="Name one as mirror"):
        package_sources(BOOKWORM, (), ("main",))
    given = ["http://a.example/debian/", "http://a.example/debian-security"]
    assert package_sources(BOOKWORM, given, ("main",)) == [
        "deb http://a.example/debian bookworm main",
        "deb http://a.example/debian bookworm-updates main",
        "deb http://a.example/debian-security bookworm-security main",
    ]
    lines = ["deb [trusted=yes] file:/srv/debian bookworm main"]
    assert package_sources(BOOKWORM, lines, ("main",)) == lines


def test_credentials_of_mirrors_are_for_apt_alone(tmp_path: Path) -> None:
    address = "https://ci:s3%20cret@mirror.example/debian"
    line = f"deb [arch=amd64] {address} bookworm main"
    with pytest.raises(ImageError, match="blanks"):
        authentication([line])
    line = line.replace("%20", "%3A")
    assert authentication([line, "deb http://b.example/debian bookworm main"]) == (
        "machine https://mirror.example/debian login ci password s3:cret\n"
    )
    shown = "deb [arch=amd64] https://mirror.example/debian bookworm main"
    assert without_credentials(line) == shown
    given = request(tmp_path, mirrors=(line,))
    check_request(given)
    plain = request(tmp_path, mirrors=(shown,))
    assert inputs_digest(given, "", ()) == inputs_digest(plain, "", ())


@pytest.mark.parametrize("mirror", ["ci:s3cret@mirror.example", "http://ci:s3/cret@mirror.example"])
def test_a_refused_mirror_is_not_quoted_with_its_password(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(ImageError, match="InvalidSettings") as refused:
        check_request(request(tmp_path, mirrors=(mirror,)))
    assert "cret" not in str(refused.value)
