"""The connections between actors: bytes there and back, who is let in, and what is said of an end that is gone."""

import hashlib
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.cluster.engine.connections import Answering, Asking, DisconnectedError, HostFailedError

KEY = bytes(32)
LOOPBACK = "127.0.0.1"


def reversed_(blob: bytes) -> bytes:
    """An answer that differs from the question."""
    return blob[::-1]


def listening(answer: Callable[[bytes], bytes] = reversed_, key: bytes = KEY) -> Answering:
    """A host in this process."""
    return Answering(answer, LOOPBACK, key)


@pytest.fixture
def lines() -> Iterator[Asking]:
    """To three hosts, each of which adds its number to what it gives back."""
    hosts = [listening(lambda blob, number=number: blob + bytes([number])) for number in range(3)]  # type: ignore[misc]
    with closing(Asking([host.address for host in hosts], KEY)) as lines:
        yield lines


def test_each_host_is_sent_its_blob_and_answers_come_in_the_order_of_the_hosts(lines: Asking) -> None:
    assert lines.exchange([b"a", b"b", b"c"]) == [b"a\0", b"b\1", b"c\2"]


def test_a_host_with_nothing_to_do_is_not_asked(lines: Asking) -> None:
    assert lines.exchange([b"", b"b", b""]) == [b"b\1"]
    assert lines.exchange([b"a", b"", b"c"]) == [b"a\0", b"c\2"]


@given(st.lists(st.binary(min_size=1, max_size=100_000), max_size=3))
def test_any_bytes_travel_unchanged(blobs: list[bytes]) -> None:
    with closing(Asking([listening().address], KEY)) as lines:
        assert [lines.exchange([blob]) for blob in blobs] == [[blob[::-1]] for blob in blobs]


def test_a_blob_larger_than_any_buffer_of_the_kernel_travels_both_ways() -> None:
    """64 MiB, of which no socket holds more than a few at a time."""
    blob = bytes(64 << 20)
    with closing(Asking([listening().address], KEY)) as lines:
        assert lines.exchange([blob]) == [blob]


def test_a_host_that_does_not_know_the_key_is_not_asked() -> None:
    with pytest.raises(DisconnectedError) as error:
        Asking([listening(key=bytes(31) + b"1").address], KEY)
    assert error.value.place == 0


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">Q", 1 << 60),
        struct.pack(">Q", 32) + bytes(32) + struct.pack(">Q", 32) + bytes(32),
    ],
    ids=["nothing", "another protocol", "an absurd length", "a proof made without the key"],
)
def test_a_stranger_is_not_let_in_and_keeps_nobody_waiting(said: bytes) -> None:
    """It was there first, and stays."""
    host = listening()
    with socket.create_connection(host.address) as stranger:
        stranger.sendall(said)
        with closing(Asking([host.address], KEY)) as lines:
            assert lines.exchange([b"ab"]) == [b"ba"]


def test_a_proof_cannot_be_sent_back_to_the_one_who_made_it() -> None:
    """A stranger without the key returns all that it is sent: nonce and proof are right, but those of the other end."""
    host = listening()
    with socket.create_connection(host.address) as mirror:
        for _ in range(2):
            mirror.sendall(mirror.recv(40, socket.MSG_WAITALL))
        assert mirror.recv(1) == b"", "it is let go"
    with closing(Asking([host.address], KEY)) as lines:
        assert lines.exchange([b"ab"]) == [b"ba"]


@pytest.fixture
def threads_in_any_order() -> Iterator[None]:
    """Threads change places after almost every step, so that what hangs on their order shows in a few tries."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_in_any_order")
def test_nobody_else_is_let_in_once_the_network_actor_is() -> None:
    for _ in range(100):
        host = listening()
        with closing(Asking([host.address], KEY)) as lines:
            with pytest.raises(DisconnectedError):
                Asking([host.address], KEY)
            assert lines.exchange([b"ab"]) == [b"ba"], "and the one that was let in stays"


def test_what_a_host_raises_is_told_and_kept() -> None:
    def fail(blob: bytes) -> bytes:
        raise ValueError(blob.decode())

    host = listening(fail)
    with closing(Asking([listening().address, host.address], KEY)) as lines, pytest.raises(HostFailedError) as error:
        lines.exchange([b"ab", b"no such page"])
    assert error.value.place == 1
    assert repr(host.failure) == "ValueError('no such page')"


def test_a_host_that_is_gone_is_named() -> None:
    """A listener that hangs up after the handshake would do: here it is the one that has failed already."""

    def fail(blob: bytes) -> bytes:
        raise ValueError

    with closing(Asking([listening().address, listening(fail).address], KEY)) as lines:
        with pytest.raises(HostFailedError):
            lines.exchange([b"", b"x"])
        with pytest.raises(DisconnectedError) as error:
            lines.exchange([b"", b"x"])
    assert error.value.place == 1


def test_nobody_at_the_address_is_said_so() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        free = taken.getsockname()
    with pytest.raises(DisconnectedError, match=rf"{LOOPBACK}:{free[1]} is not reached"):
        Asking([free], KEY)


WORK_BYTES = 64 << 20
"""What a host hashes for one answer: a tenth of a second or so of a processor, without holding the interpreter."""
SHARE_MAX = 0.05


def cpu_ns(thread: threading.Thread) -> int:
    """The CPU time that a thread of this process has had."""
    assert thread.ident is not None
    return time.clock_gettime_ns(time.pthread_getcpuclockid(thread.ident))


def share_of_who_waits(wait: Callable[[Asking], object]) -> float:
    """CPU time of the network actor's end while a host works, as a share of what the host takes for its work."""
    shares: list[float] = []
    blob = bytes(WORK_BYTES)

    def work(_: bytes) -> bytes:
        own_ns, others_ns = time.thread_time_ns(), cpu_ns(asking)
        digest = hashlib.sha256(blob).digest()
        shares.append((cpu_ns(asking) - others_ns) / (time.thread_time_ns() - own_ns))
        return digest

    host = listening(work)
    with closing(Asking([host.address], KEY)) as lines:
        asking = threading.Thread(target=wait, args=(lines,))
        asking.start()
        asking.join()
    assert host.failure is None
    return shares[0]


needs_thread_clocks = pytest.mark.skipif(
    not hasattr(time, "pthread_getcpuclockid"), reason="the clock of another thread's CPU time is not to be had here"
)


@needs_thread_clocks
def test_who_waits_for_an_answer_sleeps() -> None:
    """CPU time, not the time of day: it is the same however busy the computer is."""
    assert share_of_who_waits(lambda lines: lines.exchange([b"x"])) < SHARE_MAX


@needs_thread_clocks
def test_who_asks_again_and_again_whether_there_is_an_answer_is_seen() -> None:
    """The twin: the same exchange by a thread that spins until something has come."""

    def spin(lines: Asking) -> None:
        (line,) = lines._lines
        line.sendall(struct.pack(">Q", 1) + b"x")
        while not select.select([line], [], [], 0)[0]:
            pass
        assert len(line.recv(100)) == 8 + 1 + 32, "a length, that it is an answer, and the answer"

    assert share_of_who_waits(spin) > SHARE_MAX
