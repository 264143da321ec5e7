"""IPv4 on Ethernet: how a datagram falls into packets, and what they weigh."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.protocol.ip import ETHERNET, IP_HEADER, MTU, UDP_HEADER, datagram_wire, fragment_payload, fragments
from netswap.protocol.rpc import HEADER

KIB = 1024


@pytest.mark.parametrize(("payload", "packets"), [(32 * KIB, 23), (4 * KIB, 3)])
def test_nfs_over_udp_falls_into_as_many_fragments_as_the_formula_says(payload: int, packets: int) -> None:
    """ceil((32768 + 128 + 8) / 1480) = 23, ceil((4096 + 128 + 8) / 1480) = 3."""
    length = payload + HEADER + UDP_HEADER
    assert packets == -(-length // (MTU - IP_HEADER))
    assert fragments(length) == packets
    assert datagram_wire(payload + HEADER)[0] == packets


def test_a_full_frame_is_1538_bytes_on_the_wire() -> None:
    """1472 bytes of payload + 8 + 20 = 1500, and 38 of Ethernet around them; one byte more takes a second packet."""
    assert datagram_wire(1472) == (1, 1500 + 38, 1500 + 38)
    assert datagram_wire(1473) == (2, 1500 + 38, 1 + IP_HEADER + ETHERNET)


@given(st.integers(0, 65_507), st.integers(68, 9000), st.sampled_from((0, ETHERNET)))
def test_every_byte_of_a_datagram_is_on_the_wire_once(payload: int, mtu: int, framing: int) -> None:
    """Sum over the packets = payload + 8 + packets (20 + framing); each fits; all but the last are equal and by 8."""
    packets, wire, tail = datagram_wire(payload, framing, mtu)
    headers = IP_HEADER + framing
    assert (packets - 1) * wire + tail == payload + UDP_HEADER + packets * headers
    assert headers < tail <= mtu + framing
    assert tail <= wire <= mtu + framing
    if packets > 1:
        assert (wire - headers) % 8 == 0
        assert wire - headers == fragment_payload(mtu)


@given(st.integers(0, 65_507), st.integers(68, 9000))
def test_no_fewer_packets_would_do(payload: int, mtu: int) -> None:
    """With one fragment less, the last would be above the MTU."""
    packets = fragments(payload, mtu)
    assert packets == 1 or payload > (packets - 1) * fragment_payload(mtu)
