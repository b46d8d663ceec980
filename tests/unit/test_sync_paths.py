from __future__ import annotations

import pytest

from flotta.sync import paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [("stats", "stats"), ("/stats/", "stats"), ("a//b/./c", "a/b/c"), ("", ""), ("/", "")],
)
def test_directories_are_normalised_once(text, expected):
    assert paths.normalize_directory(text) == expected


@pytest.mark.parametrize("text", ["..", "a/../b", "/..", "a\0b"])
def test_directories_never_leave_their_root(text):
    with pytest.raises(paths.NameRefusedError):
        paths.normalize_directory(text)


def test_prefixes_end_with_the_delimiter():
    assert paths.listing_prefix("log") == "log/"
    assert paths.listing_prefix("/log/") == "log/"
    assert paths.listing_prefix("/") == ""


def test_a_leading_slash_of_a_target_is_not_part_of_the_key():
    assert paths.key_below("/x/", "a#?%25") == "x/a#?%25"


@pytest.mark.parametrize(
    ("target", "key"), [("t", "t"), ("/t", "t"), ("t/", "t/name"), ("", "name"), ("/", "name")]
)
def test_a_single_file_takes_the_target_or_goes_below_it(target, key):
    assert paths.key_of_single_file(target, "name") == key


def test_a_key_outside_the_listed_directory_is_refused():
    with pytest.raises(paths.NameRefusedError):
        paths.path_of_key("log", "here", "log2/a")


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0"])
def test_workload_names_are_single_directories(name):
    with pytest.raises(paths.NameRefusedError):
        paths.check_workload_name(name)


def test_keys_longer_than_s3_allows_are_refused():
    with pytest.raises(paths.NameRefusedError):
        paths.key_below("t", "ü" * 512)
