"""The rule books: what one kernel does, as data.

`kernel` says what there is to differ in; a kernel is one file of values, or of what differs from another. Nothing in a machine
asks for a year; it asks its kernel. Every number names the source file it was read from.
"""

from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.kernels.linux_2_6_22 import LINUX_2_6_22
from netswap.actors.kernels.linux_6_1 import LINUX_6_1
from netswap.actors.kernels.linux_6_11 import LINUX_6_11

__all__ = ["KERNELS", "LINUX_2_6_22", "LINUX_6_1", "LINUX_6_11", "Kernel"]

KERNELS: Final = {kernel.name: kernel for kernel in (LINUX_2_6_22, LINUX_6_1, LINUX_6_11)}
