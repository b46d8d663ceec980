from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from flotta import inotify
from flotta.sync.tree_watch import TreeWatch


@contextmanager
def opened(directory):
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def watch(tmp_path):
    watch = TreeWatch()
    for workload in ("one", "two"):
        (tmp_path / workload).mkdir()
        watch.restart_workload(workload)
        with opened(tmp_path / workload) as descriptor:
            watch.add_directory(workload, descriptor)
    return watch


def test_a_change_is_reported_once_and_for_its_workload_alone(watch, tmp_path):
    assert watch.is_complete("one")
    assert watch.read_changed_workloads() == set()
    (tmp_path / "one" / "file").touch()
    assert watch.read_changed_workloads() == {"one"}
    assert watch.read_changed_workloads() == set()


def test_lost_events_may_have_been_of_any_workload(watch, monkeypatch):
    overflow = inotify.Event(-1, 0x4000, "")
    monkeypatch.setattr(inotify.Inotify, "read", lambda _: iter([overflow]))
    assert watch.read_changed_workloads() == {"one", "two"}


@pytest.mark.parametrize("limited", ["__init__", "add"])
def test_where_the_kernel_grants_no_watch_nothing_counts_as_watched(tmp_path, monkeypatch, limited):
    def refuse(*_):
        raise OSError("the limit is reached")

    monkeypatch.setattr(inotify.Inotify, limited, refuse)
    watch = TreeWatch()
    watch.restart_workload("one")
    with opened(tmp_path) as descriptor:
        watch.add_directory("one", descriptor)
    assert not watch.is_complete("one")
    assert watch.read_changed_workloads() == set()
