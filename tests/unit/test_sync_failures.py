from __future__ import annotations

from flotta.sync.failures import Failures
from flotta.sync.model import SyncedPath


def test_a_failed_path_waits_unless_it_changed():
    now = [0.0]
    failures = Failures(15.0, clock=lambda: now[0])
    path = SyncedPath("w", "up", "a")
    failures.record_failure(path, "etag-1", "reason")
    assert not failures.is_due(path, "etag-1")
    assert failures.is_due(path, "etag-2")
    assert failures.messages("w") == ["a: reason"]
    now[0] = 16.0
    assert failures.is_due(path, "etag-1")
    failures.record_success(path)
    assert failures.messages("w") == []
