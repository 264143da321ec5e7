"""Arithmetic of sizes: what kmalloc gives for a number of bytes, and how many pages that is.

Source: mm/slab.c, include/linux/kmalloc_sizes.h of 2.6.22.
"""

from typing import Final

from netswap.protocol.rpc import PAGE

_ODD_SIZES: Final = (96, 192)
"""Sizes of kmalloc that are no powers of two."""


def kmalloc_size(size: int) -> int:
    """The object that `size` bytes are given: 32, 64, 96, 128, 192, 256 bytes, and powers of two from there on."""
    odd = next((one for one in _ODD_SIZES if one // 3 * 2 < size <= one), None)
    return odd or max(32, 1 << (size - 1).bit_length())


def order_of(size: int) -> int:
    """The order of the smallest block that holds `size` bytes."""
    return (-(-size // PAGE) - 1).bit_length()


def pages_of(objects: int, size: int) -> int:
    """Pages that `objects` objects of a size fill, slabs of one page or blocks of several."""
    return -(-objects // (PAGE // size)) if size <= PAGE else objects * -(-size // PAGE)
