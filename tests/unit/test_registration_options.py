"""What the options of `flotta registration issue` ask for."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from flotta.cli.commands.registration import _list, _make_fields, _require_same
from flotta.cli.flotta import _parser
from flotta.cli.registration_table import batches_as_table
from flotta.cli.written_certificates import write_certificate
from flotta.fleet.batch_specification import check_specification, dump_specification
from flotta.fleet.issued_batches import IssuedBatch, make_batch
from flotta.fleet.registration_batches import SpecificationFields
from flotta.resources.client import Client
from flotta.resources.kinds import SECRET, Kind
from flotta.resources.objects.core import Secret


def fields(*options: str) -> SpecificationFields:
    made = _make_fields(_parser().parse_args(["registration", "issue", "a", *options]))
    dump_specification(made)
    return made


def test_every_option_is_in_the_specification(tmp_path: Path) -> None:
    ids, serials = tmp_path / "ids", tmp_path / "serials"
    ids.write_text("# of the first lot\ntill-2\n\ntill-3 # spare\n")
    serials.write_text("# of the first lot\nSN#2\n")
    limits = ["--expires", "2040-01-01T00:00:00Z", "--uses", "9", "-n", "a", "-n", "b"]
    ids_given = ["--device-id", "till-1", "--device-ids", str(ids)]
    given = ["--set", "tills", "--label", "site=x", "--label", "b=", "--allow-without-fingerprint"]
    given += ["--device-label", "floor", "--device-label", "room", "--allow-key-replacement"]
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
            "serialNumbers": ["S1", "SN#2"],
            "hardware": {"cpu.architecture": "a=b"},
            "sourceNetworks": ["192.0.2.0/24"],
        },
        "deviceLabels": ["floor", "room"],
        "allowWithoutFingerprint": True,
        "allowKeyReplacement": True,
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
        (["--days", "0"], "--days 0 is not a number of days"),
        (["--days", "-1"], "is not a number of days"),
        (["--days", "nan"], "is not a number of days"),
        (["--expires", "soon"], "expires is not a date-time"),
    ],
)
def test_wrong_options_are_named(options: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fields(*options)


NOW = datetime(2026, 11, 1, tzinfo=UTC)
EXISTING: SpecificationFields = {
    "namespaces": ["default"],  # as the module writes it; the command leaves it out
    "deviceIDs": ["b", "a"],
    "expires": "2027-01-01T00:00:00Z",
}


def existing(fields: SpecificationFields = EXISTING, name: str = "a") -> IssuedBatch:
    return IssuedBatch(name, fields, check_specification(fields), "", "", "", "", None, True)


@pytest.mark.parametrize(
    ("wanted", "by_days", "same"),
    [
        ({}, False, True),
        ({"deviceIDs": ["a", "b"]}, False, True),
        ({"deviceIDs": ["a"]}, False, False),
        ({"expires": "2027-03-01T00:00:00Z"}, True, True),  # says that it changes nothing
        ({"deviceIDs": ["a", "b"], "expires": "2027-03-01T00:00:00Z"}, True, True),
        ({"expires": "2027-01-01T00:00:00+00:00"}, False, True),
        ({"expires": "2027-03-01T00:00:00Z"}, False, False),
    ],
)
def test_options_are_compared_by_what_they_mean(
    wanted: SpecificationFields, by_days: bool, same: bool
) -> None:
    refused = contextlib.nullcontext() if same else pytest.raises(ValueError, match="another spec")
    with refused:
        _require_same(existing(), wanted, NOW, by_days=by_days)


def test_long_names_leave_the_other_columns_whole_at_80_columns() -> None:
    console = Console(width=80)
    names = ["namespace-" + "n" * 42, "berlin-2027"]
    with console.capture() as capture:
        console.print(batches_as_table([existing(name=name) for name in names], {}, NOW))
    text = capture.get()
    assert "2027-01-01 00:00" in text
    assert "unlimited" in text
    assert len(text.splitlines()) < 12


class Listed:
    """Has a batch of a person and one of the role."""

    async def list(self, kind: Kind[Any], *_: object, **__: object) -> list[Secret]:
        made = [make_batch(name, "flotta", {}) for name in ("berlin", f"device-{'0a' * 8}")]
        return made if kind is SECRET else []


@pytest.mark.parametrize(("options", "count"), [([], 1), (["--all"], 2)])
async def test_batches_of_the_role_are_listed_on_request(options: list[str], count: int) -> None:
    client = cast("Client", Listed())
    command = ["registration", "list", *options]
    rows = json.loads(await _list(client, _parser().parse_args([*command, "-o", "json"])))
    assert len(rows) == count
    table = await _list(client, _parser().parse_args(command))
    assert ("left out: 1 (--all" in table) is not bool(options)


def test_key_is_for_its_owner_alone_and_replaces_a_former_one(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "stick"
    for text in ("first", "second"):
        write_certificate(folder, "client", text, text, text)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"client.crt": 0o644, "client.key": 0o600, "ca.crt": 0o644}
    assert {path.read_text() for path in folder.iterdir()} == {"second"}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_directory_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file cannot be written"):
        write_certificate(tmp_path / "file", "client", "", "", "")
