"""NBD's sizes (row 46), and what is no request or reply."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.protocol import nbd
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.rpc import VERSION_MAX
from netswap.protocol.tcp import mss

MSS = 1448


def test_a_page_out_is_4124_bytes_and_its_reply_16() -> None:
    """28 + 4096 and 16 bytes: 3 segments of at most 1448 bytes, and 1."""
    assert mss(1500) == MSS
    assert (nbd.request_size(write=True), nbd.reply_size(write=True)) == (4124, 16)
    assert -(-4124 // MSS) == 3


def test_a_page_in_is_28_bytes_and_its_reply_4112() -> None:
    """28 and 16 + 4096 bytes: 1 segment, and 3."""
    assert (nbd.request_size(write=False), nbd.reply_size(write=False)) == (28, 4112)
    assert -(-4112 // MSS) == 3


@given(st.integers(0, 1), st.integers(0, 1 << 62), st.integers(0, 1 << 40), st.integers(0, VERSION_MAX))
def test_what_is_said_is_what_is_understood(kind: int, handle: int, page: int, version: int) -> None:
    """A request and a reply as they stand in the stream."""
    assert nbd.request((kind, handle, page, version)) == nbd.Request(kind, handle, page, version)
    assert nbd.reply((0, handle, version)) == nbd.Reply(0, handle, version)


@pytest.mark.parametrize(
    "value",
    [
        (),
        (0, 1, 2),
        (2, 1, 2, 3),
        (-1, 1, 2, 3),
        (0, 1, 2, True),
        (0, 1, -2, 3),
        (1, 1, 2, VERSION_MAX + 1),
        (1, 1, 2, 3, 4),
        None,
        "abc",
    ],
    ids=repr,
)
def test_anything_else_is_no_request(value: Any) -> None:
    """A LocalProtocolError that shows what it was."""
    with pytest.raises(LocalProtocolError):
        nbd.request(value)


def test_a_request_says_by_its_size_which_part_of_a_page_it_writes() -> None:
    """28 bytes and what is written; one to read has 28, and says how much it is to be given: 0 is the whole page."""
    write, read, part = (nbd.WRITE, 1, 5, 7), (nbd.READ, 1, 5, 0), (nbd.READ, 1, 5, 1024)
    assert [nbd.request_of(28 + unit, write)[1] for unit in (1024, 4096)] == [1024, 4096]
    assert [nbd.request_of(28, one)[1] for one in (read, part)] == [4096, 1024]


@pytest.mark.parametrize(
    ("size", "value"), [(28, (1, 1, 5, 7)), (28 + 4097, (1, 1, 5, 7)), (29, (0, 1, 5, 0)), (28, None)]
)
def test_a_request_of_another_size_is_none(size: int, value: Any) -> None:
    """Nothing to write, more than a page, a byte too many, and what is no request whatever its size."""
    with pytest.raises(LocalProtocolError):
        nbd.request_of(size, value)


@pytest.mark.parametrize("value", [(), (0, 1), (0, 1, 2.0), (0, -1, 2), (0, 1, VERSION_MAX + 1), None], ids=repr)
def test_anything_else_is_no_reply(value: Any) -> None:
    """The same."""
    with pytest.raises(LocalProtocolError):
        nbd.reply(value)
