"""What a machine, a link and the clock tell while they run: the one seam on which recorders, exporters and conditions hang.

A trace only listens: nothing that it is told is in a digest, and what it does may change nothing that it is shown. Times are
whole ns of virtual time, machines their indexes in the scenario, programs their places on their machine, counted from 0.
Each machine tells what happens to it in the order of its own time; machines are ahead of each other by up to seconds, and what
has been told of all of them lies before `Trace.clock`.
"""

from typing import Any, NamedTuple

from netswap.protocol.frame import F_NUMBER, Raw

FREQUENT = frozenset({"frames", "steps", "waits", "marks"})
"""What happens so often that to tell of it is felt: what happens to frames, system calls, waits, watermarks crossed."""
MARKS = ("high", "low", "min")
"""The watermarks that are watched. A machine is below one when its free pages do not exceed it."""


class Frames(NamedTuple):
    """Frames of one train that the same happens to."""

    at_ns: int
    """When it happens to the first of them."""
    frame: Raw
    """The train as it was sent (`protocol.frame.Raw`): number of its first frame, kind, bytes on the wire, and body."""
    first: int
    """Which frame of the train is the first of these."""
    length: int
    """How many they are."""
    gap_ns: int = 0
    """How much later it happens to each of the others than to the one before it."""
    copy: int = 0
    """1 for a copy that a link has made, where it is known."""
    flags: int = 0
    """`protocol.frame.CORRUPT`, where it is known."""

    @property
    def number(self) -> int:
        """The number that its sender gave the first of them."""
        number: int = self.frame[F_NUMBER]
        return number + self.first


class Page(NamedTuple):
    """A page on its way out of memory or into it."""

    space: str
    """The owner of the page: the name of a program or a file."""
    number: int
    """The page's place in the machine's swap space, or in its file."""
    write: bool
    """Whether it is written."""
    kind: str
    """`swap`: memory of a program; `file`: a page of a file, on the machine's disk or on the swap server."""


class Trace:
    """Is told what happens; this one does nothing. Subclasses listen to the points that they want."""

    every_ns = 0
    """How often `tick` is called for each machine (ns); 0 for never."""
    hears = FREQUENT
    """Which of `FREQUENT` it is told of. Without `frames` it still hears of those that are lost on links."""

    # -- clock ------------------------------------------------------------------------------------------------------

    def clock(self, now_ns: int) -> None:
        """All that lies before `now_ns` has happened, and has been told but for `tick`; after each window."""

    def tick(self, at_ns: int, machine: int, door: Any) -> None:
        """A machine stands at a multiple of `every_ns`, before what happens then; `door`: the `Machine`, to be looked at.

        One that has nothing to do is looked at late, when it goes on: it is then as it was at `at_ns`.
        """

    def fault_begun(self, at_ns: int, place: int, verb: str, args: dict[str, Any]) -> None:
        """A fault begins, as in `Network.begin`; `place`: its number in the order of beginning, from 0."""

    def fault_ended(self, at_ns: int, place: int) -> None:
        """That fault ends."""

    # -- links ------------------------------------------------------------------------------------------------------

    def link_sent(self, frames: Frames) -> None:
        """Frames leave their card, onto their link; its ends are F_SOURCE and F_DESTINATION of the frame (`protocol.frame`)."""

    def link_duplicated(self, frames: Frames) -> None:
        """The link makes copies of frames."""

    def link_held(self, frames: Frames) -> None:
        """Frames would arrive, and wait for the end of a `hold`."""

    def link_delivered(self, frames: Frames) -> None:
        """Frames reach the machine that they are for."""

    def link_dropped(self, frames: Frames, cause: str) -> None:
        """Frames are lost on the way: `partition`, `link-loss` or `link-queue`."""

    # -- frames in a machine ------------------------------------------------------------------------------------------

    def frames_received(self, machine: int, frames: Frames) -> None:
        """Frames come to the card."""

    def frames_queued(self, machine: int, frames: Frames, where: str) -> None:
        """Frames wait: in the `ring` of a machine that does not serve it, in the `input-queue`, or in `reassembly`.

        Fragments of which all come at once, one after the other, never wait: how often depends on where trains are split.
        """

    def frames_delivered(self, machine: int, frames: Frames) -> None:
        """Frames are handed to a socket or to the kernel's own user of them.

        Of a datagram that came in fragments it is told once: of the train that came last, `length` all fragments.
        """

    def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
        """Frames are lost in the machine, for one of `counters.CAUSES`; `free`: free pages then."""

    def first_dropped(self, at_ns: int, machine: int, cause: str, free: int) -> None:
        """For the first time in the run frames are lost in the machine for this cause; `free`: free pages then.

        It is told of whatever `hears` says. What is lost on links is told by `link_dropped`.
        """

    # -- memory -------------------------------------------------------------------------------------------------------

    def page_begun(self, at_ns: int, machine: int, page: Page) -> None:
        """A page-out or page-in begins: it is handed to the swap device or the disk."""

    def page_answered(self, at_ns: int, machine: int, page: Page) -> None:
        """The page-out or page-in of a page has been answered."""

    def mark_crossed(self, machine: int, mark: str, below: bool, free: tuple[int, int]) -> None:
        """Free pages come to one of `MARKS` or below, or rise above it; `free`: (time in ns, free pages).

        A machine counts as above all of them until it is told.
        """

    def retransmitted(self, at_ns: int, machine: int, protocol: str) -> None:
        """A request to the swap server (`nfs`, `nbd`) or a segment (`tcp`) is sent again."""

    # -- programs -----------------------------------------------------------------------------------------------------

    def stepped(self, at_ns: int, program: tuple[int, int], request: Any) -> None:
        """A program, (machine, place), makes a system call; what it does is then in `request` (`programs.system`)."""

    def wait_begun(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        """A program, (machine, place), waits for a kind of thing (`actors.wait`), which is not `NOTHING`."""

    def wait_ended(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        """The wait of a program ends, or its machine goes down. If the program still waits, another wait begins at once."""

    def killed(self, at_ns: int, program: tuple[int, int]) -> None:
        """A program has been killed, by the OOM killer or by the SIGBUS of a page that cannot be read."""

    def machine_changed(self, at_ns: int, machine: int, what: int) -> None:
        """A machine obeys a control.

        `CRASH`, `RESTART`, `PAUSE`, `RESUME`, `SLOW_DISK`, `OWN_DISK`, `FREEZE`, `THAW` of `protocol.frame`.
        What was under way in a machine that crashes is never answered.
        """
