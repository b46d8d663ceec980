from __future__ import annotations

from flotta.token_bucket import TokenBucket


def test_a_burst_passes_and_then_one_token_an_interval() -> None:
    now = [0.0]
    bucket = TokenBucket(rate=0.2, burst=3, clock=lambda: now[0])

    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_time() == 5.0
    now[0] += 5
    assert bucket.wait_time() == 0
    assert bucket.take()
    assert not bucket.take()


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    now = [0.0]
    bucket = TokenBucket(rate=1, burst=2, clock=lambda: now[0])
    now[0] += 3600

    assert [bucket.take() for _ in range(3)] == [True, True, False]
