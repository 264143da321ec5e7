"""Which of our kernels and drivers is nearest to a host's, and what differs.

A kernel is chosen first by whether it has what Linux 3.6 took in for swap over the network (Gorman's series), then by how many
releases lie between. What differs is told of the changes that lie between the two versions, and that matter here.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from netswap.actors.kernels import KERNELS, Kernel
from netswap.actors.net.drivers import DRIVERS

Version = tuple[int, int]

MERGED: Final = (3, 6)
"""Swap over the network, in the kernel: SOCK_MEMALLOC, __GFP_MEMALLOC."""
_FIRST: Final = {3: 40, 4: 60, 5: 81, 6: 101, 7: 121}
"""Releases before x.0, counted from 2.6.0: 2.6.39, 3.19, 4.20, 5.19, 6.19 were the last."""


class Change(NamedTuple):
    """A change of the kernel: in which release, and what."""

    version: Version
    what: str
    can_be_off: bool = False
    """Whether the scenario of an older machine is without it: see `SWITCHED_OFF`."""


CHANGES: Final = (
    Change((2, 25), "all UDP sockets together have a limit (udp_mem)"),
    Change((2, 28), "reclaim keeps anonymous pages and those of files on lists of their own"),
    Change((2, 38), "transparent huge pages; while they are on, min_free_kbytes is raised"),
    Change((3, 1), "direct reclaim writes no pages of files"),
    Change(MERGED, "swap over NFS and NBD may use what lies below the watermarks; the route cache is gone"),
    Change((4, 6), "the distance of the watermarks follows the size of memory (watermark_scale_factor)", True),
    Change((4, 12), "NBD uses blk-mq, and several connections"),
    Change(
        (5, 0),
        "the watermarks are raised for a while when allocations mix in a page block (watermark_boost_factor)",
        True,
    ),
    Change((5, 6), "storage daemons can ask not to wait for their own writes (PR_SET_IO_FLUSHER)"),
    Change((5, 19), "swap over NFS goes by its own method (swap_rw), in larger requests"),
    Change((6, 1), "reclaim by generations (MGLRU), where it is switched on"),
    Change((6, 6), "TCP reckons the window by the share of payload that it has seen (scaling_ratio)"),
    Change((6, 9), "no page block is set aside for atomic requests in zones below 200 MiB"),
    Change((6, 12), "atomic requests for single pages may use blocks that are set aside for them"),
)
"""Changes of which facts 3 and 13, and the kernel's own change logs, tell."""

SWITCHED_OFF: Final = {"watermark_boost_factor": ((5, 0), 0), "watermark_scale_factor": ((4, 6), 1)}
"""Sysctls by which a kernel is as it was before a change, from the release of that on: with a scale factor of 1 the distance of
the marks is a quarter of min, as it was."""

REFILLS: Final = {
    "e1000": ("e1000", ""),
    "tg3": ("tg3", ""),
    "virtio_net": ("virtio", ""),
    "e1000e": ("e1000e", ""),
    "8139cp": ("8139cp", ""),
    **dict.fromkeys(
        (
            "igb",
            "igc",
            "ixgbe",
            "ixgbevf",
            "i40e",
            "iavf",
            "ice",
            "mlx4_en",
            "mlx5_core",
            "ena",
            "atlantic",
            "forcedeth",
            "sky2",
        ),
        (
            "e1000e",
            "it passes buffers up and refills its ring in batches, so the ring can drain; it may use pages again",
        ),
    ),
    **dict.fromkeys(
        ("bnx2", "bnx2x", "bnxt_en", "vmxnet3", "qede", "be2net"),
        ("tg3", "it allocates the replacement first, so the ring never drains"),
    ),
    **dict.fromkeys(
        ("r8169", "r8152", "8139too", "via-rhine", "8390", "ne2k-pci"),
        ("8139cp", "it copies each frame into a new buffer and keeps its own, so the ring never drains"),
    ),
    "xen-netfront": ("virtio", "both are filled by the host, page by page"),
    "vif": ("virtio", "both are filled by the host, page by page"),
}
"""Drivers of Linux, by the refill rule of ours that is nearest: (rule, why)."""
USUAL_REFILL: Final = "e1000e"


def ordinal(version: tuple[int, ...]) -> int:
    """A release by its number since 2.6.0: 2.6.22 is 22, 3.0 is 40, 6.11 is 112."""
    major, minor, patch = (*version, 0, 0)[:3]
    if major < 3:
        return patch if minor == 6 else -1
    if major in _FIRST:
        return _FIRST[major] + minor
    return _FIRST[7] + 20 * (major - 7) + minor


def version_of(kernel: Kernel) -> tuple[int, ...]:
    """What a kernel's name says: linux-2.6.22, linux-6.11."""
    return tuple(int(part) for part in kernel.name.removeprefix("linux-").split("."))


def kernel(version: tuple[int, ...], known: Iterable[Kernel] = KERNELS.values()) -> Kernel:
    """The nearest kernel there is."""
    here, merged = ordinal(version), ordinal(version) >= ordinal(MERGED)

    def distance(one: Kernel) -> tuple[bool, int]:
        return one.memalloc_sockets != merged, abs(ordinal(version_of(one)) - here)

    return min(known, key=distance)


def switched_off(version: tuple[int, ...]) -> dict[str, int]:
    """The sysctls by which a later kernel is as this version is, each with its value."""
    return {name: value for name, (since, value) in SWITCHED_OFF.items() if ordinal(version) < ordinal(since)}


def differences(version: tuple[int, ...], taken: Kernel) -> list[str]:
    """What changed between the two: what one of them has and the other has not."""
    here, there = ordinal(version), ordinal(version_of(taken))
    told = []
    for change in CHANGES:
        at = change.version[1] if change.version[0] == 2 else ordinal(change.version)
        if min(here, there) < at <= max(here, there) and not (change.can_be_off and here < at):
            name = f"2.6.{change.version[1]}" if change.version[0] == 2 else f"{change.version[0]}.{change.version[1]}"
            who = (
                "this machine has, and the scenario has not"
                if here >= at
                else "the scenario has, and this machine has not"
            )
            told.append(f"since {name}, which {who}: {change.what}")
    return told


def refill(driver: str) -> tuple[str, str]:
    """The refill rule that is nearest to a driver's, and why it is; the usual one for a driver that is not known."""
    rule, why = REFILLS.get(driver, (USUAL_REFILL, f"how {driver} fills its ring is not known to netswap"))
    return (rule, why) if rule in DRIVERS else (USUAL_REFILL, f"netswap has no {rule}")
