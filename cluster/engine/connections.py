"""Connections between the network actor and the machine actors: batches travel over TCP, and an actor that waits sleeps.

Ray places, starts, supervises and ends the actors, and hands them a key for the run; a window asks nothing of it. A
machine actor listens on its node's own address, and lets in the one that proves to know the key (HMAC, both ways). What
travels is bytes and never a pickle: a blob to the host, and back a byte that says whether what follows is the host's answer
or the error that ended it. End of file means that the process at the other end is gone.
"""

import hmac
import secrets
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import Final, Protocol

Address = tuple[str, int]

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 32
_LENGTH: Final = struct.Struct(">Q")
_ANSWER: Final = b"\0"
_ERROR: Final = b"\1"
_OURS: Final = b"network"
_THEIRS: Final = b"machines"
"""The end whose proof it is: the proof of one end does not serve as the other's."""
_WELCOME: Final = b"welcome"
"""Said by a host to the peer that it lets in; the host's proof alone does not say so: another peer may have been first."""

HANDSHAKE_S_MAX: Final = 10
"""For each step of the handshake; a peer that connects and says nothing is let go after that."""
ANSWER_S_MAX: Final = 3600
"""A window that takes longer counts as hung."""
SILENT_S: Final = 5
SILENCES_MAX: Final = 3
"""A node that has vanished without a word is asked every `SILENT_S` and given up after this number of questions."""


class DisconnectedError(Exception):
    """The other end is gone, or has not answered in time. `place` is the host's, where it is known."""

    def __init__(self, why: str, place: int = -1) -> None:
        super().__init__(why)
        self.place = place


class HostFailedError(Exception):
    """The host at `place` has raised an error, which it keeps."""

    def __init__(self, place: int) -> None:
        super().__init__(f"the host {place} has failed")
        self.place = place


class Lines(Protocol):
    """What the clock exchanges batches through."""

    def exchange(self, blobs: Sequence[bytes]) -> list[bytes]:
        """Send each host its blob, an empty one excepted, and wait for all answers, in the order of the hosts."""

    def close(self) -> None:
        """Nothing is exchanged any more."""


class Answering:
    """The end of a machine actor: a thread of its own answers each blob, one after the other."""

    def __init__(self, answer: Callable[[bytes], bytes], host: str, key: bytes) -> None:
        """`host`: the address to listen on, in any family. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family)
        self._answer = answer
        self._key = key
        self.failure: Exception | None = None
        """What ended it."""
        address = self._listening.getsockname()
        self.address: Address = (address[0], address[1])
        self._taken = Lock()
        """Held from when the network actor has been let in: that actor has one line, and no other peer gets one."""
        Thread(target=self._listen, daemon=True, name="listens for the network actor").start()

    def _listen(self) -> None:
        with self._listening, suppress(OSError):
            while not self._taken.locked():
                line, _ = self._listening.accept()
                # In a thread of its own, so that a peer without the key that says nothing keeps no other waiting.
                Thread(target=self._serve, args=(line,), daemon=True, name="answers the network actor").start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(DisconnectedError, OSError):
            _prepare(line, HANDSHAKE_S_MAX)
            if not _prove(line, self._key, _THEIRS, _OURS) or not self._taken.acquire(blocking=False):
                return
            with suppress(OSError):  # the thread that listens may have seen it and closed
                self._listening.shutdown(socket.SHUT_RDWR)  # which wakes it
            _send(line, _WELCOME)
            _prepare(line, 0)
            while self.failure is None:
                _send(line, self._one(_receive(line)))

    def _one(self, blob: bytes) -> bytes:
        try:
            return _ANSWER + self._answer(blob)
        except Exception as error:  # whatever it is, the other end has to hear of it
            self.failure = error
            return _ERROR


class Asking:
    """The network actor's end: one line to each host."""

    def __init__(self, addresses: Sequence[Address], key: bytes) -> None:
        """Raises `DisconnectedError`."""
        self._lines: list[socket.socket] = []
        for place, address in enumerate(addresses):
            try:
                self._lines.append(_called(address, key))
            except (OSError, DisconnectedError) as error:
                self.close()
                raise DisconnectedError(f"{address[0]}:{address[1]} is not reached: {error}", place) from error

    def exchange(self, blobs: Sequence[bytes]) -> list[bytes]:
        """See `Lines.exchange`. Raises `DisconnectedError` and `HostFailedError`."""
        asked = [(place, line) for place, line in enumerate(self._lines) if blobs[place]]
        answers = []
        place = -1
        try:
            for place, line in asked:
                _send(line, blobs[place])
            for place, line in asked:
                answer = _receive(line)
                if answer[:1] != _ANSWER:
                    raise HostFailedError(place)
                answers.append(answer[1:])
        except DisconnectedError as error:
            error.place = place
            raise
        return answers

    def close(self) -> None:
        """Hang up; the hosts' threads end with that."""
        for line in self._lines:
            line.close()


def _called(address: Address, key: bytes) -> socket.socket:
    line = socket.create_connection(address, timeout=HANDSHAKE_S_MAX)
    try:
        _prepare(line, HANDSHAKE_S_MAX)
        if not _prove(line, key, _OURS, _THEIRS):
            raise DisconnectedError("what answers there does not know the key of this run")
        _receive(line, len(_WELCOME))
        _prepare(line, ANSWER_S_MAX)
        # Only at this end: a host reads whenever it is sent something, but its own answer may have to wait for those of others.
        _set(line, "TCP_USER_TIMEOUT", SILENT_S * (SILENCES_MAX + 1) * 1000)
    except BaseException:
        line.close()
        raise
    return line


def _prepare(line: socket.socket, wait_s: int) -> None:
    """Nothing is held back; more than `wait_s` (0: any time) without a byte, or a node that has vanished, is an error."""
    line.settimeout(None)  # the kernel keeps the time, so that a blob is one call
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", wait_s, 0))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", SILENT_S),
        ("TCP_KEEPINTVL", SILENT_S),
        ("TCP_KEEPCNT", SILENCES_MAX),
    ):
        _set(line, name, value)


def _set(line: socket.socket, name: str, value: int) -> None:
    """An option of TCP, where it is known by this name."""
    if hasattr(socket, name):
        line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _prove(line: socket.socket, key: bytes, own: bytes, other: bytes) -> bool:
    """Show that we know the key, and see whether the other end does."""
    ours = secrets.token_bytes(_NONCE_BYTES)
    _send(line, ours)
    theirs = _receive(line, _NONCE_BYTES)
    _send(line, hmac.digest(key, own + theirs, "sha256"))
    return hmac.compare_digest(_receive(line, _NONCE_BYTES), hmac.digest(key, other + ours, "sha256"))


def _send(line: socket.socket, blob: bytes) -> None:
    try:
        line.sendall(_LENGTH.pack(len(blob)) + blob)
    except OSError as error:
        raise DisconnectedError(str(error)) from error


def _receive(line: socket.socket, bytes_max: int | None = None) -> bytes:
    """One blob. What is longer than `bytes_max` is said by none of ours."""
    length = _LENGTH.unpack(_exactly(line, _LENGTH.size))[0]
    if bytes_max is not None and length > bytes_max:
        raise DisconnectedError("it does not speak as we do")
    return bytes(_exactly(line, length))


def _exactly(line: socket.socket, count: int) -> bytearray:
    """Read `count` bytes; in one call, if no signal comes between."""
    blob = bytearray(count)
    view = memoryview(blob)
    done = 0
    while done < count:
        try:
            got = line.recv_into(view[done:], count - done, socket.MSG_WAITALL)
        except BlockingIOError as error:
            raise DisconnectedError("no answer in time") from error
        except OSError as error:
            raise DisconnectedError(str(error)) from error
        if not got:
            raise DisconnectedError("the connection has ended")
        done += got
    return blob
