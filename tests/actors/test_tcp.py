"""TCP between two machines and nothing else: what is sent when, what is kept, what is refused, and what is never lost."""

import random
from collections.abc import Callable
from math import isqrt, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import retransmissions
from pair import FRAMING, GIGABIT, LATENCY_NS, PORT, End, Fate, Pair, Sent

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.kernels.tcp import TcpMem
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.tcp_connection import ESTABLISHED, REFUSED, RESET, TIMED_OUT, UNREACHABLE
from netswap.actors.net.tcp_memory import Account, TcpMemory
from netswap.protocol.tcp import RST, SYN, mss, segment_wire
from netswap.protocol.units import milliseconds, seconds

ROUND_TRIP_NS = 2 * LATENCY_NS
MSS = 1448
FULL_CHARGE = 1832
"""Truesize of a full segment received by 2.6.22."""
KERNELS = (LINUX_2_6_22, LINUX_6_11)
PLENTY = TcpMem(10_000, 20_000, 30_000)
BULK_NS = seconds(0.3)
RTO_NS = 2 * (LATENCY_NS + segment_wire(0, FRAMING) * 8) + milliseconds(200)
"""Facts 13.2: srtt + max(4 mdev, 200 ms); the handshake is all that has been measured."""
GRID = retransmissions(RTO_NS, seconds(120), 15)
"""TCP_RTO_MIN, TCP_RTO_MAX and TCP_RETR2 of include/net/tcp.h."""


def opened(fate: Fate | None = None, **settings: object) -> Pair:
    """A pair whose connection stands."""
    pair = Pair(fate, **settings)  # type: ignore[arg-type]  # the keywords of Pair
    pair.run_for(milliseconds(1))
    assert pair.connection.state == ESTABLISHED
    return pair


def pump(pair: Pair, size: int = MSS) -> Callable[..., None]:
    """Let end 0 write messages of this size for ever, as fast as it may."""
    end = pair.ends[0]

    def write(*_: object) -> None:
        while end.write(size, (1,)) == size:
            pass

    end.writable = write  # type: ignore[method-assign]  # the owner is a test's own
    return write


def line_rate(pair: Pair, duration_ns: int) -> float:
    """What end 1 has read, as a share of what full frames at line rate would bring."""
    frame_ns = segment_wire(MSS, FRAMING) * 8 * seconds(1) // GIGABIT
    return len(pair.ends[1].got) * frame_ns / duration_ns


# -- speed --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_bulk_transfer_fills_an_idle_line(kernel: Kernel) -> None:
    """1 Gbit/s and 100 us: the round trip holds 25 kB, the window is 64 KiB; 90 % with all of slow start."""
    pair = opened(kernel=kernel)
    pump(pair)()
    pair.run_for(BULK_NS)
    assert line_rate(pair, BULK_NS) >= 0.9


@pytest.mark.parametrize("lost", [False, True])
def test_both_ends_measure_the_round_trip_of_the_handshake(lost: bool) -> None:
    """The callee's is that of its answer, of the one that came if it has sent two (tcp_synack_rtt_meas)."""
    pair = Pair(lambda number, sent: [] if lost and number == 1 else [LATENCY_NS])
    pair.run_for(seconds(4))
    (callee,) = pair.ends[1].tcp.connections.values()
    call, _, acknowledged = pair.log[-3:]
    assert callee.sender.round_trip.smoothed_ns == acknowledged.at_ns - call.at_ns > 2 * LATENCY_NS
    caller = pair.connection.sender.round_trip.smoothed_ns
    assert caller == (0 if lost else callee.sender.round_trip.smoothed_ns), "a call made twice says nothing"


@pytest.mark.parametrize("latency_ns", [LATENCY_NS, milliseconds(10)], ids=["100us", "10ms"])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_random_loss_slows_it_as_the_square_root_model_says(kernel: Kernel, latency_ns: int) -> None:
    """MSS/RTT * sqrt(3/2p) at p = 1 %: 12.2 segments a round trip, within a factor of 2."""
    chance = random.Random(1)
    loss = 0.01
    pair = Pair(lambda number, sent: [] if chance.random() < loss and number > 3 else [latency_ns], kernel=kernel)
    pair.run_for(milliseconds(100))
    pump(pair)()
    duration_ns = 4_000 * latency_ns + seconds(0.2)
    pair.run_for(duration_ns)
    frame_ns = segment_wire(MSS, FRAMING) * 8 * seconds(1) // GIGABIT
    expected = duration_ns / (2 * latency_ns + frame_ns) * sqrt(3 / (2 * loss))
    assert expected / 2 <= len(pair.ends[1].got) <= 2 * expected


# -- time-outs ----------------------------------------------------------------------------------------------------------


def test_an_outage_is_answered_by_retransmissions_at_the_times_of_row_30() -> None:
    """0.2, 0.6, 1.4, 3.0, ... 204.6 s and every 120 s after the first transmission, each with its round trips (facts 13.2)."""
    pair = opened()
    pair.fate = lambda number, sent: []
    before = len(pair.log)
    start_ns = pair.events.now
    pair.ends[0].write(100, (1,))
    pair.run_for(seconds(1000))
    wire_ns = segment_wire(100, FRAMING) * 8
    times = [sent.at_ns - wire_ns - start_ns for sent in pair.log[before:]]
    assert times == [0, *GRID[:-1]]
    assert pair.ends[0].closed_why == [(start_ns + GRID[-1], TIMED_OUT)]


@pytest.mark.parametrize("outage_ns", [milliseconds(100), seconds(1), seconds(10), seconds(100), seconds(600)])
def test_the_next_transmission_after_a_heal_comes_within_row_31(outage_ns: int) -> None:
    """Within min(D + RTO, 120 s), and a round trip later everything is there."""
    pair = opened()
    healed_ns = pair.events.now + outage_ns
    pair.fate = lambda number, sent: [LATENCY_NS] if sent.at_ns >= healed_ns else []
    pair.ends[0].write(100, (1,))
    pair.run_until(healed_ns)
    assert not pair.ends[1].got
    pair.run_for(min(outage_ns + RTO_NS, seconds(120)) + ROUND_TRIP_NS)
    assert pair.ends[1].got == [(100, (1,))]


@pytest.mark.parametrize(
    ("kernel", "retries", "failure"),
    [(LINUX_2_6_22, (3, 9, 21, 45, 93), 189), (LINUX_6_11, (1, 3, 7, 15, 31, 63), 127)],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_call_that_nobody_answers_is_repeated_and_given_up(
    kernel: Kernel, retries: tuple[int, ...], failure: int
) -> None:
    """Row 32: SYN retries from the initial time-out, doubling."""
    pair = Pair(lambda number, sent: [], kernel=kernel)
    pair.run_for(seconds(300))
    wire_ns = segment_wire(0, FRAMING) * 8
    assert [sent.at_ns - wire_ns for sent in pair.log] == [0, *map(seconds, retries)]
    assert all(sent.body[1][1] == SYN for sent in pair.log)
    assert pair.ends[0].closed_why == [(seconds(failure), UNREACHABLE)]


def test_a_call_to_a_port_without_a_listener_is_refused_at_once() -> None:
    """The answer is a reset."""
    pair = Pair()
    pair.run_for(milliseconds(1))
    end = pair.ends[0]
    end.tcp.connect(1, PORT + 1, end)
    pair.run_for(milliseconds(1))
    assert [why for _, why in end.closed_why] == [REFUSED]


def test_a_machine_that_has_forgotten_a_connection_resets_it() -> None:
    """As after a crash: the sender hears of it with its next segment, and calls again from the same port."""
    pair = opened()
    forgotten = pair.ends[1].connection
    assert forgotten is not None
    forgotten.close("crashed")
    pair.ends[0].write(100, (1,))
    pair.run_for(milliseconds(1))
    assert [why for _, why in pair.ends[0].closed_why] == [RESET]
    assert not pair.ends[0].tcp.connections


def test_a_caller_whose_peer_remembers_an_earlier_life_gets_through_with_its_next_call() -> None:
    """The peer acknowledges what it knows, is reset, and accepts the SYN that comes 3 s later."""
    pair = opened()
    end = pair.ends[0]
    pair.fate = lambda number, sent: []
    pair.connection.close("crashed")
    pair.fate = lambda number, sent: [LATENCY_NS]
    end.tcp.calls = 0
    again = end.tcp.connect(1, PORT, end)
    assert again.port == pair.connection.port
    pair.run_for(seconds(3) + milliseconds(1))
    assert again.state == ESTABLISHED
    assert any(sent.body[1][1] == RST for sent in pair.log)


def test_what_cannot_be_sent_again_for_want_of_memory_backs_off_like_what_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Facts 13.1: ENOMEM is negative, so the retry counts, and memory that comes back is used at the next point of the grid."""
    pair = opened()
    pair.fate = lambda number, sent: []
    end = pair.ends[0]
    before, start_ns = len(pair.log), pair.events.now
    end.write(100, (1,))
    with monkeypatch.context() as memory:
        refuse_to_send(memory, end)
        pair.run_until(start_ns + GRID[5])
        assert end.counters.tx_no_memory == 5
        assert len(pair.log) == before + 1
        pair.run_until(start_ns + GRID[5] + 1)
    pair.run_until(start_ns + GRID[6])
    assert len(pair.log) == before + 1, "not half a second after there is memory"
    pair.run_until(start_ns + GRID[6] + 1)
    assert len(pair.log) == before + 2


def refuse_to_send(monkeypatch: pytest.MonkeyPatch, end: End) -> None:
    """No segment of this end finds memory to be sent."""
    transmit = Buffers.transmit

    def refused(buffers: Buffers, packets: int, floor: int, memalloc: bool) -> object:
        return None if buffers is end.buffers else transmit(buffers, packets, floor, memalloc)

    monkeypatch.setattr(Buffers, "transmit", refused)


def test_a_writer_that_finds_no_memory_looks_again_after_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """sk_stream_wait_memory: up to 0.2 s, half of it here. What it writes then is received, and nothing of it before."""
    pair = opened()
    end = pair.ends[0]
    start_ns = pair.events.now
    with monkeypatch.context() as memory:
        refuse_to_send(memory, end)
        assert end.write(MSS, (1,)) == 0
        pair.run_until(start_ns + seconds(0.1))
        assert end.writable_calls == 0
    pair.run_until(start_ns + seconds(0.1) + 1)
    assert end.writable_calls == 1
    assert pair.ends[1].got == []
    assert end.write(MSS, (1,)) == MSS
    pair.run_for(ROUND_TRIP_NS)
    assert pair.ends[1].got == [(MSS, (1,))]


def test_an_acknowledgement_that_finds_no_memory_is_tried_again_after_a_fifth_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TCP_DELACK_MAX (tcp_send_ack). All that the sender sends again is lost here, so no other segment brings it about."""
    pair = opened()
    start_ns, before = pair.events.now, len(pair.log)
    pair.fate = lambda number, sent: [LATENCY_NS] if sent.source == 1 or number == before else []
    pair.ends[0].write(100, (1,))
    with monkeypatch.context() as memory:
        refuse_to_send(memory, pair.ends[1])
        pair.run_for(milliseconds(150))
        assert pair.ends[1].counters.tx_no_memory == 1
    arrived_ns = start_ns + segment_wire(100, FRAMING) * 8 + LATENCY_NS
    pair.run_for(seconds(1))
    [ack] = [sent for sent in pair.log[before:] if sent.source == 1]
    assert ack.at_ns == arrived_ns + seconds(0.2) + segment_wire(0, FRAMING) * 8
    assert ack.body[1][3] == 101
    assert pair.ends[0].connection is pair.connection
    assert not pair.connection.sender.flight


# -- windows ------------------------------------------------------------------------------------------------------------


def test_a_reader_that_stands_still_closes_the_window_and_the_sender_only_probes() -> None:
    """Row 36: what is queued stays within the buffer of 87380 bytes; probes carry nothing, backed off like time-outs."""
    pair = opened()
    receiver = pair.ends[1]
    receiver.reads = False
    pump(pair)()
    pair.run_for(seconds(30))
    assert receiver.connection is not None
    account = receiver.connection.account
    assert account.rmem <= account.rcvbuf == LINUX_2_6_22.tcp.rmem[1]
    assert account.rmem + FULL_CHARGE * 2 > account.rcvbuf * 3 // 4
    late = [sent for sent in pair.log if sent.source == 0 and sent.at_ns > seconds(1)]
    assert late
    assert all(sent.body[1][5] == 0 for sent in late)
    assert len(late) <= len(GRID)


def test_a_reader_that_wakes_up_opens_the_window_again() -> None:
    """The probe or the update tells the sender; nothing is lost, and the stream goes on."""
    pair = opened()
    receiver = pair.ends[1]
    receiver.reads = False
    pump(pair)()
    pair.run_for(seconds(30))
    receiver.reads = True
    receiver.read_all()
    pair.run_for(BULK_NS)
    assert line_rate(pair, BULK_NS) >= 0.9


def test_acknowledged_data_is_never_thrown_away() -> None:
    """Row 44: whatever the receiver prunes, what it has acknowledged is read in the end, with tcp_mem at its limit too."""
    pair = opened(mem=TcpMem(1, 2, 3), rcvbuf=8000)
    receiver = pair.ends[1]
    receiver.reads = False
    pump(pair, 300)()
    pair.run_for(seconds(20))
    acked = max(sent.body[1][3] for sent in pair.log if sent.source == 1)
    assert sum(receiver.counters.dropped.values()) > 0
    assert receiver.connection is not None
    assert receiver.connection.receiver.nxt == acked
    receiver.read_all()
    assert sum(size for size, _ in receiver.got) >= acked - 1 - 300


def test_small_segments_are_collapsed_into_pages_when_the_buffer_is_full() -> None:
    """100 bytes are charged 488: fifteen in a page (4328) leave room that their own buffers (7320) would not."""
    pair = opened(rcvbuf=8000, mem=TcpMem(1, PLENTY.pressure, PLENTY.high))
    receiver = pair.ends[1]
    receiver.reads = False
    end = pair.ends[0]
    for number in range(40):
        end.write(100, (number,))
        pair.run_for(milliseconds(50))
    assert receiver.connection is not None
    assert any(piece.end - piece.seq > 1000 for piece in receiver.connection.receiver.ready)
    receiver.read_all()
    assert receiver.got[:30] == [(100, (number,)) for number in range(30)]


def test_every_second_full_segment_is_acknowledged_at_once_and_a_single_one_after_40_ms() -> None:
    """Once the quick acknowledgements of the start are used up."""
    pair = opened()
    for _ in range(20):
        pair.ends[0].write(100, (1,))
        pair.run_for(milliseconds(50))
    before = len(pair.log)
    start_ns = pair.events.now
    pair.ends[0].write(100, (1,))
    pair.run_for(milliseconds(100))
    [ack] = [sent for sent in pair.log[before:] if sent.source == 1]
    assert 0 <= ack.at_ns - start_ns - LATENCY_NS - milliseconds(40) <= milliseconds(0.1)
    before = len(pair.log)
    pair.ends[0].write(2 * MSS, (1,))
    pair.run_for(milliseconds(1))
    assert len([sent for sent in pair.log[before:] if sent.source == 1]) == 1


# -- memory -------------------------------------------------------------------------------------------------------------


CHARGED = 256
"""Pages that others are charged: more than the limits that stand beside it, and as many as a CPU of 6.11 charges at once."""


def accounts(rules_of: Kernel, limits: TcpMem, count: int = 2, *, exempts: bool = False) -> list[Account]:
    """Sockets of one machine; the first is marked."""
    memory = TcpMemory(rules_of, limits, 65_536, exempts=exempts)
    return [Account(memory, None, marked=number == 0) for number in range(count)]


def filled(account: Account) -> int:
    """Charge full segments to a socket until one is refused; pages that it has then."""
    while account.receive(FULL_CHARGE):
        pass
    return account.pages


def test_the_default_limits_are_those_of_row_37() -> None:
    """2.6.22 from 256 MiB on: 37.5, 50, 75 % of memory; 6.11: 4.68, 6.25, 9.37 % of what lies above the high mark."""
    for mebibytes in (256, 512, 1024):
        pages = mebibytes * 256
        assert LINUX_2_6_22.tcp_mem(pages) == (pages * 3 // 8, pages // 2, pages * 3 // 4)
        min_pages = isqrt(16 * pages * 4) // 4
        above = pages - (min_pages + 2 * max(min_pages // 4, pages // 1000))
        assert LINUX_6_11.tcp_mem(pages) == (above // 16 // 4 * 3, above // 16, above // 16 // 4 * 6)
    assert LINUX_2_6_22.tcp_mem(262_144) == (98_304, 131_072, 196_608)
    assert LINUX_2_6_22.tcp_mem(32_768) == (128 * 64 // 4 * 3, 128 * 64, 128 * 64 // 4 * 6)


def test_a_socket_is_charged_whole_pages_ahead_of_use_and_gives_them_back() -> None:
    """1832 bytes take a page, and so do two of them; three take two."""
    [account] = accounts(LINUX_2_6_22, PLENTY, 1)
    pages = []
    for _ in range(3):
        assert account.receive(FULL_CHARGE)
        pages.append(account.pages)
    for _ in range(3):
        account.read(FULL_CHARGE)
        pages.append(account.pages)
    assert pages == [1, 1, 2, 1, 1, 0]


def test_above_the_limit_every_charge_of_2007_is_refused_before_any_guarantee() -> None:
    """Row 12: the other socket has nothing queued, and gets nothing: charged + 1 > tcp_mem[2]."""
    swap, service = accounts(LINUX_2_6_22, TcpMem(4, 8, 8))
    assert filled(service) == 8
    assert not swap.receive(488)
    assert swap.pages == 0


def test_the_exemption_of_2007_lets_the_marked_socket_pass_and_no_other() -> None:
    """Row 13; the limit is then exceeded by what the swap needs."""
    swap, service = accounts(LINUX_2_6_22, TcpMem(4, 8, 8), exempts=True)
    assert filled(service) == 8
    assert swap.receive(488)
    assert swap.pages == 1
    assert not service.receive(FULL_CHARGE)


def test_the_exemption_of_6_11_is_for_segments_from_the_reserve() -> None:
    """The mark alone changes nothing (facts 12, R7). The limit sees what is charged by the MiB only."""
    swap, service = accounts(LINUX_6_11, TcpMem(4, 8, 8), exempts=True)
    assert filled(service) == 255
    assert not swap.receive(488)
    assert swap.receive(488, forced=True)


def test_under_pressure_a_socket_gets_its_guaranteed_minimum_and_then_its_fair_share() -> None:
    """Above 2 pages: below tcp_rmem[0] = 4096 accepted; above, pages x 2 sockets < 8 allow 3 pages each."""
    one, other = accounts(LINUX_2_6_22, TcpMem(1, 2, 8))
    assert filled(one) == 3
    assert other.receive(FULL_CHARGE)
    assert filled(other) == 3
    assert not one.receive(FULL_CHARGE)


def test_data_is_refused_at_the_limit_and_acknowledgements_pass() -> None:
    """Row 12: the segment is dropped though a buffer was had, the sender times out; what it acknowledges is processed."""
    pair = opened(mem=TcpMem(4, 6, 8), rcvbuf=200_000)
    receiver = pair.ends[1]
    receiver.tcp.memory.add(CHARGED)
    before = len(pair.log)
    pair.ends[0].write(100, (1,))
    pair.run_for(milliseconds(100))
    assert receiver.counters.dropped["tcp-limit"] == 1
    assert not [sent for sent in pair.log[before:] if sent.source == 1]
    receiver.tcp.memory.add(-CHARGED)
    receiver.write(100, (2,))
    receiver.tcp.memory.add(CHARGED)
    pair.run_for(milliseconds(10))
    assert receiver.connection is not None
    assert not receiver.connection.sender.flight


def test_in_6_11_the_segment_in_order_is_accepted_by_force_when_nothing_is_queued() -> None:
    """Row 14; once its page is full the next is refused, and answered by a window of zero."""
    pair = opened(mem=TcpMem(4, 6, 8), kernel=LINUX_6_11)
    receiver = pair.ends[1]
    receiver.reads = False
    receiver.tcp.memory.add(CHARGED)
    pair.ends[0].write(100, (1,))
    pair.run_for(milliseconds(1))
    pair.ends[0].write(2 * MSS, (2,))
    pair.run_for(milliseconds(1))
    assert receiver.connection is not None
    assert [piece.end - piece.seq for piece in receiver.connection.receiver.ready] == [100, MSS]
    assert receiver.counters.dropped["tcp-limit"] >= 1
    assert pair.log[-1].source == 1
    assert pair.log[-1].body[1][4] == 0


# -- nothing lost, doubled or out of order ------------------------------------------------------------------------------


class Chances:
    """A wire that loses, doubles and delays at random, up to a time."""

    def __init__(self, seed: int, loss: int, double: int, reorder: int, until_ns: int) -> None:
        self._chance = random.Random(seed)
        self._shares = (loss, double, reorder)
        self._until_ns = until_ns

    def __call__(self, number: int, sent: Sent) -> list[int]:
        """The latencies of this frame and its copies."""
        if sent.at_ns > self._until_ns:
            return [LATENCY_NS]
        loss, double, reorder = self._shares
        draw = self._chance.randrange
        if draw(100) < loss:
            return []
        latencies = [LATENCY_NS + (draw(milliseconds(3)) if draw(100) < reorder else 0)]
        if draw(100) < double:
            latencies.append(LATENCY_NS + draw(milliseconds(5)))
        return latencies


SIZES = st.sampled_from([1, 16, 100, 1447, 1448, 1449, 4124, 20_000])


@settings(max_examples=2000, deadline=None)
@given(
    st.lists(SIZES, min_size=1, max_size=12),
    st.integers(0, 1 << 32),
    st.tuples(*[st.integers(0, 30)] * 3),
    st.sampled_from(KERNELS),
    st.sampled_from([None, 2000, 8000, 40_000]),
    st.sampled_from([PLENTY, TcpMem(2, 4, 6), TcpMem(8, 12, 16)]),
    st.booleans(),
)
def test_no_byte_is_lost_doubled_or_reordered_to_the_reader(
    sizes: list[int],
    seed: int,
    shares: tuple[int, int, int],
    kernel: Kernel,
    rcvbuf: int | None,
    mem: TcpMem,
    reads: bool,
) -> None:
    """Whatever is lost, doubled, overtaken, refused or pruned, and whether the reader is quick or slow.

    What it has read are the first messages, whole and in order; with memory all of them, and then all memory has come back.
    """
    pair = Pair(Chances(seed, *shares, until_ns=seconds(5)), kernel=kernel, mem=mem, rcvbuf=rcvbuf)
    sender, receiver = pair.ends
    messages = [(size, (number,)) for number, size in enumerate(sizes)]
    write = writer(pair, list(messages))
    receiver.reads = reads
    for _ in range(400):
        if receiver.got == messages:
            break
        pair.run_for(seconds(5))
        write()
        if receiver.connection is not None and receiver.connection.state == ESTABLISHED:
            receiver.read_all()
        assert receiver.got == messages[: len(receiver.got)]
        assert receiver.tcp.memory.total == receiver.account_pages()
    if mem is PLENTY and not sender.closed_why:
        assert receiver.got == messages
        pair.run_for(seconds(1000))
        assert sender.tcp.memory.total == receiver.tcp.memory.total == receiver.held == 0
        assert all(end.buffers.pages.in_use == end.buffers.heads.in_use == 0 for end in pair.ends)


def writer(pair: Pair, left: list[tuple[int, tuple[int, ...]]]) -> Callable[..., None]:
    """Let end 0 write these messages as there is room; call it to try again."""
    end = pair.ends[0]
    written = 0

    def write(*_: object) -> None:
        nonlocal written
        while left and end.connection is not None and end.connection.state == ESTABLISHED:
            size, message = left[0]
            written += end.write(size - written, message)
            if written < size:
                return
            written = 0
            left.pop(0)

    end.writable = write  # type: ignore[method-assign]  # the owner is a test's own
    return write


def test_a_segment_holds_what_a_frame_takes() -> None:
    """The MSS of the rules is the protocol's."""
    assert mss(1500) == MSS == opened().ends[0].tcp.mss
