"""Rows 30, 32, 36, 37 and 44: TCP's time-outs, windows, limits, and what it may not throw away."""

from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.net.tcp_connection import Connection
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import EVERY, Evidence, row
from netswap.cluster.claims.scenes import scene
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.lab.cluster import Cluster
from netswap.protocol.units import seconds

_RTT_S: Final = 0.003
"""Two latencies of 1 ms, and the frames on the wire."""
_CUT_S: Final = 5.5
_LOST_S: Final = 6.0
"""The first message after the cut; they are a second apart."""


def _run_to(cluster: Cluster, time_s: float) -> Cluster:
    return cluster.run_to(round(time_s * seconds(1)))


def _sender(cluster: Cluster) -> Connection | None:
    """B's end of its connection, if there is one."""
    engine = cluster.engine
    assert isinstance(engine, InlineEngine)
    return next(iter(engine.machine(1).tcp.connections.values()), None)


def rto_s(connection: Connection | None) -> float:
    """The first retransmission time-out that what a connection has measured gives."""
    assert connection is not None, "there is a connection"
    trip = connection.sender.round_trip
    return formulas.tcp_rto_s(trip.smoothed_ns / seconds(1), trip.variation_ns / seconds(1))


def _fired_s(cluster: Cluster, since_s: float) -> float | None:
    """When the timer of B's connection fired last, in seconds after `since_s`."""
    connection = _sender(cluster)
    return None if connection is None else round(connection.sender.fired_ns / seconds(1) - since_s, 3)


def _first_sent_s(cluster: Cluster) -> float:
    """When the segment that is to be lost was sent."""
    connection = _sender(_run_to(cluster, _LOST_S + 0.1))
    assert connection is not None, "B has a connection to A"
    return connection.sender.flight[0].sent_ns / seconds(1)


@row(
    30,
    "A segment that is not acknowledged is sent again after RTO (2^k - 1), RTO = srtt + max(4 mdev, 0.2 s): with no round trip "
    "at 0.2, 0.6, 1.4 ... 204.6 s, then every 120 s, and given up after 924.6 s",
    "net/ipv4/tcp_timer.c",
    eras=EVERY,
)
def retransmissions(kernel: Kernel) -> Evidence:
    """The retransmissions of the first message after a partition, from its first transmission on."""
    evidence = Evidence()
    evidence.near(
        "with no round trip given up after, s", 924.6, formulas.tcp_times_s(formulas.TCP_RTO_MIN_S)[-1], 0.001
    )
    with scene("row-30", kernel) as cluster:
        sent_s = _first_sent_s(cluster)
        *times, end_s = (round(at_s, 3) for at_s in formulas.tcp_times_s(rto_s(_sender(cluster))))
        seen = [_fired_s(_run_to(cluster, sent_s + at_s + 0.05), sent_s) for at_s in times]
        evidence.equal("sent again after, s", times, seen)
        evidence.equal(
            "still there 10 ms before the end", True, _sender(_run_to(cluster, sent_s + end_s - 0.01)) is not None
        )
        evidence.equal("given up 10 ms after it", True, _sender(_run_to(cluster, sent_s + end_s + 0.01)) is None)
    return evidence


def outages_of_tcp(kernel: Kernel) -> Evidence:
    """The first retransmission after the heal is received: it is the next one of row 30."""
    evidence = Evidence()
    for outage_s in (1, 10, 100, 600):
        healed_s = _CUT_S + outage_s
        timeline = [{"at": f"{_CUT_S}s", "partition": ["A"], "for": f"{outage_s}s"}]
        with scene("row-31", kernel, timeline=timeline) as cluster:
            sent_s = _first_sent_s(cluster)
            times = formulas.tcp_times_s(rto_s(_sender(cluster)))
            longest_s = formulas.longest_wait_s(outage_s, times[0], formulas.TCP_RTO_MAX_S) + _RTT_S
            before = _run_to(cluster, healed_s)["A"].progress
            after = _run_to(cluster, healed_s + longest_s)["A"].progress
            seen_s = _fired_s(cluster, healed_s)
        next_s = sent_s + next(at_s for at_s in times if sent_s + at_s > healed_s) - healed_s
        evidence.near(f"over TCP, after {outage_s} s, s", next_s, seen_s or 0, within=0.001)
        evidence.at_least(f"messages {longest_s:g} s later", before + 1, after)
    return evidence


@row(
    32,
    "An outage of more than 924.6 s ends the connection; a new one takes SYNs, sent again from the first time-out on, doubled",
    "net/ipv4/tcp_timer.c",
    eras=EVERY,
)
def reconnection(kernel: Kernel) -> Evidence:
    """B's program calls again 1 s after its connection has been given up; after the heal a call gets through."""
    evidence = Evidence()
    *times, failed_s = formulas.syn_times_s(kernel.name)
    with scene("row-30", kernel) as cluster:
        sent_s = _first_sent_s(cluster)
        called_s = sent_s + formulas.tcp_times_s(rto_s(_sender(cluster)))[-1] + 1
        seen = [_fired_s(_run_to(cluster, called_s + at_s + 0.05), called_s) for at_s in times]
        evidence.equal("SYN sent again after, s", times, seen)
        evidence.equal("failed after, s", True, _sender(_run_to(cluster, called_s + failed_s + 0.01)) is None)
        healed_s = _CUT_S + 1400
        before = _run_to(cluster, healed_s)["A"].progress
        longest_s = formulas.SYN_RTO_S[kernel.name] * 2 ** formulas.SYN_RETRIES[kernel.name] + 1 + _RTT_S
        evidence.at_least(
            "messages after the next SYN", before + 1, _run_to(cluster, healed_s + longest_s)["A"].progress
        )
    return evidence


@row(
    36,
    "A frozen reader closes the window and the sender stops: what is held is at most the connections' receive buffers",
    "net/ipv4/tcp_output.c, tcp_input.c",
    eras=EVERY,
)
def frozen_reader(kernel: Kernel) -> Evidence:
    """A buffer that is not full takes one more segment: rcvbuf and one frame for each."""
    evidence = Evidence()
    connections = 8
    with scene("row-36", kernel) as cluster:
        held = _run_to(cluster, 10)["A"].socket_frames
        sent = cluster["B"].progress
        most = connections * (formulas.TCP_RMEM[kernel.name] + kernel.rx_truesize)
        evidence.at_most("bytes held", most, held * kernel.rx_truesize)
        evidence.at_least("frames held", connections, held)
        evidence.equal("frames held 80 s later", held, _run_to(cluster, 90)["A"].socket_frames)
        evidence.equal("messages sent meanwhile", 0, cluster["B"].progress - sent)
    return evidence


@row(37, "tcp_mem is 37.5, 50 and 75 % of memory; in 6.x 4.68, 6.25 and 9.37 %", "net/ipv4/tcp.c", eras=EVERY)
def limits(kernel: Kernel) -> Evidence:
    """From 256 MiB on in 2007; below, the square of the memory."""
    evidence = Evidence()
    for mib in (64, 256, 1024, 16_384):
        memory = formulas.pages(mib)
        evidence.equal(f"pages of {mib} MiB", formulas.tcp_mem(kernel.name, memory), tuple(kernel.tcp_mem(memory)))
    return evidence


@row(44, "What has been acknowledged is never thrown away", "net/ipv4/tcp_input.c, tcp_prune_queue", eras=EVERY)
def kept(kernel: Kernel) -> Evidence:
    """Acknowledged data is never sent again: a reader that gets every message, whatever was refused on the way, has lost none."""
    evidence = Evidence()
    frames_of_a_message = 3
    # Fewer pages than a CPU charges at once are no limit that could be felt.
    below = kernel.count_batch - 1
    larger = {"machines.A.tcp.mem": [below] * 3, "machines.A.programs.0.service.buffer": "400000B"} if below else {}
    with scene("row-44", kernel, set=larger) as cluster:
        cluster.run()
        evidence.at_least(
            "segments refused", 1, cluster["A"].dropped["tcp-limit"] + cluster["A"].dropped["socket-full"]
        )
        evidence.equal("messages read", cluster["B"].progress // frames_of_a_message, cluster["A"].progress)
    return evidence
