"""The round-trip time of one TCP connection, and the retransmission time-out that follows from it (RFC 6298)."""

from netswap.actors.kernels.tcp import TcpRules


class RoundTrip:
    """Smoothed round-trip time and its variation, ns; 0 until one has been measured."""

    __slots__ = ("_rules", "smoothed_ns", "variation_ns")

    def __init__(self, rules: TcpRules) -> None:
        self._rules = rules
        self.smoothed_ns = 0
        self.variation_ns = 0

    def measure(self, rtt_ns: int) -> None:
        """Take in the round trip of a segment or SYN sent once; of others it is unknown which transmission was answered."""
        if not self.smoothed_ns:
            self.smoothed_ns, self.variation_ns = max(1, rtt_ns), rtt_ns // 2
            return
        self.variation_ns += (abs(rtt_ns - self.smoothed_ns) - self.variation_ns) // 4
        self.smoothed_ns = max(1, self.smoothed_ns + (rtt_ns - self.smoothed_ns) // 8)

    def timeout_ns(self, backoff: int) -> int:
        """The retransmission time-out after `backoff` doublings, within the kernel's limits.

        Its minimum is one of the variation's part (tcp_rtt_estimator and tcp_set_rto in net/ipv4/tcp_input.c).
        """
        rules = self._rules
        base = rules.initial_rto_ns
        if self.smoothed_ns:
            base = self.smoothed_ns + max(4 * self.variation_ns, rules.min_rto_ns)
        return min(base << backoff, rules.max_rto_ns)
