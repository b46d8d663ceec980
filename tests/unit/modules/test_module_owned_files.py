"""The module owned_files: what carries the mark of flotta is removed, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from module_run import run

from flotta.identity.authority import Authority

ORGANIZATION = "flotta-operator"


def certificate(organization: str) -> str:
    authority = Authority.create("A CA", organization)
    return authority.certificate_pem.decode()


def test_files_without_the_mark_stay_and_are_named(tmp_path: Path) -> None:
    own, foreign = tmp_path / "own.toml", tmp_path / "foreign.toml"
    own.write_text("# by flotta\n")
    foreign.write_text("# by rhc\n")
    files = [{"path": str(path), "texts": ["by flotta"]} for path in (own, foreign)]
    wanted: dict[str, Any] = {"files": files, "directories": [{"path": str(tmp_path)}]}

    assert run("owned_files", check_mode=True, **wanted)["ours"] == [str(own)]
    listed = run("owned_files", state="listed", **wanted)
    assert (listed["changed"], listed["ours"]) == (False, [str(own)])
    assert own.exists()
    first, again = run("owned_files", **wanted), run("owned_files", **wanted)

    assert (first["changed"], again["changed"]) == (True, False)
    assert first["foreign"] == [f"{foreign} does not contain the mark of flotta"]
    assert os.listdir(tmp_path) == ["foreign.toml"]


@pytest.mark.parametrize("organization", [ORGANIZATION, "Red Hat, Inc."])
def test_an_identity_is_ours_by_its_certificate_and_the_key_by_the_certificate_beside_it(
    tmp_path: Path, organization: str
) -> None:
    (tmp_path / "cert.pem").write_text(certificate(organization))
    (tmp_path / "key.pem").write_text("a key")
    files = [
        {"path": str(tmp_path / "key.pem"), "like": str(tmp_path / "cert.pem")},
        {"path": str(tmp_path / "cert.pem"), "organization": ORGANIZATION},
    ]
    answer = run("owned_files", files=files, directories=[{"path": str(tmp_path)}])
    assert tmp_path.exists() is (organization != ORGANIZATION)
    if organization != ORGANIZATION:
        assert not answer["changed"]
        assert f"{tmp_path}/cert.pem is not a certificate of {ORGANIZATION}" in answer["foreign"]
        assert sorted(os.listdir(tmp_path)) == ["cert.pem", "key.pem"]


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("beside", [True, False])
def test_a_file_is_ours_by_its_own_mark_or_by_what_is_beside_it(
    tmp_path: Path, mark: bool, beside: bool
) -> None:
    (tmp_path / "ca.pem").write_text("# by flotta\n" if mark else "\n")
    (tmp_path / "cert.pem").write_text(certificate(ORGANIZATION if beside else "Others"))
    files = [
        {
            "path": str(tmp_path / "ca.pem"),
            "like": str(tmp_path / "cert.pem"),
            "texts": ["by flotta"],
        },
        {"path": str(tmp_path / "cert.pem"), "organization": ORGANIZATION},
    ]
    answer = run("owned_files", files=files, state="listed")
    assert (str(tmp_path / "ca.pem") in answer["ours"]) is (mark or beside)


def test_damaged_certificates_and_keys_without_one_are_not_ours(tmp_path: Path) -> None:
    broken = "-----BEGIN CERTIFICATE-----\n%%%a\n-----END CERTIFICATE-----\n"
    (tmp_path / "cert.pem").write_text(broken)
    (tmp_path / "key.pem").touch()
    files = [
        {"path": str(tmp_path / "cert.pem"), "organization": ORGANIZATION},
        {"path": str(tmp_path / "key.pem"), "like": str(tmp_path / "gone.pem")},
    ]
    assert not run("owned_files", files=files)["changed"]


def test_releases_and_links_to_them_are_removed_and_other_folders_stay(tmp_path: Path) -> None:
    (tmp_path / "0.1.0+abc").mkdir()
    (tmp_path / "0.1.0+abc/programs.json").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "current").symlink_to("0.1.0+abc")
    (tmp_path / "other").symlink_to("/etc")
    files = [
        {"path": f"{tmp_path}/current", "target": "*+*"},
        {"path": f"{tmp_path}/other", "target": "*+*"},
        {"path": f"{tmp_path}/*+*", "contains": [".flotta", "programs.json"]},
        {"path": f"{tmp_path}/mine", "contains": ["programs.json"]},
    ]
    answer = run("owned_files", files=files, directories=[{"path": str(tmp_path)}])
    assert sorted(os.listdir(tmp_path)) == ["mine", "other"]
    assert f"{tmp_path} has other files, which stay: mine, other" not in answer["foreign"]  # named
    assert len(answer["foreign"]) == 2


def test_what_nobody_listed_is_named_unless_the_directory_is_shared(tmp_path: Path) -> None:
    for name in ("shared", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "else").touch()
    directories = [
        {"path": str(tmp_path / "shared"), "shared": True},
        {"path": str(tmp_path / "own")},
        {"path": str(tmp_path / "missing")},
    ]
    answer = run("owned_files", directories=directories)
    assert answer["foreign"] == [f"{tmp_path}/own has other files, which stay: else"]


def test_a_directory_of_any_depth_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "volumes"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):  # deeper than Python's limit of recursion and a path's length
        os.mkdir("d" * 10, dir_fd=here)
        deeper = os.open("d" * 10, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    assert run("owned_files", files=[{"path": str(folder)}])["changed"]
    assert not folder.exists()


def test_nested_directories_are_removed_when_they_are_empty(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    wanted: dict[str, Any] = {
        "files": [{"path": f"{tmp_path}/a/b/file"}],
        "directories": [{"path": f"{tmp_path}/a/b"}, {"path": f"{tmp_path}/a"}],
    }
    checked = run("owned_files", check_mode=True, **wanted)
    assert checked["ours"] == [f"{tmp_path}/a/b/file", f"{tmp_path}/a/b", f"{tmp_path}/a"]
    assert run("owned_files", **wanted)["ours"] == checked["ours"]
    assert os.listdir(tmp_path) == []


def test_an_empty_directory_of_another_package_stays(tmp_path: Path) -> None:
    (tmp_path / "consumer").mkdir()
    directories = [{"path": str(tmp_path / "consumer"), "shared": True}]
    assert not run("owned_files", directories=directories)["changed"]
    assert (tmp_path / "consumer").is_dir()


def test_what_is_to_be_kept_stays_under_every_name(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "key.pem").write_text("a key")
    (tmp_path / "used" / "other.pem").write_text("another")
    (tmp_path / "usual").symlink_to("used")
    files = [{"path": f"{tmp_path}/usual/{name}.pem"} for name in ("key", "other")]
    answer = run("owned_files", files=files, keep=[f"{tmp_path}/used/k*.pem"])
    assert answer["ours"] == [f"{tmp_path}/usual/other.pem"]
    assert os.listdir(tmp_path / "used") == ["key.pem"]
