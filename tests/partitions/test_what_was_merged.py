"""Rows 61 to 66: what Linux 3.6 took in, as a real kernel (Linux 6.1) shows it, and what one more permission would change."""

from math import ceil

import pytest
from scenes import atomic_floor, min_pages, outage, seed

from netswap.protocol.rpc import DOUBLINGS, TIMEOUT_NS
from netswap.protocol.units import seconds

KERNEL = "linux-6.11"
RATE = 2000
HEALED_NS = seconds(7)
CAP_NS = TIMEOUT_NS << DOUBLINGS
HEADS_CACHED = 16
"""Heads that the per-CPU cache holds at most."""
SLOTS = 16
REQUEST_PAGES = ceil(SLOTS / 8)
"""What requests under way take, 8 to a page."""


def ring_pages(descriptors: int) -> float:
    """Two data buffers or sixteen heads to a page."""
    return descriptors / 2 + descriptors / 16


def transmit_pages(requests: int) -> int:
    """Three packets a request, each a head of 256 bytes and 512 of headers: 3/16 + 3/8 pages; requests were had before."""
    return ceil(3 * requests / 16) + ceil(3 * requests / 8)


NEVER_NS = seconds(1000)


def stopped(netswap, safeguards, *, memory=64, kernel=KERNEL, reads_at_ns=NEVER_NS, away="12s", flood="", a="", **keys):
    """C is away from the start, so that a cold rank takes all memory down to min and stops; from 8 s on B floods.

    The frames are for a daemon that is busy until `reads_at_ns`; its one socket takes them all.
    """
    reader = f"      - 'scenes:LateReader': {{port: 9000, buffer: {1 << 30}, at_ns: {reads_at_ns}}}"
    text = seed(memory=memory, rank=", start: cold", flood_from="8s", flood=flood, a=a, timeline=outage("0s", away))
    service = next(line for line in text.splitlines() if "service:" in line)
    return netswap(text.replace(service, reader), kernel=kernel, safeguards=safeguards, **keys)


def story(netswap, safeguards, *, memory=512, refill="e1000e", ring=None, set=(), **keys):
    """The seed's cast under linux-6.11; C is away from 2 s to 7 s, and B floods from 2 s on."""
    nic = f"    nic: {{refill: {refill}{'' if ring is None else f', ring: {ring}'}}}"
    text = seed(memory=memory, sockets=64, timeline=outage(), a=nic, **keys)
    return netswap(text, kernel=KERNEL, safeguards=safeguards, set=dict(set))


# -- row 61 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refill", ["e1000e", "8139cp", "e1000", "tg3"])
def test_as_it_was_merged_replies_die_in_the_driver(netswap, refill):
    """The head is plain GFP_ATOMIC: at the floor nothing gets as far as demux, but for the heads that the CPU has left.

    A's requests do leave (R10), C answers, and A stays wedged for longer than every timer.
    """
    cluster = story(netswap, "merged", refill=refill)
    cluster.run_for(HEALED_NS)
    before = cluster["A"]
    cluster.run_for(seconds(35))
    a = cluster["A"]
    assert a.verdict == "wedged"
    assert a.dropped["demux"] <= HEADS_CACHED
    assert a.dropped["ring-empty"] + a.dropped["no-memory"] >= 35 * RATE
    assert a.retransmissions > before.retransmissions
    assert a.tx_no_memory == before.tx_no_memory


@pytest.mark.parametrize("refill", ["e1000e", "8139cp", "e1000", "tg3"])
def test_with_that_one_permission_the_mechanism_works_as_designed(netswap, refill):
    """The twin: demux drops as much as B sends while A is at the floor, and A resumes by the next retransmission."""
    cluster = story(netswap, ["merged", "rx-head"], refill=refill)
    cluster.run_for(seconds(4))
    before = cluster["A"].dropped["demux"]
    cluster.run_for(seconds(3))
    assert cluster["A"].dropped["demux"] - before == pytest.approx(3 * RATE, abs=2)
    cluster.run_for(CAP_NS)
    assert cluster["A"].verdict == "recovered"
    assert cluster["A"].lost_pages == 0


def test_without_any_mark_a_machine_of_6_11_wedges_as_one_of_2007(netswap):
    """No safeguard: neither data nor head may use the reserve, and no retransmission leaves."""
    cluster = story(netswap, "none")
    cluster.run_for(HEALED_NS + seconds(35))
    a = cluster["A"]
    assert a.verdict == "wedged"
    assert (a.dropped["demux"], a.reserve_used_max) == (0, 0)


# -- row 62 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [None, "5%", "20%"])
def test_raising_min_free_only_changes_where_free_memory_stands_still(netswap, share):
    """Free at the wedge = 3/8 min for every min, to the two halves of a page: C is cut off, user space stops, B floods.

    The socket takes all of it: udp_mem is raised.
    """
    memory = 64
    minimum = min_pages(memory) if share is None else memory * 256 * int(share[:-1]) // 100
    own = "    nic: {refill: e1000e}\n    udp: {mem: 1000000}\n    vm: {watermark_boost_factor: 0}" + (
        "" if share is None else f"\n    min_free: {share}"
    )
    cluster = stopped(netswap, "merged", memory=memory, a=own)
    cluster.run_for(seconds(8))
    assert cluster["A"].free_pages == pytest.approx(minimum, abs=REQUEST_PAGES)
    cluster.run_for(seconds(4 + 35))
    assert cluster["A"].verdict == "wedged"
    assert abs(cluster["A"].free_pages - atomic_floor(minimum)) <= 1


def test_a_fifth_of_memory_kept_free_is_no_cure(netswap):
    """The same by the switch: min is a fifth of 16384 pages, and where sockets may hold that much the wedge comes as surely."""
    cluster = stopped(netswap, "min-free-20", a="    udp: {mem: 1000000}")
    cluster.run_for(seconds(12 + 35))
    assert cluster["A"].verdict == "wedged"
    assert abs(cluster["A"].free_pages - atomic_floor(64 * 256 // 5)) <= 1


def test_the_limit_on_all_udp_sockets_comes_before_a_fifth_of_memory_is_lost(netswap):
    """The twin: 9.37 % of memory is less than 5/8 of 20 % (facts 13.3), so the flood ends at udp_mem[0], and A goes on."""
    cluster = stopped(netswap, "min-free-20")
    cluster.run_for(seconds(12 + 15))
    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.dropped["socket-full"] > 0
    assert a.free_pages > atomic_floor(64 * 256 // 5)


# -- row 63 ------------------------------------------------------------------------------------------------------------

RESERVE = atomic_floor(min_pages(64))
ENOUGH = max(ring for ring in range(16, 256, 16) if ring_pages(ring) + transmit_pages(SLOTS) <= RESERVE)
TOO_MANY = min(ring for ring in range(16, 256, 16) if ring_pages(ring) > RESERVE)


def test_a_reserve_that_the_ring_eats_up_receives_for_ever_and_sends_nothing(netswap):
    """64 MiB: 3/8 of min 256 is 96 pages, and 176 descriptors take 88 + 11 = 99: none is left to send a request again.

    Every frame of the flood is dropped correctly, at demux, at the flood's rate.
    """
    assert (RESERVE, TOO_MANY) == (96, 176)
    cluster = story(netswap, ["merged", "rx-head"], memory=64, ring=TOO_MANY)
    cluster.run_for(HEALED_NS)
    before = cluster["A"]
    cluster.run_for(seconds(35))
    a = cluster["A"]
    assert a.verdict == "wedged"
    assert a.free_pages == 0
    assert a.dropped["demux"] - before.dropped["demux"] == pytest.approx(35 * RATE, abs=2)
    assert a.retransmissions - before.retransmissions == a.tx_no_memory - before.tx_no_memory > 0


def test_a_reserve_for_ring_and_transmission_is_enough(netswap):
    """The twin: 144 descriptors take 81 pages; 16 requests of three packets take 3 + 6 more, 90 of 96."""
    assert ring_pages(ENOUGH) + transmit_pages(SLOTS) == 90
    cluster = story(netswap, ["merged", "rx-head"], memory=64, ring=ENOUGH)
    cluster.run_for(HEALED_NS + CAP_NS)
    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.tx_no_memory == 0


# -- row 64 ------------------------------------------------------------------------------------------------------------

READS_AT_NS = seconds(20)
DRIVERS = [("e1000e", "recovered"), ("8139cp", "recovered"), ("virtio", "wedged")]


@pytest.mark.parametrize(("refill", "verdict"), DRIVERS)
def test_the_refill_rule_decides_what_happens_when_memory_comes_back(netswap, refill, verdict):
    """Three runs, same inputs: merged, B floods a daemon until 14 s, at 20 s it reads all and frees its pages.

    e1000e: its watchdog refills the ring within 2 s. 8139cp: every descriptor is full as ever. virtio: its worker sleeps at
    the swap device, which waits for a reply, which nobody receives; memory does not wake it.
    """
    own = f"    nic: {{refill: {refill}}}"
    cluster = stopped(netswap, "merged", memory=512, reads_at_ns=READS_AT_NS, flood=", for: 6s", a=own)
    cluster.run_for(READS_AT_NS)
    stuck = cluster["A"]
    assert stuck.socket_frames > 0
    assert stuck.waits_for("a reply from C")
    cluster.run_for(seconds(36 if verdict == "wedged" else 4))
    a = cluster["A"]
    assert a.socket_frames == 0
    assert a.free_pages > stuck.free_pages
    assert a.verdict == verdict


@pytest.mark.parametrize("blocks", ["off", "on"])
def test_a_ring_of_fragments_that_may_use_the_reserve_receives_on(netswap, blocks):
    """The switch rx-refill: at the floor virtio's ring is filled with pages from the reserve, two fragments to a page.

    Ring, heads and what is sent fit below the floor of 512 MiB; with blocks of eight pages too, which come from pageblocks that
    are set aside for them.
    """
    assert ring_pages(256) + transmit_pages(SLOTS) < atomic_floor(min_pages(512))
    keys = {"machines.A.nic.high_order_alloc": blocks}
    cluster = story(netswap, ["merged", "rx-head", "rx-refill"], refill="virtio", set=keys)
    cluster.run_for(HEALED_NS + CAP_NS)
    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.dropped["demux"] > 0


def test_without_the_switch_a_ring_of_single_pages_is_as_dead(netswap):
    """The twin without rx-refill: no fragment may come from the reserve, and the worker sleeps."""
    keys = {"machines.A.nic.high_order_alloc": "off"}
    cluster = story(netswap, ["merged", "rx-head"], refill="virtio", set=keys)
    cluster.run_for(HEALED_NS + seconds(35))
    assert cluster["A"].verdict == "wedged"
    assert cluster["A"].waits_for("its refill worker")


def test_no_policy_helps_a_ring_that_only_a_sleeping_worker_refills(netswap):
    """rx-head, and a pool on top of it: the fragments of virtio's ring have no right to either."""
    for safeguards in (["merged", "rx-head"], "reserve"):
        cluster = story(netswap, safeguards, refill="virtio")
        cluster.run_for(HEALED_NS + seconds(35))
        assert cluster["A"].verdict == "wedged"
        assert cluster["A"].waits_for("its refill worker")


# -- row 65 ------------------------------------------------------------------------------------------------------------

FRAGMENTS = "}}, {flood: {to: 'A:9000', rate: 24608kbit/s, payload: 2000B, fragments: incomplete, from: 10s"
HELD_PAGES = ceil(ring_pages((4 << 20) // 2304 + 1))
"""What 4 MiB of truesize take: 1821 fragments, 1025 pages."""


@pytest.mark.parametrize(("min_free", "verdict"), [("9MiB", "wedged"), ("12MiB", "recovered")])
def test_fragments_need_a_limit_below_the_reserve(netswap, min_free, verdict):
    """The first flood fills the sockets down to the floor, and stops; then only incomplete datagrams come.

    They are held before demux, in pages of the reserve: 3/8 of 2304 pages is less than 1025, 3/8 of 3072 more than these
    and the ring together. Judged while the rank touches new pages: a page-in's reply comes in fragments itself, and at the
    limit every fragment is refused.
    """
    minimum = int(min_free[:-3]) * 256
    room = atomic_floor(minimum) - HELD_PAGES - ring_pages(64) - transmit_pages(SLOTS)
    assert (room > 0) == (verdict == "recovered")
    own = f"    nic: {{refill: 8139cp}}\n    min_free: {min_free}"
    cluster = stopped(
        netswap,
        ["merged", "rx-head"],
        memory=128,
        away="14s",
        flood=", for: 2s" + FRAGMENTS,
        a=own,
        set={"machines.A.programs.0.rank.working_set": "480MiB"},
    )
    cluster.run_for(seconds(11))
    before = cluster["A"]
    cluster.run_for(seconds(3) + (seconds(40) if verdict == "wedged" else CAP_NS))
    a = cluster["A"]
    assert a.verdict == verdict
    if verdict == "wedged":
        assert a.dropped["demux"] == before.dropped["demux"]
        assert a.free_pages == 0


# -- row 66, the wedge without a kill ----------------------------------------------------------------------------------


def test_in_the_deadlock_everybody_sleeps_where_no_round_is_counted(netswap):
    """User tasks in the throttle of reclaimers or at the swap device: no round without progress, so no OOM kill."""
    waiting = waiting_for_a_page(stopped(netswap, "merged", a="    nic: {refill: e1000e}"))
    assert waiting["asleep"] == waiting["waiters"] > 0


def test_in_2007_they_poll(netswap):
    """The twin by the other rule book: each looks again every 0.1 s."""
    waiting = waiting_for_a_page(stopped(netswap, "none", kernel="linux-2.6.22"))
    assert waiting["waiters"] > waiting["asleep"] == 0


def waiting_for_a_page(cluster):
    """How many wait for a page after the heal, and how many of them are asleep."""
    cluster.run_for(seconds(12 + 35))
    assert cluster["A"].verdict == "wedged"
    return cluster.waits().nodes["A/free page"]["quantities"]
