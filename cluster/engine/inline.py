"""All actors in this process: the fast path for small studies and for tests."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from netswap.actors.machine.door import Machine
from netswap.actors.machine.report import report
from netswap.actors.trace import Trace
from netswap.cluster.engine import build, collector
from netswap.cluster.engine.engine import NOT_RECORDED
from netswap.cluster.engine.orders import Answer, Order
from netswap.cluster.judge.state import State
from netswap.cluster.record.plan import Plan
from netswap.cluster.record.recorder import Recorder
from netswap.cluster.scenario.resolved import Resolved

_LOOK_S = 0.2


class InlineEngine:
    """A cluster of plain objects."""

    name = "inline"

    def __init__(
        self,
        resolved: Resolved,
        *,
        record: bool = False,
        shares: Sequence[Sequence[int]] | None = None,
        trace: Trace | None = None,
        plan: Plan | None = None,
        hands_over: bool = True,
    ) -> None:
        """`record`: keep all that each machine sends, for `outbound`. `shares`: as in `build.clock`.

        `trace`: is told what happens to machines, links and the clock. `plan`: what is recorded instead, for `recorded`.
        `hands_over`: frames go from machine to machine as they are, and are not decoded from their bytes.
        """
        self._recorder = None if plan is None else Recorder(plan)
        trace = trace or self._recorder
        self._names = resolved.names
        self._hands_over = hands_over
        self._machines = [Machine(settings, trace) for settings in resolved.machines]
        self._outbound: list[list[bytes]] | None = [[] for _ in self._names] if record else None
        first = [Answer(machine.next_ns(), machine.silent_until_ns(), b"") for machine in self._machines]
        self._clock = build.clock(resolved, self._exchange, first, shares, trace, hands_over=hands_over)
        collector.hold()
        self._open = True

    @property
    def now_ns(self) -> int:
        """The cluster's clock."""
        return self._clock.now_ns

    def machine(self, index: int) -> Machine:
        """The machine itself, to look at."""
        return self._machines[index]

    def outbound(self, index: int) -> bytes:
        """All that a machine has sent; ValueError if it was not recorded."""
        if self._outbound is None:
            raise ValueError("what was sent has not been recorded: open the cluster with record=True")
        return b"".join(self._outbound[index])

    def run(self, until_ns: int, watch: Callable[[int], None] | None = None) -> None:
        """See `Engine.run`."""
        if watch is None:
            self._clock.run(until_ns)
            return
        done = False
        while not done:
            end = monotonic() + _LOOK_S
            done = self._clock.run(until_ns, lambda end=end: monotonic() < end)  # type: ignore[misc]
            watch(self._clock.now_ns)

    def begin(self, verb: str, args: dict[str, Any]) -> int:
        """See `Engine.begin`."""
        return self._clock.begin(verb, args)

    def end(self, fault: int) -> None:
        """See `Engine.end`."""
        self._clock.end(fault)

    def state(self) -> State:
        """See `Engine.state`."""
        clock = self._clock
        clock.level()
        machines = [report(machine, self._names, clock.now_ns) for machine in self._machines]
        faults = [(fault.verb, dict(fault.args), fault.at_ns, fault.end_ns) for fault in clock.faults]
        return State(clock.now_ns, clock.windows, machines, clock.tallies(), faults)

    def recorded(self) -> list[bytes]:
        """See `Engine.recorded`."""
        if self._recorder is None:
            raise ValueError(NOT_RECORDED)
        self._clock.level()
        return [self._recorder.part(self._machines, self._clock.now_ns)]

    def close(self) -> None:
        """Let the garbage collector see what was built."""
        if self._open:
            self._open = False
            collector.release()

    def _exchange(self, orders: dict[int, Order]) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        for index, order in orders.items():
            machine = self._machines[index]
            out = machine.advance(*order)
            if self._outbound is not None:
                self._outbound[index].append(out)
            answers[index] = Answer(
                machine.next_ns(), machine.silent_until_ns(), out, machine.said if self._hands_over else None
            )
        return answers
