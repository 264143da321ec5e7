"""What an allocation was allowed to do, from the number or the names that the kernel prints; the bits change between kernels.

Sources: include/linux/gfp.h of 2.6.22 to 5.x, include/linux/gfp_types.h of 6.x; include/trace/events/mmflags.h for the names.
"""

from typing import Final

WAITS: Final = (((4, 4), 0x10), ((4, 17), 0x400000), ((5, 1), 0x200000), ((99, 0), 0x400))
"""(the first kernel without it, the bit by which a request may sleep): `__GFP_WAIT`, from 4.4 on `__GFP_DIRECT_RECLAIM`.

GFP_ATOMIC is thus 0x20, then 0x2080020 and 0x1080020, then 0x480020, then 0xa20 and 0x820; GFP_KERNEL 0xd0, 0x24000c0 and
0x14000c0, 0x6000c0, 0xcc0.
"""
_KSWAPD: Final = 0x3000000
"""`__GFP_KSWAPD_RECLAIM` of 4.4 to 4.16, which nearly all requests have."""
_RECLAIMS_4_17: Final = 0x600000
_SLEEPERS: Final = frozenset(
    (
        "GFP_KERNEL",
        "GFP_KERNEL_ACCOUNT",
        "GFP_NOFS",
        "GFP_NOIO",
        "GFP_USER",
        "GFP_HIGHUSER",
        "GFP_HIGHUSER_MOVABLE",
        "GFP_TEMPORARY",
        "GFP_TRANSHUGE",
        "__GFP_DIRECT_RECLAIM",
        "__GFP_RECLAIM",
        "__GFP_WAIT",
    )
)


def can_sleep(mode: int, flags: str, version: tuple[int, int] | None) -> bool | None:
    """Whether the request was one that may reclaim; None where its names say neither."""
    if flags:
        names = set(flags.split("|"))
        if names & {"GFP_ATOMIC", "GFP_NOWAIT", "__GFP_ATOMIC"}:
            return "__GFP_DIRECT_RECLAIM" in names
        return True if names & _SLEEPERS else None
    if version is not None:
        return bool(mode & next(bit for until, bit in WAITS if version < until))
    if mode & _KSWAPD:
        return bool(mode & 0x400000)
    if mode & _RECLAIMS_4_17:
        return mode & _RECLAIMS_4_17 == _RECLAIMS_4_17
    return bool(mode & (0x400 | 0x10))
