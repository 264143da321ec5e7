"""Faults of machines: crash, pause, slow disk, frozen programs.

The machine itself is told of their effect in its inbound stream.

Faults of one kind overlap by rule: a machine is up again when the last of its crashes has ended, goes on when the last of
its pauses has, and of several latencies of its disk the one that began last is in force. A program goes on when the last
of the faults that froze it has.
"""

from typing import Any, Final, TypeVar

from netswap.protocol.frame import CRASH, FREEZE, OWN_DISK, PAUSE, RESTART, RESUME, SLOW_DISK, THAW, encode_control

Key = TypeVar("Key", int, tuple[int, int])
VERBS: Final = ("crash", "pause", "slow-disk", "freeze")


class Outside:
    """The faults of each machine, by its index, and the controls that it has still to be sent."""

    __slots__ = ("_down", "_frozen", "_paused", "_slow", "pending")

    def __init__(self) -> None:
        self.pending: dict[int, list[bytes]] = {}
        """Controls for the next batch to a machine."""
        self._down: dict[int, int] = {}
        self._paused: dict[int, int] = {}
        self._slow: dict[int, list[int]] = {}
        self._frozen: dict[tuple[int, int], int] = {}
        """By machine and program."""

    def is_down(self, machine: int) -> bool:
        """Whether a crash of this machine lasts."""
        return machine in self._down

    def is_paused(self, machine: int) -> bool:
        """Whether a pause of this machine lasts."""
        return machine in self._paused

    def begin(self, verb: str, args: dict[str, Any], now_ns: int) -> None:
        """Begin a fault of `args["machines"]`: a slow disk takes `args["latency_ns"]`, freeze `args["programs"]`."""
        for machine in args["machines"]:
            if verb == "slow-disk":
                self._slow.setdefault(machine, []).append(args["latency_ns"])
                self._tell(machine, now_ns, SLOW_DISK, args["latency_ns"])
            elif verb == "freeze":
                for place in args["programs"]:
                    if _begins(self._frozen, (machine, place)):
                        self._tell(machine, now_ns, FREEZE, place)
            elif _begins(self._down if verb == "crash" else self._paused, machine):
                self._tell(machine, now_ns, CRASH if verb == "crash" else PAUSE)

    def end(self, verb: str, args: dict[str, Any], now_ns: int) -> None:
        """End that fault."""
        for machine in args["machines"]:
            if verb == "slow-disk":
                slow = self._slow[machine]
                slow.remove(args["latency_ns"])
                self._tell(machine, now_ns, SLOW_DISK if slow else OWN_DISK, slow[-1] if slow else 0)
            elif verb == "freeze":
                for place in args["programs"]:
                    if _ends(self._frozen, (machine, place)):
                        self._tell(machine, now_ns, THAW, place)
            elif _ends(self._down if verb == "crash" else self._paused, machine):
                self._tell(machine, now_ns, RESTART if verb == "crash" else RESUME)

    def _tell(self, machine: int, now_ns: int, what: int, value: int = 0) -> None:
        self.pending.setdefault(machine, []).append(encode_control(now_ns, what, value))


def _begins(lasting: dict[Key, int], key: Key) -> bool:
    """Whether this is the first fault of its kind that lasts."""
    lasting[key] = lasting.get(key, 0) + 1
    return lasting[key] == 1


def _ends(lasting: dict[Key, int], key: Key) -> bool:
    """Whether that was the last one of its kind."""
    lasting[key] -= 1
    if lasting[key]:
        return False
    del lasting[key]
    return True
