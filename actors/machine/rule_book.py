"""The rule book of one machine: its kernel, with the sysctls that are set here and the buffers of its card."""

from dataclasses import replace
from typing import Any

from netswap.actors.kernels import KERNELS, Kernel
from netswap.actors.kernels.tcp import TcpRules
from netswap.actors.machine.sysctls import with_sysctls
from netswap.actors.net.drivers import on_link
from netswap.actors.settings import MachineSettings


def rule_book(settings: MachineSettings) -> Kernel:
    """The kernel of a machine as its parts obey it."""
    kernel = with_sysctls(KERNELS[settings.kernel], settings.vm)
    kernel = replace(kernel, tcp=_tcp(settings, kernel.tcp), **_ipfrag(settings, kernel))
    if settings.swap is not None and settings.swap.sender == "thread":
        kernel = replace(kernel, nbd_queues=True)
    if not settings.nic_high_order_alloc:
        kernel = replace(kernel, page_frag_order=0)
    return on_link(kernel, settings.nic_refill, settings.mtu, page_frags=settings.nic_page_frags)


def _ipfrag(settings: MachineSettings, kernel: Kernel) -> dict[str, Any]:
    """ipfrag_high_thresh, ipfrag_low_thresh (bytes of truesize) and ipfrag_time (net/ipv4/ip_fragment.c).

    A low mark that is not set stays below the high one: above it there would be nothing to evict.
    """
    high = kernel.fragment_high if settings.ipfrag_high is None else settings.ipfrag_high
    low = min(kernel.fragment_low, high) if settings.ipfrag_low is None else settings.ipfrag_low
    time_ns = kernel.fragment_timeout_ns if settings.ipfrag_time_ns is None else settings.ipfrag_time_ns
    return {"fragment_high": high, "fragment_low": low, "fragment_timeout_ns": time_ns}


def _tcp(settings: MachineSettings, rules: TcpRules) -> TcpRules:
    """tcp_rmem and tcp_wmem, in bytes; a setting sets the most too, which is else reckoned from memory at boot."""
    if settings.tcp_rmem is not None:
        rules = replace(rules, rmem=settings.tcp_rmem, rmem_by_memory=False)
    if settings.tcp_wmem is not None:
        rules = replace(rules, wmem=settings.tcp_wmem, wmem_by_memory=False)
    return rules
