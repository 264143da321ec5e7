"""What the parts of one machine share. A part takes from it what it needs when it is made."""

from dataclasses import dataclass, field

from netswap.actors.counters import Counters, Tally
from netswap.actors.events import Events
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.zone import Zone
from netswap.actors.policy import Policy
from netswap.actors.teller import Teller


@dataclass(frozen=True, slots=True)
class Board:
    """Clock, memory, rules and counters of one machine, for as long as it is up."""

    events: Events
    zone: Zone
    kernel: Kernel
    counters: Counters = field(default_factory=Counters)
    policy: Policy = field(default_factory=Policy)
    tally: Tally = field(default_factory=Tally)
    """What the parts' own counts and peaks go on from."""
    teller: Teller | None = None
    """Tells the machine's trace what happens, if it has one."""

    @property
    def of_frames(self) -> Teller | None:
        """The teller, if the trace wants to be told of each frame."""
        return self.teller if self.teller is not None and "frames" in self.teller.hears else None

    @property
    def of_steps(self) -> Teller | None:
        """The teller, if the trace wants more than watermarks: then nothing is done in one step, or only counted."""
        return self.teller if self.teller is not None and self.teller.hears - {"marks"} else None
