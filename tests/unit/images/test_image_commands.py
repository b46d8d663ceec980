"""`flotta image`: what a person types, and what is printed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from test_base_request import make_wheelhouse

from flotta.cli import image_settings
from flotta.cli.flotta import main
from flotta.images.build import base_image, isolated
from flotta.images.personalise import batch_writing
from flotta.images.personalise.show import show
from small_disk import mount_small_disk
from small_iso import fleet, make_base


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_base(tmp_path / "base.iso")
    stick = tmp_path / "stick"  # as `flotta registration issue --output stick` writes it
    stick.mkdir()
    for name, content in (
        ("client.crt", fleet().certificate),
        ("client.key", fleet().key),
        ("ca.crt", fleet().ca),
    ):
        (stick / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flotta(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(["image", *words])
    return capsys.readouterr().out


WANTED = ("--registration", "stick", "--server", "edge.example", "--batch", "berlin")


def test_an_iso_is_personalised_shown_verified_and_reset(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    personalise = ("personalise", "--base", "base.iso", "--output", "till.iso", *WANTED)
    assert "till.iso would be written" in flotta(capsys, *personalise, "--check")
    assert not (work / "till.iso").exists()
    assert "till.iso is written" in flotta(capsys, *personalise)
    assert "till.iso is up to date" in flotta(capsys, *personalise)

    shown = flotta(capsys, "show", "till.iso")
    assert "edge.example:8043" in shown
    assert "personalised" in shown
    assert json.loads(flotta(capsys, "show", "till.iso", "-o", "json"))["manifest"]["batch"] == (
        "berlin"
    )
    assert "is right" in flotta(capsys, "verify", "till.iso", "--base", "base.iso")
    assert "no settings any more" in flotta(capsys, "reset", "till.iso")
    assert (work / "till.iso").read_bytes() == (work / "base.iso").read_bytes()


def test_options_count_more_than_the_file_of_settings(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "keys").write_text("# of the administrators\nssh-ed25519 AAAA admin\n")
    (work / "settings.yml").write_text("server: other.example\ndevice_id: till-1\nca: of another\n")
    options = ("--label", "site=berlin", "--ssh-key", "keys")
    output = ("--settings", "settings.yml", "--output", "seed.img")
    flotta(capsys, "seed", *output, *WANTED, *options)

    manifest = show(work / "seed.img").manifest
    assert manifest is not None
    assert (manifest.server, manifest.device_id) == ("edge.example:8043", "till-1")
    assert manifest.labels == {"site": "berlin"}
    assert "/root/.ssh/authorized_keys" in {file.path for file in manifest.files}


def test_one_file_of_settings_makes_many_media(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [{"dest": f"till-{n}.iso", "device_id": f"till-{n}"} for n in range(3)]
    (work / "settings.yml").write_text(json.dumps({"outputs": outputs}))

    said = flotta(
        capsys, "personalise", "--base", "base.iso", "--settings", "settings.yml", *WANTED
    )

    assert said.count(" is written") == 3
    manifest = show(work / "till-2.iso").manifest
    assert manifest is not None
    assert manifest.device_id == "till-2"


@pytest.mark.parametrize(
    ("outputs", "path"),
    [
        ([], "outputs"),
        ([{"device_id": "a"}], "outputs[0].dest"),
        ([{"dest": "a.iso"}, {"dest": "./a.iso"}], "outputs"),
        ([{"dest": "a.iso"}, {"dest": "b.iso", "device_id": "A B"}], "outputs[1].device_id"),
        ([{"dest": f"{n}.iso", "device_id": "a"} for n in "ab"], "outputs"),
    ],
)
def test_nothing_is_written_when_one_of_many_is_wrong(
    outputs: list[object], path: str, work: Path
) -> None:
    (work / "settings.yml").write_text(json.dumps({"outputs": outputs}))
    words = ["personalise", "--base", "base.iso", "--settings", "settings.yml", *WANTED]
    with pytest.raises(SystemExit, match="InvalidSettings") as caught:
        main(["image", *words])
    assert f"The setting {path} " in str(caught.value)
    assert not list(work.glob("?.iso"))


def test_a_refusal_is_one_sentence(work: Path) -> None:
    words = ["personalise", "--base", "missing.iso", "--output", "a.iso", *WANTED]
    with pytest.raises(SystemExit) as caught:
        main(["image", *words])
    assert str(caught.value).startswith("flotta: missing.iso cannot be opened")
    assert str(caught.value).endswith("[BaseNotFound]")


def test_a_warning_about_the_certificate_is_said_once(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = fleet(days=365)
    for name, content in (("client.crt", long.certificate), ("client.key", long.key)):
        (work / "stick" / name).write_text(content)
    (work / "stick" / "ca.crt").write_text(long.ca)
    (work / "settings.yml").write_text('{"outputs": [{"dest": "a.iso"}, {"dest": "b.iso"}]}')
    main(["image", "personalise", "--base", "base.iso", "--settings", "settings.yml", *WANTED])
    assert capsys.readouterr().err.count("whoever finds the medium") == 1


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"dest": "/dev/null"}, "DestinationForeign"),
        ({"dest": "thesis.txt"}, "DestinationForeign"),
        ({"dest": "missing/b.iso"}, "DestinationUnusable"),
        ({"dest": f"{'b' * 250}.iso"}, "DestinationUnusable"),
        ({"dest": "b.iso", "tags": {f"t{n}": "x" * 63 * 16 for n in range(64)}}, "AreaTooSmall"),
        ({"dest": "b.iso", "installer": {}}, "InvalidSettings"),
    ],
)
def test_every_medium_is_checked_before_the_first_is_written(
    last: dict[str, object], reason: str, work: Path
) -> None:
    make_base(work / "small.iso", area=32768)
    (work / "thesis.txt").write_text("a thesis")
    (work / "settings.yml").write_text(json.dumps({"outputs": [{"dest": "a.iso"}, last]}))
    words = ["personalise", "--base", "small.iso", "--settings", "settings.yml", *WANTED]
    with pytest.raises(SystemExit, match=reason):
        main(["image", *words])
    assert not (work / "a.iso").exists()


def test_what_was_written_before_a_late_failure_is_told(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = [{"dest": str(work / "disk" / f"{name}.iso")} for name in "abcdefgh"]
    (work / "settings.yml").write_text(json.dumps({"outputs": outputs}))
    words = ["image", "personalise", "--base", "base.iso", "--settings", "settings.yml", *WANTED]
    with mount_small_disk(work / "disk", "4m") as disk:
        with pytest.raises(SystemExit, match="NoSpace"):
            main(words)
        assert not list(disk.path.iterdir())

        monkeypatch.setattr(batch_writing, "_require_space", lambda _: None)  # another writer came
        with pytest.raises(SystemExit, match=r"Before it, \d media were written.*NoSpace"):
            main(words)
        written = [str(path) for path in sorted(disk.path.iterdir())]
        assert written
        assert [line.split(" is written")[0] for line in out(capsys)] == written


def out(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("checksum", ["", "sha256:", "abc", "0" * 63 + "g"])
def test_a_checksum_that_is_none_is_refused(checksum: str, work: Path) -> None:
    words = ["personalise", "--base", "base.iso", "--checksum", checksum, "--output", "a.iso"]
    with pytest.raises(SystemExit, match="setting checksum is not a SHA-256"):
        main(["image", *words, *WANTED])
    assert not (work / "a.iso").exists()


def test_settings_from_standard_input_are_read_as_a_whole_or_refused(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["image", "seed", "--settings", "-", "--output", "seed.img", *WANTED]
    for size, fits in ((image_settings.MAX_FILE, False), (1024, True)):
        text = b"#" * size + b"\ndevice_id: till-1\n"
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        if not fits:
            with pytest.raises(SystemExit, match="larger than"):
                main(words)
            continue
        main(words)
    manifest = show(work / "seed.img").manifest
    assert manifest is not None
    assert manifest.device_id == "till-1"


def test_a_build_says_what_is_wrong_and_check_predicts_it(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_image, "TOOLS", ())
    build = ("build", "--output", "new.iso", "--wheelhouse", str(make_wheelhouse(work / "wheels")))
    with pytest.raises(SystemExit, match="is not an archive of one container image"):
        flotta(capsys, *build, "--container-image", "/no/such.tar")

    monkeypatch.setattr(isolated.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="built by root"):
        flotta(capsys, *build, "--check")
