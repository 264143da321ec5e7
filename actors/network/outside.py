"""Disturbances of machines: crash, pause, slow disk. The machine itself is told of their effect in its inbound stream.

Faults of one kind overlap by rule: a machine is up again when the last of its crashes has ended, goes on when the last of
its pauses has, and of several latencies of its disk the one that began last is in force.
"""

from typing import Any, Final

from netswap.protocol.frame import CRASH, OWN_DISK, PAUSE, RESTART, RESUME, SLOW_DISK, encode_control

VERBS: Final = ("crash", "pause", "slow-disk")


class Outside:
    """The disturbances of each machine, by its index, and the controls that it has still to be sent."""

    __slots__ = ("_down", "_paused", "_slow", "pending")

    def __init__(self) -> None:
        self.pending: dict[int, list[bytes]] = {}
        """Controls for the next batch to a machine."""
        self._down: dict[int, int] = {}
        self._paused: dict[int, int] = {}
        self._slow: dict[int, list[int]] = {}

    def is_down(self, machine: int) -> bool:
        """Whether a crash of this machine lasts."""
        return machine in self._down

    def is_paused(self, machine: int) -> bool:
        """Whether a pause of this machine lasts."""
        return machine in self._paused

    def begin(self, verb: str, args: dict[str, Any], now_ns: int) -> None:
        """Begin a disturbance of `args["machines"]`; a slow disk takes `args["latency_ns"]`."""
        for machine in args["machines"]:
            if verb == "slow-disk":
                self._slow.setdefault(machine, []).append(args["latency_ns"])
                self._tell(machine, now_ns, SLOW_DISK, args["latency_ns"])
            elif _begins(self._down if verb == "crash" else self._paused, machine):
                self._tell(machine, now_ns, CRASH if verb == "crash" else PAUSE)

    def end(self, verb: str, args: dict[str, Any], now_ns: int) -> None:
        """End that disturbance."""
        for machine in args["machines"]:
            if verb == "slow-disk":
                slow = self._slow[machine]
                slow.remove(args["latency_ns"])
                self._tell(machine, now_ns, SLOW_DISK if slow else OWN_DISK, slow[-1] if slow else 0)
            elif _ends(self._down if verb == "crash" else self._paused, machine):
                self._tell(machine, now_ns, RESTART if verb == "crash" else RESUME)

    def _tell(self, machine: int, now_ns: int, what: int, value: int = 0) -> None:
        self.pending.setdefault(machine, []).append(encode_control(now_ns, what, value))


def _begins(lasting: dict[int, int], machine: int) -> bool:
    """Whether this is the first disturbance of its kind that lasts."""
    lasting[machine] = lasting.get(machine, 0) + 1
    return lasting[machine] == 1


def _ends(lasting: dict[int, int], machine: int) -> bool:
    """Whether that was the last one of its kind."""
    lasting[machine] -= 1
    if lasting[machine]:
        return False
    del lasting[machine]
    return True
