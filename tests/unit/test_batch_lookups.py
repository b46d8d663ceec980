"""How often strangers can have a server look through all registration batches."""

from __future__ import annotations

import pytest

from flotta.edge_api import batch_lookups
from flotta.edge_api.batch_lookups import LIST_BURST, Lookups


def test_a_certificate_that_no_list_had_causes_no_other_until_a_change_tells_of_it() -> None:
    lookups = Lookups()
    assert lookups.take("a")
    lookups.note_unknown("a")
    assert not lookups.take("a")
    lookups.note_told("a")
    assert lookups.take("a")
    lookups.note_unknown("a")
    lookups.note_change()
    assert lookups.take("a")


def test_certificates_of_which_nothing_is_known_cause_few_lists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_lookups, "LIST_RATE", 1e-6)
    lookups = Lookups()
    assert sum(lookups.take(str(number)) for number in range(100)) == LIST_BURST


def test_only_so_many_certificates_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_lookups, "REMEMBERED", 2)
    lookups = Lookups()
    for fingerprint in "abc":
        lookups.note_unknown(fingerprint)
    assert [lookups.take(fingerprint) for fingerprint in "abc"] == [True, False, False]
