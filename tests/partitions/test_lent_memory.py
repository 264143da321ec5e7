"""Swap servers that lend memory and are short of it themselves: what they answer at once, evict, refuse, and lose in a crash."""

import pytest

from netswap.protocol.units import milliseconds, seconds

PAGE = 4096
DISK_NS = milliseconds(3)


def lent(
    server: str = "",
    *,
    memory: str = "64MiB",
    swap: str = "server: C",
    more: str = "",
    timeline: str = "[]",
    stop: str = "6s",
    compute: str = "100ms",
) -> str:
    """A has 2560 pages and memory for some 1900; C lends what `server` says. Its disk takes 3 ms."""
    return f"""\
# What becomes of A's pages when the memory of its swap server is full?
title: lent memory
stop: {stop}
safeguards: reserve
reserve: {{pages: 0}}
network: {{latency: 200us}}
machines:
  A:
    memory: 8MiB
    disk: {{latency: 1ms}}
    swap: {{{swap}, size: 32MiB, readahead: 1}}
    programs: [{{rank: {{working_set: 10MiB, touch: 256KiB, pattern: random, compute: {compute}}}}}]
  C:
    memory: {memory}
    programs: [{{swap-server: {{disk_latency: 3ms{server}}}}}]
{more}
timeline: {timeline}
"""


D = "  D: {programs: [swap-server: {}]}"


def pages_in(netswap, *words, **keys) -> int:
    """Pages that A has read, none of them wrong."""
    a = netswap(lent(*words, **keys)).run()["A"]
    assert a.lost_pages == 0
    return a.pages_in


def test_what_is_in_memory_is_answered_without_the_disk(netswap):
    """All of A's pages fit: a fault takes a round trip, and not the disk's 3 ms too."""
    disk, memory = (pages_in(netswap, server, compute="0ms", stop="2s") for server in ("", ", memory: 16MiB"))
    assert disk <= seconds(2) // DISK_NS < memory


def test_a_server_lends_what_it_has_above_its_high_mark(netswap):
    """C of 4 MiB lends what is above that mark, and nothing below it."""
    cluster = netswap(lent(", memory: 16MiB", memory="4MiB", compute="20ms"))
    c = cluster.run()["C"]
    assert cluster["A"].lost_pages == 0
    assert cluster.engine.machine(1).zone.high_mark - c.free_pages in range(16)


@pytest.mark.parametrize("transport", ["nfs", "nbd"])
def test_what_does_not_fit_goes_to_disk_and_comes_back_right(netswap, transport):
    """1 MiB of lent memory: 256 pages, and the others take the disk's time."""
    swap = f"server: C, transport: {transport}"
    cluster = netswap(lent(", memory: 1MiB", swap=swap))
    before = cluster.engine.machine(1).zone.free
    a = cluster.run()["A"]
    assert (a.lost_pages, a.pages_in > 200) == (0, True)
    assert before - cluster["C"].free_pages in range(256 - 8, 256 + 8)


@pytest.mark.parametrize("transport", ["nfs", "nbd"])
def test_what_is_refused_waits_and_the_reads_go_on(netswap, transport):
    """256 pages are taken; then nothing leaves A, which is told why it stands still. With `evict` it goes on."""
    cluster = netswap(lent(", memory: 1MiB, full: refuse", swap=f"server: C, transport: {transport}", stop="12s")).run()
    a = cluster["A"]
    assert (a.pages_out, a.lost_pages) == (256, 0)
    assert a.pages_in > 256
    assert a.stalled_ns > seconds(5)
    assert a.waits_for("wait for room at C")


@pytest.mark.parametrize(
    ("swap", "goes_on"),
    [
        ("servers: [C, D], layout: mirrored, acks: 1", True),
        ("servers: [C, D], layout: mirrored", False),
        ("servers: [C, D]", False),
        ("servers: [C, D], backup: disk", True),
        ("server: C, backup: disk", True),
    ],
)
def test_others_take_what_one_has_no_room_for(netswap, swap, goes_on):
    """A copy that is enough, or the disk; not the other half of striped pages."""
    text = lent(", memory: 1MiB, full: refuse", swap=swap, more=D, stop="8s")
    cluster = netswap(text).run_to(seconds(4))
    before = cluster["A"].pages_out
    a = cluster.run()["A"]
    assert (a.pages_out - before > 100) is goes_on
    assert a.lost_pages == 0


@pytest.mark.parametrize(
    ("server", "swap", "loses"),
    [
        ("", "server: C", False),
        (", memory: 16MiB", "server: C", True),
        (", memory: 16MiB", "server: C, backup: disk", False),
        (", memory: 16MiB", "servers: [C, D], layout: mirrored, acks: 2", False),
    ],
)
def test_memory_is_lost_in_a_crash_unless_there_is_another_copy(netswap, server, swap, loses):
    """What was on C's disk is there afterwards; what was in its memory is somewhere else, or lost, and A finds out."""
    text = lent(server, swap=swap, more=D, timeline="[{at: 5s, crash: C, for: 500ms}]", compute="30ms", stop="8s")
    a = netswap(text).run()["A"]
    assert (a.lost_pages > 0) is loses
    assert a.pages_in > 200
