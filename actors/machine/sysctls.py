"""The sysctls of a machine's memory: which number of its kernel each of them sets, and which of them a kernel has."""

from dataclasses import fields, replace
from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.settings import Vm
from netswap.protocol.units import milliseconds

_SETS: Final[dict[str, tuple[str, int]]] = {
    "watermark_boost_factor": ("watermark_boost", 1),
    "watermark_scale_factor": ("watermark_scale", 1),
    "swappiness": ("swappiness", 1),
    "dirty_ratio": ("dirty_ratio", 1),
    "dirty_background_ratio": ("dirty_background_ratio", 1),
    "dirty_expire_centisecs": ("dirty_expire_ns", milliseconds(10)),
    "dirty_writeback_centisecs": ("flush_interval_ns", milliseconds(10)),
}
"""The field of `Kernel` that each sets, and how many of its units one of the sysctl's is (kernel/sysctl.c)."""


def with_sysctls(kernel: Kernel, vm: Vm) -> Kernel:
    """The kernel with those that are set."""
    changed: dict[str, Any] = {}
    for one in fields(vm):
        value = getattr(vm, one.name)
        if value is not None:
            name, unit = _SETS[one.name]
            changed[name] = value * unit
    return replace(kernel, **changed) if changed else kernel


def without_effect(kernel: Kernel, name: str) -> str:
    """Why a sysctl cannot be set for this kernel, as the end of a sentence; nothing if it can."""
    if name in ("watermark_boost_factor", "watermark_scale_factor") and not getattr(kernel, _SETS[name][0]):
        return "has no such sysctl"
    if name == "swappiness" and not kernel.spares_mapped:
        return (
            "weighs files against memory of programs in ways that are not in the model: there it would have no effect"
        )
    return ""
