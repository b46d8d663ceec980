from __future__ import annotations

from flotta.backoff import Backoff


def test_delays_double_to_the_cap_and_start_over() -> None:
    backoff = Backoff(1.0, 60.0, jitter=0.0)

    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next() == 1


def test_the_servers_wish_is_obeyed_for_an_hour_at_most() -> None:
    backoff = Backoff(1.0, 60.0, jitter=0.0)

    assert backoff.next(at_least=90) == 90
    assert backoff.next(at_least=1e9) == 3600


def test_half_of_a_delay_is_random() -> None:
    backoff = Backoff(1, 60)
    delays = [backoff.next() for _ in range(200)]

    assert 0.5 <= delays[0] <= 1
    assert max(delays) <= 60
    assert max(delays[10:]) > 50
    assert 30 <= min(delays[10:]) < 40
