"""The receiving half of a TCP connection: what is kept, what is refused, and how much more may come.

Source: net/ipv4/tcp_input.c and tcp_output.c (tcp_data_queue, tcp_prune_queue, __tcp_select_window). What has been
acknowledged is never thrown away; what came out of order may be, since it was only reported.
"""

from collections import deque
from typing import Final

from netswap.actors.net.buffers import B_CHARGE, B_TRUESIZE, Buffer, Buffers
from netswap.actors.net.tcp_memory import Account, TcpMemory
from netswap.protocol.tcp import FIRST_BYTE, SACK_BLOCKS, Message, Range, Record

IN_ORDER: Final = "in order"
EARLY: Final = "early"
"""Bytes before the segment are missing."""
OLD: Final = "old"
"""Nothing new, or no room for what is new: the segment is answered, and not kept."""
_COLLAPSED: Final = 3584
"""Payload of a page that takes the place of several small buffers."""


class Piece:
    """Received bytes [seq, end) in their buffer, with the messages that end in them."""

    __slots__ = ("buffer", "end", "records", "seq")

    def __init__(self, seq: int, end: int, records: tuple[Record, ...], buffer: Buffer) -> None:
        self.seq = seq
        self.end = end
        self.records = records
        self.buffer = buffer


class Receiver:
    """Receive queue, out-of-order queue and window of one connection."""

    __slots__ = (
        "_account",
        "_behind",
        "_buffers",
        "_latest",
        "_memory",
        "_mss",
        "early",
        "edge",
        "frames",
        "nxt",
        "ready",
        "share",
    )

    def __init__(self, mss: int, memory: TcpMemory, account: Account, buffers: Buffers) -> None:
        self.ready: deque[Piece] = deque()
        """Pieces in order that have not been read."""
        self.early: list[Piece] = []
        """Pieces out of order, by sequence number."""
        self.nxt = FIRST_BYTE
        """The first byte that is missing."""
        self.edge = FIRST_BYTE
        """Behind the last byte that the sender has been told to have room; the edge never moves back."""
        self.share = memory.rules.window_share
        """(n, d): n/d of the free receive buffer is what may come in it; the rest is for overheads."""
        self.frames = 0
        """Frames whose buffers are kept."""
        self._behind = FIRST_BYTE
        """Where the last message that has been read ended."""
        self._latest: Piece | None = None
        self._mss = mss
        self._memory = memory
        self._account = account
        self._buffers = buffers

    # -- what comes -------------------------------------------------------------------------------------------------

    def arrive(self, seq: int, end: int, records: tuple[Record, ...], buffer: Buffer) -> str:
        """Take a segment's bytes; what it was, or the cause for which it has been refused.

        Its buffer is taken over or, if it is old or refused, still the caller's.
        """
        account = self._account
        if (
            seq == self.nxt
            and not self.early
            and account.rmem <= account.rcvbuf
            and account.receive(buffer[B_TRUESIZE])
        ):
            self.frames += 1
            self.ready.append(Piece(seq, end, records, buffer))
            self.nxt = end
            return IN_ORDER
        if end <= self.nxt or seq >= max(self.edge, self.nxt + 1):
            return OLD
        at = None if seq <= self.nxt else self._place(seq, end)
        if at == -1:
            return OLD
        refused = self._refuse(buffer, in_order=at is None)
        if refused:
            return refused
        self.frames += 1
        piece = Piece(seq, end, records, buffer)
        if at is not None:
            self.early.insert(self._place(seq, end), piece)
            self._latest = piece
            return EARLY
        self._append(piece)
        while self.early and self.early[0].seq <= self.nxt:
            self._append(self.early.pop(0))
        return IN_ORDER

    def measure(self, payload: int, buffer: Buffer) -> None:
        """Take a full segment, `payload` bytes in its buffer, as the measure of what a receive buffer holds."""
        if self._memory.rules.measures_share:
            self.share = payload, buffer[B_TRUESIZE]

    def _append(self, piece: Piece) -> None:
        """The next piece in order, or one that has been overtaken."""
        if piece.end <= self.nxt:
            self._free(piece)
            return
        if piece.seq < self.nxt:
            piece.records = tuple(record for record in piece.records if record[0] > self.nxt)
            piece.seq = self.nxt
        self.ready.append(piece)
        self.nxt = piece.end

    def _place(self, seq: int, end: int) -> int:
        """The place where an early piece belongs; -1 if it is there already."""
        at = len(self.early)
        while at and self.early[at - 1].seq >= seq:
            at -= 1
        for piece in self.early[max(0, at - 1) : at + 1]:
            if piece.seq <= seq and end <= piece.end:
                return -1
        return at

    def _refuse(self, buffer: Buffer, *, in_order: bool) -> str:
        """Charge a buffer, after pruning if need be; the cause for which that is impossible, or nothing."""
        account = self._account
        memory = self._memory
        forced = (buffer[B_CHARGE] > 0 and memory.exempts_reserve) or (
            in_order and not self.ready and memory.rules.forced_on_empty
        )
        full = account.rmem > account.rcvbuf
        if not full and account.receive(buffer[B_TRUESIZE], forced=forced):
            return ""
        if not self._prune() and not forced:
            return "socket-full"
        return "" if account.receive(buffer[B_TRUESIZE], forced=forced) else "tcp-limit"

    # -- what goes --------------------------------------------------------------------------------------------------

    def read(self) -> list[tuple[int, Message]]:
        """Copy the first piece out; the messages that end in it, each with its size."""
        piece = self.ready.popleft()
        self._free(piece)
        if not piece.records:
            return []
        messages = []
        for end, message in piece.records:
            messages.append((end - self._behind, message))
            self._behind = end
        return messages

    def _free(self, piece: Piece) -> None:
        self.frames -= 1
        self._account.read(piece.buffer[B_TRUESIZE])
        self._buffers.free(piece.buffer)

    def close(self) -> None:
        """Throw everything away: the connection is gone."""
        for piece in (*self.ready, *self.early):
            self._free(piece)
        self.ready.clear()
        self.early.clear()

    # -- memory -----------------------------------------------------------------------------------------------------

    def _prune(self) -> bool:
        """Make room, without losing what has been acknowledged, when more is queued than fits; whether that helped."""
        account = self._account
        if account.rmem >= account.rcvbuf:
            account.clamp()
        self._collapse()
        if account.rmem > account.rcvbuf:
            for piece in self.early:
                self._free(piece)
            self.early.clear()
        return account.rmem <= account.rcvbuf

    def _collapse(self) -> None:
        """Copy neighbours whose buffers are mostly overhead into pages, as far as there is memory for that."""
        share, whole = self.share
        kept: deque[Piece] = deque()
        run: list[Piece] = []
        for piece in self.ready:
            small = piece.buffer[B_TRUESIZE] * share // whole > piece.end - piece.seq
            if run and not (small and piece.end - run[0].seq <= _COLLAPSED):
                kept.extend(self._merged(run))
                run = []
            (run if small else kept).append(piece)
        kept.extend(self._merged(run))
        self.ready = kept

    def _merged(self, run: list[Piece]) -> list[Piece]:
        """Copy neighbours into one piece in a page of its own, if that takes less memory and there is a page."""
        account, buffers = self._account, self._buffers
        truesize = buffers.pages.size + buffers.kernel.skb_head_charge
        before = sum(piece.buffer[B_TRUESIZE] for piece in run)
        page = buffers.allocate(buffers.pages, truesize) if truesize < before else None
        if page is None:
            return run
        records = tuple(record for piece in run for record in piece.records)
        one = Piece(run[0].seq, run[-1].end, records, page)
        for piece in run:
            self._free(piece)
        account.receive(truesize, forced=True)
        self.frames += 1
        return [one]

    # -- what the sender is told ------------------------------------------------------------------------------------

    def room(self) -> int:
        """The window in bytes, in whole segments; at most four of them with memory short."""
        share, whole = self.share
        account = self._account
        full = account.rcvbuf * share // whole
        free = (account.rcvbuf - account.rmem) * share // whole
        segment = self._mss if self._mss < full else full
        if free < segment:
            return 0
        if self._memory.pressure and 2 * free < full:
            free = min(free, 4 * segment)
        return free // segment * segment

    def window(self) -> int:
        """The window that the sender is told now; what it has been told before stays true."""
        edge = self.nxt + self.room()
        if edge > self.edge:
            self.edge = edge
        return self.edge - self.nxt

    def blocks(self) -> tuple[Range, ...]:
        """Ranges of bytes that have come out of order, for SACK; the latest first."""
        if not self.early:
            return ()
        ranges: list[list[int]] = []
        newest = 0
        for piece in self.early:
            if ranges and ranges[-1][1] >= piece.seq:
                ranges[-1][1] = max(ranges[-1][1], piece.end)
            else:
                ranges.append([piece.seq, piece.end])
            if piece is self._latest:
                newest = len(ranges) - 1
        ordered = [ranges[newest], *ranges[:newest], *ranges[newest + 1 :]]
        return tuple((start, end) for start, end in ordered[:SACK_BLOCKS])
