"""IPv4 and UDP on Ethernet: sizes, and how a datagram falls into fragments."""

from typing import Final

IP_HEADER: Final = 20
UDP_HEADER: Final = 8
ETHERNET: Final = 38
"""Preamble 8, header 14, checksum 4, gap 12 bytes around every IP packet."""
LINK_HEADER: Final = 14
"""What of these a driver sees."""
MTU: Final = 1500


def fragment_payload(mtu: int = MTU) -> int:
    """Bytes of IP payload in each fragment but the last: a multiple of 8."""
    return (mtu - IP_HEADER) // 8 * 8


def fragments(payload: int, mtu: int = MTU) -> int:
    """How many IP packets carry `payload` bytes of IP payload (UDP header included)."""
    if payload <= mtu - IP_HEADER:
        return 1
    return -(-payload // fragment_payload(mtu))


def datagram_wire(payload: int, framing: int = ETHERNET, mtu: int = MTU) -> tuple[int, int, int]:
    """(packets, bytes on the wire of each but the last, bytes of the last) of a UDP datagram of `payload` bytes."""
    length = payload + UDP_HEADER
    packets = fragments(length, mtu)
    each = fragment_payload(mtu)
    tail = length - (packets - 1) * each + IP_HEADER + framing
    return packets, each + IP_HEADER + framing if packets > 1 else tail, tail
