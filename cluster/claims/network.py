"""Rows 30 to 45: card, fragments, sockets, and the time-outs of transports."""

from itertools import pairwise
from math import ceil, sqrt

from netswap.actors.events import Events
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.zone import Zone
from netswap.actors.net.buffers import Buffer, Buffers
from netswap.actors.net.reassembly import Reassembly, RefusingReassembly
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import ERA_2_6_22, EVERY, NEWER, Evidence, row
from netswap.cluster.claims.outages import next_and_recovered_s, times_of_nfs, times_of_tcp
from netswap.cluster.claims.scenes import as_expected, run_to, scene
from netswap.cluster.claims.seed import IN_FLIGHT, RATE, ROUND_TRIP_S, min_pages
from netswap.cluster.claims.streams import outages_of_tcp
from netswap.protocol.units import seconds


@row(
    31,
    "After a partition of length D the next transmission, hence recovery, comes within min(D + RTO0, cap) and a round trip",
    "net/sunrpc/xprt.c, fs/nfs/client.c; net/ipv4/tcp_timer.c",
    eras=EVERY,
)
def next_transmission(kernel: Kernel) -> Evidence:
    """The first transmission after the heal is answered.

    NFS sends at 0, 1.1, 3.3, 7.7, 16.5, 17.6 s ..., TCP at 0, 0.2, 0.6, 1.4, 3.0, 6.2 s ...
    """
    evidence = outages_of_tcp(kernel)
    for outage_s in (1, 6, 30):
        most_s = formulas.longest_wait_s(outage_s, formulas.NFS_TIMEOUT_S, formulas.NFS_CAP_S) + ROUND_TRIP_S
        next_s, seen_s = next_and_recovered_s(kernel, "nfs", outage_s, times_of_nfs)
        evidence.near(f"nfs, after {outage_s} s, s", next_s, seen_s, within=ROUND_TRIP_S)
        evidence.at_most(f"nfs, after {outage_s} s, at most", most_s, seen_s)
        next_s, seen_s = next_and_recovered_s(kernel, "nbd", outage_s, times_of_tcp)
        evidence.near(f"nbd, after {outage_s} s, s", next_s, seen_s, within=ROUND_TRIP_S)
    return evidence


@row(
    33,
    "A socket is charged less for a frame than the memory that it takes",
    "include/linux/skbuff.h, drivers/net/e1000",
)
def charged_and_real(kernel: Kernel) -> Evidence:
    """1832 bytes against 2304."""
    evidence = Evidence()
    evidence.equal("charged, bytes", formulas.FRAME_CHARGED_2007, kernel.rx_truesize)
    return evidence.equal("real, bytes", formulas.FRAME_REAL_2007, kernel.rx_data + kernel.skb_head)


@row(34, "A UDP socket is full after n frames, and further packets are dropped and freed", "net/core/sock.c")
def full_socket(kernel: Kernel) -> Evidence:
    """68 full frames on each socket; while no program reads, what comes beyond that takes no memory."""
    evidence = Evidence()
    with scene("row-35", kernel, set={"machines.A.programs.1.service.sockets": 4}) as cluster:
        run_to(cluster, 9)
        held = 4 * formulas.socket_frames_2007()
        evidence.equal("frames held by 4 sockets", held, cluster["A"].socket_frames)
        free = cluster["A"].free_pages
        run_to(cluster, 9.9)
        evidence.at_least("dropped at the socket", 0.85 * RATE, cluster["A"].dropped["socket-full"])
        evidence.at_least("free pages 0.9 s later", free, cluster["A"].free_pages)
    return evidence


@row(
    35,
    "A flood whose sockets are full before the floor is reached does not wedge; the same flood on more sockets does",
    "follows from the rules of 2.6.22; seen in a prototype",
)
def capacity(kernel: Kernel) -> Evidence:
    """q* = 16/9 (free - 3/8 min - pages of requests under way) + ring: one socket more or less decides."""
    evidence = Evidence()
    for refill, ring in (("e1000", formulas.RING_E1000), ("tg3", 0)):
        keys = {"machines.A.nic": {"refill": refill}}
        with scene("row-35", kernel, set=keys) as cluster:
            free = run_to(cluster, 8)["A"].free_pages
        floor = formulas.atomic_floor(min_pages(kernel))
        frames = formulas.capacity_frames(free, floor, IN_FLIGHT, ring)
        enough = ceil(frames / formulas.socket_frames_2007())
        for sockets, verdict in ((enough - 1, "recovered"), (enough, "wedged")):
            with scene("row-35", kernel, set=keys | {"machines.A.programs.1.service.sockets": sockets}) as cluster:
                evidence.equal(f"{refill}, {sockets} sockets", verdict, str(cluster.run()["A"].verdict))
    return evidence


@row(
    38,
    "The ring drains by the e1000 rule and never by that of tg3; after memory returns, e1000 refills within 2 s",
    "drivers/net/e1000, drivers/net/tg3.c",
)
def ring(kernel: Kernel) -> Evidence:
    """What is dropped at the floor: for want of a filled descriptor, or of a replacement."""
    evidence = Evidence()
    for refill, cause, other in (("e1000", "ring-empty", "no-memory"), ("tg3", "no-memory", "ring-empty")):
        with scene("row-35", kernel, set={"machines.A.nic": {"refill": refill}}) as cluster:
            dropped = run_to(cluster, 9.5)["A"].dropped
            evidence.at_least(f"{refill}: {cause}", 1, dropped[cause])
            evidence.equal(f"{refill}: {other}", 0, dropped[other])
    return evidence


@row(
    41,
    "A call of 32 KiB over UDP is 23 fragments, and one that is lost repeats the whole call",
    "net/ipv4/ip_output.c, net/sunrpc/xprt.c",
)
def lost_fragment(kernel: Kernel) -> Evidence:
    """With loss p a transmission arrives with probability (1 - p)^23: at 1 %, 79.4 %; five standard errors are allowed."""
    evidence = Evidence()
    for pages, loss in ((1, 0.01), (8, 0.01)):
        with scene("row-41", kernel, set={"machines.A.swap.request": f"{4 * pages}KiB"}) as cluster:
            as_expected(cluster, evidence)
            calls = cluster["A"].pages_out / pages
            sent = calls + cluster["A"].retransmissions
        whole = (1 - loss) ** formulas.nfs_fragments(pages)
        within = 5 * sqrt(whole * (1 - whole) / sent)
        evidence.near(f"{4 * pages} KiB: share of calls that arrive", whole, calls / sent, within)
    return evidence


@row(
    42,
    "Where ARP has no memory the reply path is dead, although everything else is right",
    "net/ipv4/arp.c; Zijlstra, 20080724141530.942450703@chello.nl",
    eras=NEWER,
)
def no_memory_for_arp(kernel: Kernel) -> Evidence:
    """Twins: ARP with a right to the reserve, and no need of ARP."""
    evidence = Evidence()
    without = ["reserve", "-memalloc-processing"]
    for name, safeguards, arp, verdict in (
        ("ARP without a right", without, "on", "wedged"),
        ("ARP with it", ["reserve"], "on", "recovered"),
        ("without ARP", without, "off", "recovered"),
    ):
        with scene("row-42", kernel, safeguards=safeguards, set={"network.arp": arp}) as cluster:
            evidence.equal(name, verdict, str(cluster.run()["A"].verdict))
    return evidence


@row(
    43,
    "ARP, IPv4, IPv6 and VLAN pass as emergency packets; other protocols of the link layer are dropped",
    "net/core/dev.c; Zijlstra, 20080724141530.942450703@chello.nl",
    eras=EVERY,
)
def link_protocols(kernel: Kernel) -> Evidence:
    """What passes is dropped one step later, since no program has a socket for it. Packet taps are not modelled."""
    evidence = Evidence()
    passing = {"arp": True, "ipv6": True, "vlan": True, "qinq": kernel.name != ERA_2_6_22, "other": False}
    for link, passes in passing.items():
        with scene("row-43", kernel, set={"machines.B.programs.1.flood.link": link}) as cluster:
            before = run_to(cluster, 6)["A"].dropped["no-socket"]
            seen = cluster.run()["A"].dropped["no-socket"] - before
        evidence.near(f"{link}, frames in a second that pass", 250 if passes else 0, seen, within=25)
    return evidence


@row(40, "Above the high limit fragments are thrown away, in 2007 the oldest datagrams", "net/ipv4/ip_fragment.c")
def evicted(kernel: Kernel) -> Evidence:
    """256 KiB of truesize at most, and one fragment; then the least recently used go until it is below 192 KiB."""
    evidence, (events, cache, dropped) = Evidence(), _fragment_cache(kernel)
    truesizes = []
    buffers = _buffers(kernel)
    for ident in range(400):
        cache.add((1, ident), 0, 8000, _filled(buffers))
        truesizes.append(cache.truesize)
    fits = formulas.FRAGMENT_HIGH_2007 // kernel.rx_truesize + 1
    evidence.equal("fragments held at most", fits, max(truesizes) // kernel.rx_truesize)
    after = next(now for before, now in pairwise(truesizes) if now < before)
    evidence.at_most("truesize after an eviction", formulas.FRAGMENT_LOW_2007 + kernel.rx_truesize, after)
    evidence.equal("cause", ["reassembly-evicted"], sorted({cause for cause, _ in dropped}))
    return _times_out(evidence, events, cache, dropped)


@row(
    40,
    "Above the high limit fragments are thrown away, in 6.x every new one until time-outs make room",
    "net/ipv4/inet_fragment.c",
    eras=NEWER,
)
def refused(kernel: Kernel) -> Evidence:
    """4 MiB of truesize at most, and one fragment; nothing that is held is evicted."""
    evidence, (events, cache, dropped) = Evidence(), _fragment_cache(kernel)
    fits = formulas.FRAGMENT_HIGH_6_11 // kernel.rx_truesize + 1
    buffers = _buffers(kernel)
    for ident in range(fits + 100):
        cache.add((1, ident), 0, 8000, _filled(buffers))
    evidence.equal("fragments held", fits, cache.frames)
    evidence.equal("refused", 100, len(dropped))
    evidence.equal("the first is still held", True, (1, 0) in cache.incomplete)
    return _times_out(evidence, events, cache, dropped)


def _fragment_cache(kernel: Kernel) -> tuple[Events, Reassembly, list[tuple[str, int]]]:
    """A cache with its clock, and what it throws away: (cause, fragments)."""
    events, dropped = Events(), list[tuple[str, int]]()
    kind = RefusingReassembly if kernel.name != ERA_2_6_22 else Reassembly
    return events, kind(events, kernel, 1500, lambda buffers, cause: dropped.append((cause, len(buffers)))), dropped


def _buffers(kernel: Kernel) -> Buffers:
    """Receive buffers from plenty of memory."""
    return Buffers(Zone(1 << 16, 16, kernel=kernel), kernel, None, guarded=False)


def _filled(buffers: Buffers) -> Buffer:
    buffer = buffers.allocate(buffers.receive, buffers.kernel.rx_truesize)
    assert buffer is not None
    return buffer


def _times_out(evidence: Evidence, events: Events, cache: Reassembly, dropped: list[tuple[str, int]]) -> Evidence:
    """Nothing is held for longer than 30 s."""
    held, before = cache.frames, len(dropped)
    while events.next_ns() <= seconds(formulas.FRAGMENT_TIMEOUT_S):
        events.step()
    late = sum(frames for cause, frames in dropped[before:] if cause == "reassembly-timeout")
    return evidence.equal("thrown away after 30 s", held, late)


@row(45, "Packets are conserved: sent + duplicated = delivered + dropped + under way", "an invariant")
def conservation(kernel: Kernel) -> Evidence:
    """At any moment, on links that lose, double and reorder."""
    evidence = Evidence()
    keys = {"network": {"latency": "2ms", "jitter": "1ms", "loss": "1%", "duplicate": "1%", "reorder": "1%"}}
    with scene("row-01", kernel, **keys) as cluster:
        for at_s in (1.9, 3, 6.999, 12):
            frames = run_to(cluster, at_s).frames()
            known = frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
            evidence.equal(f"at {at_s} s", frames["sent"] + frames["duplicated"], known)
    return evidence
