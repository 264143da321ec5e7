"""nfsd: calls come as datagrams, and are answered by datagrams."""

from collections import OrderedDict, deque
from typing import Final

from netswap.actors.disk import REFUSED
from netswap.actors.net.sockets import Datagram
from netswap.actors.programs.system import System
from netswap.actors.storage.backing import DiskQueue, Job
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.frame import PAGE_IN_REPLY, PAGE_OUT_REPLY
from netswap.protocol.rpc import HEADER, PAGE, SERVER_PORT, message

REPLY_CACHE: Final = 1024
"""Replies kept for requests that come twice (fs/nfsd/nfscache.c)."""


class NfsServer:
    """Answers the calls of all clients from one disk."""

    __slots__ = ("_answers", "_disk", "_done", "_queue", "_system")

    def __init__(self, disk: DiskQueue, system: System) -> None:
        self._disk = disk
        self._system = system
        self._done: OrderedDict[tuple[int, int], None] = OrderedDict()
        """(client, xid) of writes that have been answered."""
        self._queue: deque[Datagram] = deque()
        """Calls that wait in the socket while the server stands still."""
        self._answers: list[Job] = []
        """Jobs that the disk has done meanwhile."""
        system.on_thaw.append(self._thaw)

    def request(self, datagram: Datagram) -> None:
        """Take a page-out or page-in; one that is being served already, or has been written, is not done twice."""
        if self._system.frozen:
            if self._disk.has_room_behind(len(self._queue)):
                self._queue.append(datagram)
            return
        source, port, _, payload, said, _, _ = datagram
        try:
            xid, page, versions = message(said)
        except LocalProtocolError:
            return
        disk = self._disk
        key = (source, xid)
        if key in disk.pending or not disk.has_room():
            return
        write = payload > HEADER
        unit = (payload - HEADER) // len(versions) if write else versions[0] or PAGE
        if not 0 < unit <= PAGE:
            return
        job = Job(key, page, versions, self._answer, port, write, unit)
        if key in self._done:
            self._answer(job)
        else:
            disk.submit(job)

    def _thaw(self) -> None:
        """Go on after the server has stood still."""
        answers, self._answers = self._answers, []
        for job in answers:
            self._answer(job)
        for _ in range(len(self._queue)):
            self.request(self._queue.popleft())

    def _answer(self, job: Job) -> None:
        if self._system.frozen:
            self._answers.append(job)
            return
        source, xid = key = job.key
        write, versions = job.write, job.versions
        if write and REFUSED not in versions:
            done = self._done
            done[key] = None
            if len(done) > REPLY_CACHE:
                done.popitem(last=False)
        self._system.send(
            source,
            job.to,
            HEADER if write else HEADER + len(versions) * job.unit,
            (xid, job.page, *versions),
            source_port=SERVER_PORT,
            kind=PAGE_OUT_REPLY if write else PAGE_IN_REPLY,
        )
