"""What the options of `flotta registration issue` ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotta.cli.commands.registration import _make_fields, _write_files
from flotta.cli.flotta import _parser
from flotta.fleet.batch_specification import dump_specification
from flotta.fleet.issued_batches import IssuedBatch
from flotta.fleet.registration_batches import SpecificationFields


def fields(*options: str) -> SpecificationFields:
    made = _make_fields(_parser().parse_args(["registration", "issue", "a", *options]))
    dump_specification(made)
    return made


def test_every_option_is_in_the_specification(tmp_path: Path) -> None:
    ids, serials = tmp_path / "ids", tmp_path / "serials"
    ids.write_text("# of the first lot\ntill-2\n\ntill-3 # spare\n")
    serials.write_text("S2\n")
    limits = ["--expires", "2040-01-01T00:00:00Z", "--uses", "9", "-n", "a", "-n", "b"]
    ids_given = ["--device-id", "till-1", "--device-ids", str(ids)]
    given = ["--set", "tills", "--label", "site=x", "--label", "b=", "--allow-without-fingerprint"]
    rule = ["--automatic", "--serial-number", "S1", "--serial-numbers", str(serials)]
    narrower = ["--hardware", "cpu.architecture=a=b", "--source-network", "192.0.2.0/24"]
    assert fields(*limits, *ids_given, *given, *rule, *narrower) == {
        "expires": "2040-01-01T00:00:00Z",
        "uses": 9,
        "namespaces": ["a", "b"],
        "deviceIDs": ["till-1", "till-2", "till-3"],
        "targetSet": "tills",
        "labels": {"site": "x", "b": ""},
        "approval": {
            "mode": "Automatic",
            "serialNumbers": ["S1", "S2"],
            "hardware": {"cpu.architecture": "a=b"},
            "sourceNetworks": ["192.0.2.0/24"],
        },
        "allowWithoutFingerprint": True,
    }
    assert fields() == {}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--uses", "0"], "uses is not a whole number"),
        (["--automatic"], r"approval\.mode must not be Automatic"),
        (["--serial-number", "1"], "a rule needs --automatic"),
        (["--label", "x"], "is not of the form --label KEY=VALUE"),
        (["--device-ids", "/nowhere"], "/nowhere cannot be read"),
        (["--days", "1e9"], "is not a number of days"),
        (["--expires", "soon"], "expires is not a date-time"),
    ],
)
def test_wrong_options_are_named(options: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fields(*options)


def test_key_is_for_its_owner_alone_and_replaces_a_former_one(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "stick"
    for text in ("first", "second"):
        _write_files(IssuedBatch("a", {}, None, "", text, text, text, None, True), folder)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"client.crt": 0o644, "client.key": 0o600, "ca.crt": 0o644}
    assert {path.read_text() for path in folder.iterdir()} == {"second"}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_directory_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file cannot be written"):
        _write_files(IssuedBatch("a", {}, None, "", "", "", "", None, True), tmp_path / "file")
