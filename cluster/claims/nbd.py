"""Rows that swap over NBD shows: 12 to 14 and 67 (TCP's own limit), 46, 48, 53 (sizes, lock, reserve), 70 (time-outs)."""

from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.reserve import machine_tree
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import EVERY, NEWER, Evidence, row
from netswap.cluster.claims.outages import next_and_recovered_s, recovered_s, times_of_tcp
from netswap.cluster.claims.scenes import as_expected, run_to, scene
from netswap.cluster.claims.seed import min_pages
from netswap.cluster.lab.cluster import Cluster
from netswap.protocol.frame import F_BODY, F_KIND, TCP, cut

ROUND_TRIP_S: Final = 0.02
"""Round trip of a request: the way, the disk, the wire, and what the card's gathered interrupts add."""
RTO_MIN_S: Final = formulas.TCP_RTO_MIN_S
MEMORY_MIB: Final = 256
LIMIT: Final = 96
"""`tcp_mem[2]` of the scenario, in pages."""
RECOVERED: Final = ["A is recovered", "A.lost_pages == 0"]


@row(
    12,
    "At a full tcp_mem the reply is dropped although a buffer could be allocated; acknowledgements still pass",
    "net/core/stream.c; Zijlstra, 20071030160914.457853000@chello.nl",
)
def limit(kernel: Kernel) -> Evidence:
    """The pages charged reach tcp_mem[2], and free ones stay above three eighths of min."""
    evidence = Evidence()
    for policy in ("none", ["reserve", "-tcp-exemption"]):
        with scene("row-12", kernel, safeguards=policy) as cluster:
            asked = run_to(cluster, 3)["A"].waits_for("a reply from C")
            evidence.equal(f"{policy}: requests are acknowledged and not answered", True, asked)
            as_expected(cluster, evidence)
            evidence.equal(f"{policy}: waits for room below {LIMIT} pages", True, _waits_for_limit(cluster))
            floor = formulas.atomic_floor(min_pages(kernel, MEMORY_MIB))
            evidence.at_least(f"{policy}: free pages", floor + 1, cluster["A"].free_pages)
    return evidence


def _waits_for_limit(cluster: Cluster) -> bool:
    return cluster["A"].waits_for(f"room below tcp_mem: {LIMIT} pages are charged")


@row(13, "The same with the exemption: the reply is accepted", "Zijlstra, 20071030160914.457853000@chello.nl")
def exemption(kernel: Kernel) -> Evidence:
    """At once when C answers: no time-out has to help."""
    evidence = Evidence()
    for policy in (["tcp-exemption"], "reserve"):
        with scene("row-12", kernel, safeguards=policy, stop="8s", expect=RECOVERED) as cluster:
            as_expected(cluster, evidence)
            evidence.at_most(f"{policy}: resumed, s", ROUND_TRIP_S, (cluster["A"].recovered_after_ns or 0) / 1e9)
    return evidence


@row(14, "The same under the rules of 6.x: no deadlock", "net/ipv4/tcp_input.c, tcp_data_queue", eras=NEWER)
def forced(kernel: Kernel) -> Evidence:
    """What comes next in order is taken by force when nothing is queued before it, with and without a mark.

    Two time-outs of the peer are allowed for replies that come together.
    """
    evidence = Evidence()
    for policy in ("none", "reserve"):
        with scene("row-12", kernel, safeguards=policy, stop="20s", expect=RECOVERED) as cluster:
            as_expected(cluster, evidence)
            evidence.at_most(f"{policy}: resumed, s", 2 * RTO_MIN_S, (cluster["A"].recovered_after_ns or 0) / 1e9)
    return evidence


@row(
    46,
    "NBD on the wire: 28 bytes and the page out, 16 and the page back; 3 segments a page",
    "drivers/block/nbd.c",
    eras=EVERY,
)
def sizes(kernel: Kernel) -> Evidence:
    """One request at a time: 4124 bytes and 28 from A, 16 and 4112 from C, of at most 1448 in a segment."""
    evidence = Evidence()
    with scene("row-46", kernel, record=True) as cluster:
        as_expected(cluster, evidence)
        out, back = cluster["A"].pages_out, cluster["A"].pages_in
        asked, answered = (_payloads(sent) for sent in cluster.sent())
    evidence.at_least("page-outs and page-ins", 100, min(out, back))
    evidence.equal("bytes from A", (28 + 4096) * out + 28 * back, sum(asked))
    evidence.equal("bytes from C", 16 * out + (16 + 4096) * back, sum(answered))
    evidence.equal("segments from A", 3 * out + back, len(asked))
    evidence.equal("segments from C", out + 3 * back, len(answered))
    return evidence.equal("largest segment", 1448, max(*asked, *answered))


def _payloads(sent: bytes) -> list[int]:
    """The payloads of all TCP segments with data."""
    frames = [raw for raw, _ in cut(sent)]
    return [raw[F_BODY][5] for raw in frames if raw[F_KIND] == TCP and raw[F_BODY][5]]


@row(48, "One blocked NBD sender blocks all others on its connection", "drivers/block/nbd.c, tx_lock")
def blocked_sender(kernel: Kernel) -> Evidence:
    """A send buffer of 64 KiB: what is under way stops far below 128, and the rest waits for the one that sends."""
    evidence = Evidence()
    charge = 4096 + 28 + 3 * kernel.tcp.segment_charge
    with scene("row-48", kernel) as cluster:
        said = run_to(cluster, 1.9).waits().nodes["A/page-outs"]["quantities"]["under_way"]
        evidence.at_most("requests under way in the outage", 64 * 1024 // charge + 2, said)
        evidence.equal("the sender waits for room", True, cluster["A"].waits_for("room in the send buffer"))
        as_expected(cluster, evidence)
        evidence.equal("and not for ever: pages written later", True, cluster["A"].pages_out > 2000)
    few = {"machines.A.swap.in_flight": 64 * 1024 // charge // 2}
    with scene("row-48", kernel, set=few) as cluster:
        blocked = run_to(cluster, 1.9)["A"].waits_for("room in the send buffer")
        evidence.equal("with half as many requests as fit", False, blocked)
    return evidence


@row(53, "Two swap sockets: RX is in the reserve once, TX twice", "Zijlstra, 20071030160913.811204000@chello.nl")
def two_transports(kernel: Kernel) -> Evidence:
    """TX is 2 * 64 KiB, 32 pages, and for NFS 128 slots, 8 to a page, and one."""
    evidence = Evidence()
    slots = 128
    pages = {
        name: machine_tree(
            kernel,
            1,
            cover_fragments=True,
            parked=0,
            reply_frames=3,
            transports=[slots if one == "nfs" else 0 for one in name],
        ).pages
        for name in (("nbd",), ("nfs",), ("nbd", "nbd"), ("nfs", "nbd"), ("nfs", "nfs"))
    }
    transmit, with_slots = 32, 32 + slots // 8 + 1
    evidence.equal("NBD twice, more pages than once", transmit, pages["nbd", "nbd"] - pages["nbd",])
    evidence.equal("NFS and NBD, more than NFS", transmit, pages["nfs", "nbd"] - pages["nfs",])
    evidence.equal("NFS twice, more than once", with_slots, pages["nfs", "nfs"] - pages["nfs",])
    one = {"machines.A.swap.servers": ["C"], "machines.A.swap.layout": "striped"}
    with scene("row-53", kernel) as two, scene("row-53", kernel, set=one) as single:
        as_expected(two, evidence)
        more = two["A"].reserve_pages - single["A"].reserve_pages
    evidence.equal("a machine with two servers has more than with one, pages", with_slots, more)
    return _half_replies(kernel, evidence)


def _half_replies(kernel: Kernel, evidence: Evidence) -> Evidence:
    """What Brown asked in his review of 2008: large packets that come together may each take a part of the reserve.

    Two mirrors answer at a time, three fragments each: two of each and one more are enough, whichever come first.
    """
    enough = 2 * (formulas.nfs_fragments(1) - 1) + 1
    uncovered = ["reserve", "-fragment-cover"]
    for buffers, verdict in ((enough, "recovered"), (enough - 1, "wedged")):
        reserve = {"pages": 0, "buffers": buffers}
        with scene("row-53", kernel, safeguards=uncovered, reserve=reserve, stop="20s") as cluster:
            evidence.equal(f"two replies at a time, {buffers} buffers", verdict, str(cluster.run()["A"].verdict))
    return evidence


@row(
    67,
    "At a full tcp_mem the swap crawls, about a segment for each time-out of the peer; the mark changes nothing",
    "net/ipv4/tcp_input.c; seen on Linux 6.1",
    eras=NEWER,
)
def crawl(kernel: Kernel) -> Evidence:
    """5 segments a second at most with the shortest time-out, B silent or not, and pages free."""
    evidence = Evidence()
    pages = {}
    for policy in ("reserve", ["reserve", "-tcp-exemption"]):
        with scene("row-67", kernel, safeguards=policy) as cluster:
            at = [run_to(cluster, time_s)["A"].pages_in for time_s in (1, 5, 7, 17, 25, 40)]
            as_expected(cluster, evidence)
        evidence.at_least(f"{policy}: pages in a second before", 100, (at[1] - at[0]) / 4)
        evidence.at_most(f"{policy}: in a second while it is full", 1.2 / RTO_MIN_S, (at[3] - at[2]) / 10)
        evidence.at_least(f"{policy}: it does not stand still, pages", 1, at[3] - at[2])
        evidence.at_most(f"{policy}: in a second when B is silent", 1.2 / RTO_MIN_S, (at[5] - at[4]) / 15)
        pages[str(policy)] = at[-1]
    return evidence.equal("pages without the mark as with it", *pages.values())


@row(
    70,
    "Recovery follows the time-out grid of the sender; a stopped server with a live network is followed by no wait",
    "net/ipv4/tcp_timer.c; seen on Linux 6.1",
    eras=EVERY,
)
def grid(kernel: Kernel) -> Evidence:
    """RTO (2^k - 1) after the last transmission before the outage: the first of these times after the heal."""
    evidence = Evidence()
    for outage_s in (1, 4, 20):
        next_s, seen_s = next_and_recovered_s(kernel, "nbd", outage_s, times_of_tcp)
        evidence.near(f"outage of {outage_s} s, s", next_s, seen_s, within=ROUND_TRIP_S)
    nbd = {"machines.A.swap.transport": "nbd"}
    slow = [{"at": "2s", "slow-disk": {"machine": "C", "latency": "4s"}, "for": "4s"}]
    with scene("row-02", kernel, timeline=slow, stop="8s", set=nbd) as cluster:
        evidence.at_most("slow disk for 4 s, s", ROUND_TRIP_S, recovered_s(cluster.run()))
    return evidence
