"""TCP's numbers and the few rules in which kernels differ; every kernel profile has one of these.

Source: include/net/tcp.h, net/ipv4/tcp.c, tcp_input.c, tcp_output.c, tcp_timer.c of 2.6.22 and 6.11.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

PAGE: Final = 4096
MIB: Final = 1 << 20


class TcpMem(NamedTuple):
    """`tcp_mem`: limits on what all TCP sockets of a machine are charged, in pages."""

    low: int
    """Below it no charge is refused, and memory pressure ends."""
    pressure: int
    """Above it there is memory pressure."""
    high: int
    """Above it every new charge is refused."""


@dataclass(frozen=True, slots=True)
class TcpRules:
    """Sizes in bytes, times in ns, windows in segments."""

    initial_rto_ns: int
    """The time-out before any round trip has been measured (TCP_TIMEOUT_INIT)."""
    min_rto_ns: int
    """Least part of the time-out that is for the variation of the round trip (TCP_RTO_MIN)."""
    max_rto_ns: int
    """The longest time-out (TCP_RTO_MAX)."""
    retries: int
    """Retransmissions before a connection is given up (tcp_retries2)."""
    syn_retries: int
    """Retransmissions before a connection that is not open yet is given up (tcp_syn_retries)."""
    delayed_ack_ns: int
    """The shortest delay of an acknowledgement (TCP_DELACK_MIN), used for all of them."""
    starved_ack_ns: int
    """When an acknowledgement is tried again for which there was no memory (TCP_DELACK_MAX)."""
    memory_wait_ns: int
    """When a writer that was refused memory looks again: up to 0.2 s at random there, always half of it here
    (sk_stream_wait_memory)."""
    initial_window: int
    """Segments that may be sent before the first acknowledgement (TCP_INIT_CWND)."""
    quick_acks: int
    """Segments at the start that are acknowledged at once (TCP_MAX_QUICKACKS)."""
    min_rcv_mss: int
    """The segment size that a receiver first assumes of the sender (TCP_MIN_RCVMSS)."""
    window_share: tuple[int, int]
    """(n, d): n/d of the free receive buffer is offered as window; the rest is for overheads (tcp_adv_win_scale)."""
    measures_share: bool
    """That share is only for the start: then it is payload by truesize of the last full segment that came (scaling_ratio in
    tcp_measure_rcv_mss, net/ipv4/tcp_input.c, since 6.6)."""
    rmem: tuple[int, int, int]
    """tcp_rmem: guaranteed, default, and the most where memory allows."""
    rmem_by_memory: bool
    """The most of tcp_rmem is no more than a share of the machine's memory: it was reckoned at boot, and no user has set it."""
    wmem: tuple[int, int, int]
    """tcp_wmem, for send buffers: guaranteed, default, and the most where memory allows."""
    wmem_by_memory: bool
    """The most of tcp_wmem is no more than a share of the machine's memory, as with `rmem_by_memory`."""
    segment_charge: int
    """The charge to a socket for a segment it sends, beside the payload."""
    ram_share: bool
    """tcp_mem grows with the square of small memories (2.6.22); else it is a sixteenth of memory at any size."""
    low_inclusive: bool
    """A total of exactly `low` is still below the limit."""
    exempts_marked: bool
    """The exemption of sockets that serve the swap holds for all they are charged; else for segments from the reserve."""
    forced_on_empty: bool
    """With nothing queued the next segment is accepted, or built, whatever the limit says (tcp_data_queue)."""
    closes_on_drop: bool
    """A segment dropped for want of memory is answered at once by a window of zero."""
