"""What each transport asks of a machine: requests under way, and what its reserve has to cover."""

from dataclasses import replace

import pytest
from test_machine import machine

from netswap.actors.counters import FIRST
from netswap.actors.kernels import KERNELS
from netswap.actors.kernels import LINUX_2_6_22 as KERNEL
from netswap.actors.machine.build_memory import reserve
from netswap.actors.memory.reserve import find
from netswap.actors.policy import Policy
from netswap.actors.settings import MachineSettings, Swap
from netswap.actors.swap.transports import NBD, NFS, Needs, needs
from netswap.protocol.units import seconds

MSS = 1448
RESERVE = frozenset({"reserve-access", "fragment-cover", "tx-bound"})


def settings(
    transport: str, in_flight: int, request_pages: int = 1, switches: frozenset[str] = RESERVE
) -> MachineSettings:
    """A machine of 16 MiB with this swap device."""
    swap = Swap(2, transport, 16 << 20, in_flight, 8, seconds(1.1), request_pages)
    return replace(machine(0).settings, memory=16 << 20, swap=swap, policy=Policy.of(switches))


def asked(transport: str, in_flight: int, request_pages: int = 1, switches: frozenset[str] = RESERVE) -> Needs:
    """What this transport needs."""
    one = settings(transport, in_flight, request_pages, switches)
    assert one.swap is not None
    return needs(one, one.swap, KERNEL)


@pytest.mark.parametrize(
    ("transport", "wanted", "bound", "allowed"),
    [
        (NFS, 1000, True, 128),
        (NFS, 1000, False, 1000),
        (NFS, 16, True, 16),
        (NBD, 128, True, 20),
        (NBD, 128, False, 128),
        (NBD, 16, True, 16),
    ],
)
def test_the_transmit_bound_is_what_the_reserve_was_sized_for(
    transport: str, wanted: int, bound: bool, allowed: int
) -> None:
    """NFS: the largest slot table. NBD: 32 pages hold 131072 / (4096 + 3 * 768) = 20 page-outs with their copies."""
    assert 32 * 4096 // (4096 + 3 * (256 + 512)) == 20
    assert asked(transport, wanted, switches=RESERVE if bound else frozenset()).in_flight == allowed


@pytest.mark.parametrize(("pages", "allowed"), [(1, 1000), (8, 125)])
def test_a_throttled_device_has_a_thousand_pages_under_way_at_most(pages: int, allowed: int) -> None:
    """1000 / pages of a request; without the throttle what is asked for. NBD has 128 requests anyway."""
    throttled = frozenset({"bio-throttle"})
    assert asked(NFS, 2000, pages, throttled).in_flight == allowed
    assert asked(NFS, 2000, pages, frozenset()).in_flight == 2000
    assert asked(NBD, 2000, 1, throttled).in_flight == 128


@pytest.mark.parametrize(("pages", "frames"), [(1, 3), (2, 6), (8, 23)])
def test_the_largest_reply_over_nfs_is_so_many_frames(pages: int, frames: int) -> None:
    """ceil((4096 n + 128 + 8) / 1480)."""
    assert asked(NFS, 16, pages).reply_frames == frames


def test_over_nbd_the_segments_of_all_replies_may_wait_for_the_first() -> None:
    """16 replies of 4112 bytes, 3 segments each, all but the first of them out of order; and one in hand."""
    assert asked(NBD, 16).reply_frames == 16 * -(-4112 // MSS) + 1


def test_only_nfs_has_slots_in_the_tree() -> None:
    """32 pages for both, and 17 for 128 requests of NFS; RX differs by the buffers of replies."""
    trees = {}
    for transport in (NFS, NBD):
        one = settings(transport, 16)
        tree = reserve(one, KERNELS[one.kernel], FIRST).tree
        assert tree is not None
        trees[transport] = tree
    assert find(trees[NFS], "network TX").pages == 32 + 17
    assert find(trees[NBD], "network TX").pages == 32
    receive = {name: find(tree, "receive ring").pages for name, tree in trees.items()}
    assert receive == {NFS: 2 + 1, NBD: 25 + 4}
