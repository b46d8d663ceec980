"""Names, keys, the proxy's responses and the readable log of the embedded S3 server."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from flotta.storage.access_keys import AccessKey, is_access_key_id, new_access_key_id
from flotta.storage.access_log import format_line
from flotta.storage.administrator import ensure_administrator, read_administrator
from flotta.storage.auth_proxy import answer_question, make_rclone_backend
from flotta.storage.bucket_names import make_bucket_name
from flotta.storage.key_gates import KeyGates
from flotta.storage.key_store import drop_keys, read_key, write_key
from flotta.storage.rclone_supervisor import S3ServerSettings, rclone_command

DEVICE = AccessKey("AAAABBBBCCCCDDDDEEEE", "its secret", "till-1-0")


@pytest.mark.parametrize("wanted", ["till-1", "Till_1.Shop", "-.-", "x" * 200, "ü", ""])
def test_bucket_names_are_valid_for_s3(wanted: str) -> None:
    name = make_bucket_name(wanted, "uid")
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name)


def test_bucket_names_are_stable_readable_and_unique() -> None:
    assert make_bucket_name("till-1", "a") == make_bucket_name("till-1", "a")
    assert make_bucket_name("till-1", "a") != make_bucket_name("till-1", "b")
    assert make_bucket_name("till-1", "a").startswith("till-1-")


def test_key_is_found_until_dropped_and_not_world_readable(tmp_path: Path) -> None:
    assert write_key(tmp_path, DEVICE)
    assert not write_key(tmp_path, DEVICE)
    assert read_key(tmp_path, DEVICE.access_key) == DEVICE
    assert next(tmp_path.iterdir()).stat().st_mode & 0o777 == 0o640
    other = AccessKey(new_access_key_id(), "s", "other-0")
    write_key(tmp_path, other)
    assert drop_keys(tmp_path, "till-1-0", keep=DEVICE.access_key) == []
    assert drop_keys(tmp_path, "till-1-0") == [DEVICE.access_key]
    assert read_key(tmp_path, DEVICE.access_key) is None
    assert read_key(tmp_path, other.access_key) == other
    assert DEVICE.secret_key not in repr(DEVICE)


def test_access_key_cannot_name_another_file(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (tmp_path / "x.json").write_text('{"access_key": "x", "secret_key": "s", "bucket": null}')
    assert read_key(keys, "../x") is None
    assert is_access_key_id(new_access_key_id())
    assert not is_access_key_id("../x")


def test_device_gets_its_bucket_and_the_administrator_everything(tmp_path: Path) -> None:
    write_key(tmp_path, DEVICE)
    admin = AccessKey(new_access_key_id(), "master", None)
    write_key(tmp_path, admin)
    gates = KeyGates(tmp_path / "gates", Path("/buckets/data"))
    (tmp_path / "gates").mkdir()
    device = make_rclone_backend(DEVICE.access_key, tmp_path, gates)
    assert device
    assert device["type"] == "combine"
    assert device["upstreams"].startswith('"till-1-0=')
    assert device["_secret_access_key"] == "its secret"
    everything = make_rclone_backend(admin.access_key, tmp_path, gates)
    assert everything
    whole = str(tmp_path / "gates" / admin.access_key / "data")
    assert (everything["type"], everything["remote"]) == ("hasher", whole)


def test_proxy_refuses_unknown_keys_by_its_status(tmp_path: Path) -> None:
    response = io.StringIO()
    question = json.dumps({"user": new_access_key_id()})
    gates = KeyGates(tmp_path, tmp_path)
    assert answer_question(io.StringIO(question), response, tmp_path, gates) == 1
    assert response.getvalue() == ""


def test_administrator_is_kept_and_known_to_the_server(tmp_path: Path) -> None:
    keys, file = tmp_path / "keys", tmp_path / "admin.env"
    keys.mkdir()
    assert ensure_administrator(file, keys)
    admin = read_administrator(file)
    assert read_key(keys, admin.access_key) == admin
    assert not ensure_administrator(file, keys)
    (keys / f"{admin.access_key}.json").unlink()
    assert ensure_administrator(file, keys)
    assert read_administrator(file) == admin
    file.write_text("AWS_ACCESS_KEY_ID=x\n")
    with pytest.raises(ValueError, match="AWS_SECRET_ACCESS_KEY"):
        read_administrator(file)


def test_command_line_serves_tls_and_asks_the_proxy() -> None:
    path = Path("/p")
    settings = S3ServerSettings(path, path, "0.0.0.0:9000", Path("/c"), Path("/k"), Path("/cache"))
    line = rclone_command(settings, Path("/rclone"))
    assert line[:5] == ["/rclone", "serve", "s3", "--addr", "0.0.0.0:9000"]
    for option, value in (("--cert", "/c"), ("--key", "/k"), ("--dir-cache-time", "500ms")):
        assert line[line.index(option) + 1] == value
    assert line[line.index("--auth-proxy") + 1].endswith("flotta/storage/auth_proxy.sh")


def record(level: str, message: str, about: str = "serve s3") -> str:
    return json.dumps({"time": "2026", "level": level, "msg": message, "object": about}) + "\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (record("debug", "CREATE OBJECT: b a/x y.txt"), "access: PUT b/a/x y.txt"),
        (record("debug", "GET OBJECT Bucket: b Object: a/x"), "access: GET b/a/x"),
        (record("debug", "HEAD OBJECT b m"), "access: HEAD b/m"),
        (record("debug", "DELETE: b m"), "access: DELETE b/m"),
        (record("debug", "put multipart upload b big f-1"), "access: PART b/big"),
        (record("debug", "complete multipart upload b a b f-1"), "access: COMPLETE b/a b"),
        (
            record("debug", 'bucketname: b prefix: prefix:"mp/", delim:"/" page: {}'),
            "access: LIST b/mp/",
        ),
        (record("debug", "Re-reading directory (1µs old)", ""), None),
        (record("info", "Deleted", "b/x"), None),
        (record("notice", "Starting s3 server on [x]", ""), "NOTICE: Starting s3 server on [x]"),
        (record("info", "1.2.3.4:5: Auth failed", "/b/y"), "INFO  : /b/y: 1.2.3.4:5: Auth failed"),
    ],
)
def test_log_names_each_request_and_hides_the_chatter(line: str, expected: str | None) -> None:
    assert format_line(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            record(
                "info", "1.2.3.4:5: Auth failed", "/b/q\n2026/01/01 00:00:00 ERROR : forged\x1b[2J"
            ),
            "INFO  : /b/q␊2026/01/01 00:00:00 ERROR : forged␛[2J: 1.2.3.4:5: Auth failed",
        ),
        (
            record("debug", "DELETE: b q\nERROR: forged \u202e"),
            "access: DELETE b/q␊ERROR: forged �",
        ),
        ("ERROR : forged by nobody\n", "    rclone: ERROR : forged by nobody"),
        (
            "2026/01/01 00:00:00 ERROR : forged\x1b\n",
            "    rclone: 2026/01/01 00:00:00 ERROR : forged␛",
        ),
        ('{"level": "info"}\n', '    rclone: {"level": "info"}'),
        ("\n", None),
        ("\ud800\n", "    rclone: �"),
    ],
)
def test_no_text_of_a_client_begins_a_line_of_the_log(line: str, expected: str | None) -> None:
    assert format_line(line) == expected
