"""Page-out and page-in as calls: when an unanswered one is sent again."""

from collections.abc import Iterator
from itertools import accumulate, count, islice, pairwise, takewhile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import transmission_times

from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.rpc import TIMEOUT_NS, message, retry_interval
from netswap.protocol.units import seconds

FIRST_NS = seconds(1.1)
CAP_NS = seconds(8.8)


def sent_at() -> Iterator[int]:
    """When the product sends a request that is never answered, ns after the first time."""
    return accumulate((retry_interval(attempt) for attempt in count()), initial=0)


def test_an_unanswered_request_is_sent_on_the_grid_of_nfs_over_udp() -> None:
    """1.1 s doubled three times, then anew: 0, 1.1, 3.3, 7.7, 16.5, 17.6, 19.8, 24.2, 33.0 s."""
    expected = [0]
    for attempt in range(8):
        expected.append(expected[-1] + FIRST_NS * 2 ** (attempt % 4))
    assert expected == [seconds(at) for at in (0, 1.1, 3.3, 7.7, 16.5, 17.6, 19.8, 24.2, 33.0)]
    assert list(islice(sent_at(), 9)) == expected == list(islice(transmission_times(), 9))


@given(st.integers(0, 200))
def test_the_grid_repeats_every_16_5_seconds(attempt: int) -> None:
    """1.1 (1 + 2 + 4 + 8) = 16.5 s; a hard mount never gives up."""
    assert next(islice(sent_at(), attempt, None)) == sum(FIRST_NS << place % 4 for place in range(attempt))
    assert next(islice(sent_at(), 4 * attempt, None)) == attempt * 15 * FIRST_NS


@given(st.integers(0, seconds(600)))
@example(1)
@example(FIRST_NS)
@example(FIRST_NS + 1)
@example(seconds(7.7) + 1)
@example(seconds(16.5))
def test_after_an_outage_of_any_length_the_next_transmission_comes_within_the_bound(outage_ns: int) -> None:
    """Lost at 0, healed at D: the next one leaves within min(D + 1.1 s, 8.8 s) (row 31)."""
    following = next(at for at in sent_at() if at >= outage_ns)
    assert following - outage_ns <= min(outage_ns + FIRST_NS, CAP_NS)


def test_the_bound_is_reached_on_the_way_to_the_cap() -> None:
    """A heal just after a transmission at 0, 1.1, 3.3, 7.7 s waits D + 1.1 s; the last of them is the cap."""
    for sent, following in pairwise(takewhile(lambda at: at <= seconds(16.5), sent_at())):
        assert following - sent == min(sent + FIRST_NS, CAP_NS)


@given(st.integers(1, seconds(60)), st.integers(0, 40))
def test_another_time_out_scales_the_grid(timeout_ns: int, attempt: int) -> None:
    """All intervals are 1, 2, 4 or 8 time-outs."""
    assert retry_interval(attempt, timeout_ns) == timeout_ns * (1, 2, 4, 8)[attempt % 4]
    assert retry_interval(attempt) == TIMEOUT_NS * (1, 2, 4, 8)[attempt % 4]


def test_a_message_is_an_xid_a_page_and_a_stamp() -> None:
    """As it stands in a datagram's body; of several pages that follow each other the versions come one by one."""
    assert message((1, 29, 4)) == (1, 29, (4,))
    assert message((1, 29, *range(8))) == (1, 29, tuple(range(8)))


@pytest.mark.parametrize(
    "value",
    [
        (),
        (1, 2),
        (1, 2, True),
        (1, 2.0, 3),
        (1, 2, 3, True),
        (1, 2, 3, -1),
        (1, 2, 3, 1 << 32),
        (1, 2, *range(9)),
        None,
        3,
        "abc",
    ],
    ids=repr,
)
def test_anything_else_is_no_message(value: Any) -> None:
    """A LocalProtocolError that shows what it was."""
    with pytest.raises(LocalProtocolError):
        message(value)
