"""What of a log counts for the loop, gathered."""

from dataclasses import dataclass
from typing import Final

from netswap.cluster.match import transports
from netswap.cluster.match.failures import Failure, failures_of
from netswap.cluster.match.log import Log
from netswap.cluster.match.reading import Line
from netswap.cluster.match.waits import Wait

_TIME_OUTS: Final = (
    "nbd time-out",
    "nfs time-out",
    "iscsi time-out",
    "ceph time-out",
    "drbd time-out",
    "file server time-out",
)
_BLOCKS: Final = frozenset(("nbd", "iscsi", "ceph", "drbd", "aoe", "nvme over fabrics"))
"""Block devices: a file system on one looks like one on a disk of the machine."""


@dataclass(slots=True)
class Evidence:
    """What of a log counts for the loop."""

    log: Log
    reclaimers: list[Wait]
    swappers: list[Wait]
    senders: list[Wait]
    """Waits of tasks that wait to send pages that are written back."""
    failures: list[Failure]
    time_outs: dict[str, list[Line]]
    """By transport."""
    swap_on: str
    """Where the swap device is: a transport, `local`, or empty."""

    @property
    def transport(self) -> str:
        """The network storage in question: of the swap device, of a stack that waits for memory or a page, of a time-out."""
        if self.swap_on and self.swap_on != "local":
            return self.swap_on
        for wait in [*self.swappers, *self.reclaimers, *self.senders]:
            if wait.transport:
                return wait.transport
        if self.swap_on == "local":
            return ""
        return next(iter(self.time_outs), "") or next(
            (
                wait.transport
                for wait in self.log.waits
                if wait.transport and wait.kind is not None and "idle" not in wait.paths
            ),
            "",
        )

    @property
    def local(self) -> bool:
        """Whether pages go to a disk of the machine, as far as the log says."""
        if self.transport:
            return False
        return self.swap_on == "local" or any(wait.local for wait in self.log.waits)


def evidence_of(log: Log) -> Evidence:
    """Gather it."""
    devices = [transports.of_device(event.said["device"]) for event in log.of_kind("swap device")]
    devices = [device for device in devices if device]
    time_outs: dict[str, list[Line]] = {}
    for event in log.of_kind(*_TIME_OUTS, "i/o error"):
        if transport := transports.of_event(event):
            time_outs.setdefault(transport, []).append(event.line)
    remote = [device for device in devices if device != "local"]
    remote_disk = {*remote, *time_outs, *(wait.transport for wait in log.waits)}.intersection(_BLOCKS)
    return Evidence(
        log,
        [wait for wait in log.waits if wait.reclaims or (remote_disk and wait.local and "reclaim" in wait.paths)],
        [wait for wait in log.waits if wait.swaps],
        [wait for wait in log.waits if wait.sends],
        failures_of(log),
        time_outs,
        (remote or devices or [""])[0],
    )
