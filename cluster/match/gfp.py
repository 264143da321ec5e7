"""What an allocation was allowed to do, from the number or the names that the kernel prints; the bits change between kernels.

Sources: include/linux/gfp.h of 2.6.22, 3.x, 4.4, 4.8, 5.x, include/linux/gfp_types.h of 6.x; include/trace/events/mmflags.h.
"""

from typing import Final, NamedTuple


class Bits(NamedTuple):
    """Where a kernel has its flags."""

    until: tuple[int, int]
    """The first kernel with others."""
    high: int
    io: int
    fs: int
    wait: int
    """The right to sleep: `__GFP_WAIT`, later `__GFP_DIRECT_RECLAIM`."""
    memalloc: int
    nomemalloc: int


BITS: Final = (
    Bits((3, 6), 0x20, 0x40, 0x80, 0x10, 0, 0x10000),
    Bits((4, 4), 0x20, 0x40, 0x80, 0x10, 0x2000, 0x10000),
    Bits((4, 8), 0x20, 0x40, 0x80, 0x400000, 0x2000, 0x10000),
    Bits((4, 20), 0x20, 0x40, 0x80, 0x400000, 0x20000, 0x80000),
    Bits((5, 1), 0x20, 0x40, 0x80, 0x200000, 0x20000, 0x80000),
    Bits((99, 0), 0x20, 0x40, 0x80, 0x400, 0x20000, 0x80000),
)


def can_sleep(mode: int, flags: str, version: tuple[int, int] | None) -> bool | None:
    """Whether the request was one that may reclaim; None where the log does not say which kernel's bits these are."""
    if flags:
        names = set(flags.split("|"))
        if names & {"GFP_ATOMIC", "GFP_NOWAIT", "__GFP_ATOMIC"}:
            return "__GFP_DIRECT_RECLAIM" in names
        if names & {
            "GFP_KERNEL",
            "GFP_NOFS",
            "GFP_NOIO",
            "GFP_USER",
            "GFP_HIGHUSER",
            "GFP_HIGHUSER_MOVABLE",
            "GFP_KERNEL_ACCOUNT",
            "GFP_TRANSHUGE",
            "__GFP_DIRECT_RECLAIM",
            "__GFP_RECLAIM",
            "__GFP_WAIT",
        }:
            return True
        return None
    if version is not None:
        bits = next(bits for bits in BITS if version < bits.until)
        return bool(mode & bits.wait)
    if mode & ~0x7FFFF == 0 and mode & 0xFFF in (0x20, 0x120, 0x220, 0x20A0 & 0xFFF):
        return False  # GFP_ATOMIC before 4.4, whatever goes with it; later it has a bit above these
    return bool(mode & 0x400000 or mode & 0x200000 or mode & 0x410) if mode not in (0xA20, 0x820, 0xB20) else False
