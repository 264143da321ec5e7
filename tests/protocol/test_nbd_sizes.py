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


@pytest.mark.parametrize("value", [(), (0, 1), (0, 1, 2.0), (0, -1, 2), (0, 1, VERSION_MAX + 1), None], ids=repr)
def test_anything_else_is_no_reply(value: Any) -> None:
    """The same."""
    with pytest.raises(LocalProtocolError):
        nbd.reply(value)
