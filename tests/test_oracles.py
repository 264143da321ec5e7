"""The oracles say what is published, number by number."""

import pytest
from oracles import receive_limit_2007, retransmissions

from netswap.cluster.claims import formulas
from netswap.protocol.units import seconds


def test_retransmissions_follow_the_closed_form() -> None:
    """Row 30: 0.2 (2^k - 1) s up to 204.6 s, then every 120 s; 15 of them, given up at 924.6 s."""
    times = retransmissions(seconds(0.2), seconds(120), 15)
    assert times[:10] == [seconds(0.2) * (2**k - 1) for k in range(1, 11)]
    assert times[10:] == [seconds(204.6) + seconds(120) * k for k in range(1, 7)]
    assert times[-1] == seconds(924.6)  # Documentation/networking/ip-sysctl of both kernels, tcp_retries2


def test_a_call_is_repeated_by_the_same_form() -> None:
    """5 retries from 3 s: at 3, 9, 21, 45, 93 s, and failure at 189 s (ip-sysctl: "about 180 seconds")."""
    assert retransmissions(seconds(3), seconds(120), 5) == [seconds(at) for at in (3, 9, 21, 45, 93, 189)]


def test_short_fragments_decide_what_the_receive_limit_is() -> None:
    """262144 / 488 and 2 are 539 short ones of 1280 bytes; 145 full ones of 2304 would be half of that."""
    assert receive_limit_2007(3) == 539 * 1280 + 3 * 2304
    assert 145 * 2304 < 539 * 1280


PUBLISHED_TCP_MEM = [
    # tcp_init of 2.6.22 (net/ipv4/tcp.c): "up to 1/2 at 256 MB", and a floor of 128 pages
    ("linux-2.6.22", 16, (96, 128, 192)),
    ("linux-2.6.22", 256, (24_576, 32_768, 49_152)),
    ("linux-2.6.22", 1024, (98_304, 131_072, 196_608)),
    # tcp_init_mem of 6.11 (net/ipv4/tcp.c): 4.68, 6.25 and 9.37 % as its comments say
    ("linux-6.11", 256, (3072, 4096, 6144)),
    ("linux-6.11", 1024, (12_288, 16_384, 24_576)),
]


@pytest.mark.parametrize(("kernel", "mib", "published"), PUBLISHED_TCP_MEM)
def test_the_claims_formula_of_tcp_mem_gives_the_published_limits(
    kernel: str, mib: int, published: tuple[int, int, int]
) -> None:
    """Pages: half of 256 MiB are 32768, a sixteenth 4096; in 6.11 of what lies above the high mark, up to 2 % less."""
    least = 1.0 if kernel == "linux-2.6.22" else 0.98
    limits = formulas.tcp_mem(kernel, mib * 256)
    assert all(least * one <= limit <= one for limit, one in zip(limits, published, strict=True))


def test_the_shares_are_those_of_the_kernels_comments() -> None:
    """4.68, 6.25, 9.37 %, cut off after two digits; in 2007 37.5, 50 and 75 % from 256 MiB on."""
    pages = 4096 * 256
    above = pages - formulas.watermarks_6_11(formulas.min_free_kib(pages, 262_144) // 4, pages)[2]
    modern = [limit * 10_000 // above for limit in formulas.tcp_mem("linux-6.11", pages)]
    assert modern == pytest.approx([468, 625, 937], abs=1)
    assert [limit * 1000 // pages for limit in formulas.tcp_mem("linux-2.6.22", pages)] == [375, 500, 750]
