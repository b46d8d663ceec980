"""The modules of personalised ISOs: idempotent, with check and diff, and without secrets."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from module_run import loaded, run

from flotta.images.personalise import batch_writing
from flotta.images.settings.medium import parse_settings
from small_iso import fleet, make_base

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base.iso")


def iso(base: Path, check_mode: bool = False, **parameters: Any) -> dict[str, Any]:
    given = {**fleet().settings(), "base": str(base), **parameters}
    return run("device_iso", check_mode, **given)


def test_an_iso_is_written_once_and_again_when_its_settings_change(
    base: Path, tmp_path: Path
) -> None:
    dest = str(tmp_path / "till.iso")
    wifi = [{"ssid": "shop", "passphrase": PASSPHRASE}]

    predicted = iso(base, check_mode=True, dest=dest, wifi=wifi)
    assert predicted["changed"]
    assert not list(tmp_path.iterdir())
    first = iso(base, dest=dest, wifi=wifi)
    assert first["changed"]
    assert first["outputs"][0]["content_id"] == predicted["outputs"][0]["content_id"]
    assert first["base"]["kind"] == "flotta-live"
    again = iso(base, dest=dest, wifi=wifi)
    assert (again["changed"], again["diff"]) == (False, [])

    changed = iso(base, dest=dest, wifi=wifi, labels={"site": "berlin"})
    [diff] = changed["diff"]
    assert diff["before"].get("labels") is None
    assert diff["after"]["labels"] == {"site": "berlin"}
    assert stat.S_IMODE(Path(dest).stat().st_mode) == 0o600
    assert iso(base, dest=dest, wifi=wifi, labels={"site": "berlin"}, mode="0640")["changed"]
    assert stat.S_IMODE(Path(dest).stat().st_mode) == 0o640


def test_many_outputs_have_settings_of_their_own(base: Path, tmp_path: Path) -> None:
    outputs = [
        {"dest": str(tmp_path / f"till-{n}.iso"), "device_id": f"till-{n}"} for n in range(3)
    ]
    first = iso(base, outputs=outputs, batch="berlin")
    assert [item["changed"] for item in first["outputs"]] == [True] * 3
    Path(outputs[1]["dest"]).unlink()
    second = iso(base, outputs=outputs, batch="berlin")
    assert [item["changed"] for item in second["outputs"]] == [False, True, False]

    info = run("device_iso_info", path=outputs[1]["dest"])
    assert not info["changed"]
    assert info["iso"]["manifest"]["deviceID"] == "till-1"
    assert info["iso"]["manifest"]["batch"] == "berlin"
    assert info["iso"]["expired"] is False


def test_a_seed_needs_no_base(tmp_path: Path) -> None:
    dest = str(tmp_path / "seed.img")
    assert run("device_iso", dest=dest, medium="seed", **fleet().settings())["changed"]
    assert not run("device_iso", dest=dest, medium="seed", **fleet().settings())["changed"]
    assert run("device_iso_info", path=dest)["iso"]["kind"] == "seed"


def test_an_iso_is_reset_and_removed(base: Path, tmp_path: Path) -> None:
    dest = tmp_path / "till.iso"
    iso(base, dest=str(dest))
    assert run("device_iso", True, dest=str(dest), state="reset")["changed"]
    assert run("device_iso", dest=str(dest), state="reset")["changed"]
    assert not run("device_iso", dest=str(dest), state="reset")["changed"]
    assert dest.read_bytes() == base.read_bytes()

    assert run("device_iso", True, dest=str(dest), state="absent")["changed"]
    assert dest.exists()
    assert run("device_iso", dest=str(dest), state="absent")["changed"]
    assert not run("device_iso", dest=str(dest), state="absent")["changed"]
    dest.write_text("a thesis")
    assert run("device_iso", dest=str(dest), state="absent")["reason"] == "DestinationForeign"
    assert run("device_iso", dest=str(dest), state="absent", force=True)["changed"]


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        ({"base": "/missing.iso"}, "BaseNotFound", "cannot be opened"),
        ({"base": None}, "InvalidSettings", "base is missing"),
        ({"server": None}, "InvalidSettings", "server is missing"),
        ({"mode": "rw"}, "InvalidSettings", "octal"),
        ({"owner": "nobody-of-this-name"}, "InvalidSettings", "no user"),
        ({"group": "nobody-of-this-name"}, "InvalidSettings", "no group"),
        ({"checksum": ""}, "InvalidSettings", "checksum is not"),
        ({"architecture": "arm64"}, "WrongArchitecture", "amd64"),
        ({"key": "garbage"}, "KeyMismatch", "private key"),
        ({"wifi": [{"ssid": "s", "passphrase": "short"}]}, "InvalidSettings", "wifi[0]"),
    ],
)
def test_a_refusal_has_a_code_and_leaves_nothing(
    change: dict[str, Any], reason: str, text: str, base: Path, tmp_path: Path
) -> None:
    given = {"base": str(base), "dest": str(tmp_path / "till.iso"), **fleet().settings(), **change}
    answer = run("device_iso", **given)
    assert answer["failed"]
    assert answer["reason"] == reason
    assert text in answer["msg"]
    assert not list(tmp_path.iterdir())


def test_no_secret_is_in_the_answer_or_the_journal(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _, line, **__: lines.append(line))
    hidden = {
        "wifi": [{"ssid": "shop", "passphrase": PASSPHRASE}],
        "outputs": [{"dest": str(tmp_path / "a.iso"), "key": fleet().key}],
    }
    given = {name: value for name, value in fleet().settings().items() if name != "key"}
    answer = run("device_iso", base=str(base), **given, **hidden)

    assert answer["changed"]
    said = json.dumps(answer["outputs"]) + json.dumps(answer["diff"]) + "".join(lines)
    for line in fleet().key.splitlines()[1:-1]:
        assert line not in said
    assert PASSPHRASE not in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra": f"d-i netcfg/wireless_wpa string {PASSPHRASE}\n"},
        {"proxy": f"http://user:{PASSPHRASE}@proxy:3128"},
        {"proxy": "http://user:secret-of-the-proxy@proxy:3128"},
        {"password_hash": PASSPHRASE},
    ],
)
def test_secrets_of_an_installer_are_in_no_answer_and_not_in_the_journal(
    wrong: dict[str, str], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _, line, **__: lines.append(line))
    answer = iso(base, dest=str(tmp_path / "a.iso"), installer=wrong)

    assert answer["reason"] == "InvalidSettings"  # the base is a live system
    said = json.dumps(answer) + "".join(lines)
    assert lines
    assert PASSPHRASE not in said
    assert "secret-of-the-proxy" not in said


def test_what_was_written_before_a_failure_is_in_the_answer(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = [{"dest": str(tmp_path / name)} for name in ("a.iso", "b.iso")]
    (tmp_path / "b.iso").write_text("a thesis")
    refused = iso(base, outputs=outputs)
    assert refused["reason"] == "DestinationForeign"
    assert not refused.get("changed")
    assert not (tmp_path / "a.iso").exists()

    monkeypatch.setattr(batch_writing, "_plan", lambda *_: [])  # it came after the first look
    late = iso(base, outputs=outputs)
    assert (late["reason"], late["changed"]) == ("DestinationForeign", True)
    assert [item["dest"] for item in late["outputs"]] == [str(tmp_path / "a.iso")]


@pytest.mark.parametrize("state", ["reset", "absent"])
def test_nothing_is_changed_when_one_of_many_is_wrong(
    state: str, base: Path, tmp_path: Path
) -> None:
    iso(base, dest=str(tmp_path / "a.iso"))
    before = (tmp_path / "a.iso").read_bytes()
    (tmp_path / "b.iso").write_text("a thesis")
    outputs = [{"dest": str(tmp_path / name)} for name in ("a.iso", "b.iso")]
    assert run("device_iso", outputs=outputs, state=state)["failed"]
    assert (tmp_path / "a.iso").read_bytes() == before


def test_module_file_and_page_have_the_same_settings() -> None:
    known = set(loaded("device_iso").SETTINGS)
    assert {name for name in [*known, "colour"] if is_read(name)} == known

    page = (Path(__file__).parents[3] / "docs/reference/images.md").read_text()
    table = page[page.index("| Setting | Meaning |") :]
    rows = table[: table.index("\n\n")].splitlines()[2:]
    documented = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split(" | ")[0])}
    assert known | {"outputs"} <= documented | {f"{name}_file" for name in documented}


def is_read(name: str) -> bool:
    """Tell whether the reader of a file of settings knows a name."""
    try:
        parse_settings(fleet().settings(**{name: object()}))
    except ValueError as error:
        return f"{name} is not known" not in str(error)
    return True
