"""ARP on the wire: what a frame takes, and what it says."""

import pytest

from netswap.protocol.arp import PACKET, REPLY, REQUEST, operation, wire
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.ip import ETHERNET


@pytest.mark.parametrize(
    ("payload", "framing", "expected"),
    [(PACKET, ETHERNET, 84), (46, ETHERNET, 84), (1500, ETHERNET, 1538), (28, 0, 28)],
)
def test_ethernet_fills_up_what_is_short(payload: int, framing: int, expected: int) -> None:
    """Preamble 8, header 14, payload from 46, checksum 4, gap 12; without framing nothing is added."""
    assert wire(payload, framing) == expected


@pytest.mark.parametrize("message", [(), (0,), (3,), (True,), (1.0,), (1, 2), 1, None, [1]])
def test_what_is_neither_request_nor_reply_is_an_error(message: object) -> None:
    """As for every message of a body."""
    assert (operation((REQUEST,)), operation((REPLY,))) == (REQUEST, REPLY)
    with pytest.raises(LocalProtocolError, match="ARP message"):
        operation(message)
