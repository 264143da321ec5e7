"""Pages charged to all sockets of a protocol, as the kernel counts them: what a CPU has added last is not seen yet."""


class SharedCount:
    """A count of pages, of which each CPU keeps up to a batch back; a machine here has one.

    Source: sk_memory_allocated_add in include/net/sock.h of 6.0 and later (SK_MEMORY_PCPU_RESERVE, 1 MiB); a batch of one page
    is a count that keeps nothing back. Facts 12: with udp_mem[0] of 1653 pages a 6.1 stops at 1792, seven batches.
    """

    __slots__ = ("_batch", "_kept", "_shared")

    def __init__(self, batch: int) -> None:
        """`batch`: pages that are added, or taken off, at once."""
        self._batch = batch
        self._kept = 0
        self._shared = 0

    @property
    def pages(self) -> int:
        """All pages that are charged."""
        return self._shared + self._kept

    def add(self, pages: int) -> int:
        """Charge pages, or with a negative number give some back; how many all CPUs see then."""
        kept = self._kept + pages
        if -self._batch < kept < self._batch:
            self._kept = kept
        else:
            self._shared += kept
            self._kept = 0
        return self._shared if self._shared > 0 else 0

    def lend(self, pages: int) -> int:
        """What `add` would return for a positive number, where giving them back leaves all as it was; -1 where it does not."""
        batch = self._batch
        if batch == 1:
            return max(0, self._shared + pages)
        return self.seen() if self._kept + pages < batch else -1

    def seen(self) -> int:
        """How many pages all CPUs see."""
        return max(0, self._shared)

    def seen_with(self, pages: int) -> int:
        """What `add` would return for a positive number, with nothing charged."""
        kept = self._kept + pages
        return max(0, self._shared + kept if kept >= self._batch else self._shared)

    def state(self) -> tuple[int, int]:
        """Pages that all CPUs see, and those that one keeps back."""
        return (self._shared, self._kept)
