"""Units: exact, whole, and clear about what is missing."""

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.protocol import units
from netswap.protocol.units import UnitError


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("5ns", 5),
        ("200us", 200_000),
        ("1ms", 1_000_000),
        ("1.5s", 1_500_000_000),
        ("1.1s", 1_100_000_000),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("0s", 0),
        (" 10 s ", 10_000_000_000),
    ],
)
def test_times_are_nanoseconds(text: str, ns: int) -> None:
    """Decimals are exact: 1.1s is not what a float makes of it."""
    assert units.parse_time(text) == ns


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MiB", 512 << 20), ("4KiB", 4096), ("1472B", 1472), ("2GiB", 2 << 30), ("100kB", 100_000), ("1MB", 1_000_000)],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    """KiB and MiB are binary, kB and MB decimal."""
    assert units.parse_size(text) == size


@pytest.mark.parametrize(("text", "bps"), [("1Gbit/s", 10**9), ("100Mbit/s", 10**8), ("10kbit/s", 10**4)])
def test_rates_are_bits_per_second(text: str, bps: int) -> None:
    """Networks count bits."""
    assert units.parse_rate(text) == bps


@pytest.mark.parametrize(
    ("text", "size"), [("100MB/s", 10**8), ("1GiB/s", 1 << 30), ("100Mbit/s", 12_500_000), ("8bit/s", 1)]
)
def test_bandwidths_are_bytes_per_second(text: str, size: int) -> None:
    """Disks count bytes, and bits are turned into them."""
    assert units.parse_bandwidth(text) == size


@pytest.mark.parametrize(("text", "ppm"), [("20%", 200_000), ("0%", 0), ("0.0001%", 1), ("100%", 1_000_000)])
def test_shares_are_parts_per_million(text: str, ppm: int) -> None:
    """A whole is a million."""
    assert units.parse_share(text) == ppm


@pytest.mark.parametrize(
    ("text", "value"),
    [("10", 10), (7, 7), ("1s", 10**9), ("1KiB", 1024), ("1kbit/s", 1000), ("1kB/s", 1000), ("5%", 50_000)],
)
def test_a_quantity_is_any_of_these_or_a_plain_number(text: object, value: int) -> None:
    """For expectations and users' own programs."""
    assert units.parse_quantity(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (units.parse_time, "10", '"10" has no unit; write 10s or 10ms'),
        (units.parse_time, 10, '"10" has no unit; write 10s or 10ms'),
        (units.parse_time, 1.5, '"1.5" has no unit; write 1.5s or 1.5ms'),
        (units.parse_time, "10sec", '"sec" in "10sec" is no unit of time; write 10s, or another of'),
        (units.parse_time, "10MiB", '"MiB" in "10MiB" is no unit of time; '),
        (units.parse_time, "-1s", '"-1s" has a sign; write 1s'),
        (units.parse_time, "0.5ns", '"0.5ns" does not come out in whole nanoseconds; use a smaller unit'),
        (units.parse_time, "soon", '"soon" is not a time; write a number and a unit, as 10s'),
        (units.parse_time, "1.s", '"1.s" is not a time'),
        (units.parse_time, True, "true is not a time"),
        (units.parse_time, None, "nothing is not a time"),
        (units.parse_size, "512", '"512" has no unit; write 512MiB or 512B'),
        (units.parse_size, "512mib", '"mib" in "512mib" is no unit of size; write 512MiB, or another of'),
        (units.parse_size, "0.5B", "does not come out in whole bytes"),
        (units.parse_rate, "100MB/s", '"MB/s" in "100MB/s" is no unit of rate; write 100Mbit/s'),
        (units.parse_bandwidth, "1bit/s", "does not come out in whole bytes per second"),
        (units.parse_share, "0.2", '"0.2" has no unit; write 0.2%'),
        (units.parse_share, "101%", '"101%" is more than everything; write at most 100%'),
        (units.parse_quantity, "1.5", '"1.5" is no quantity; write a whole number'),
        (units.parse_quantity, "10 apples", "no quantity"),
    ],
)
def test_what_is_no_quantity_says_what_would_be_right(
    parse: Callable[[object], int], text: object, message: str
) -> None:
    """The message names the text, the hint the repair."""
    with pytest.raises(UnitError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert str(caught.value) == f"{caught.value.message}; {caught.value.hint}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (units.seconds(1.1), 1_100_000_000),
        (units.seconds(5), 5_000_000_000),
        (units.ms(0.5), 500_000),
        (units.us(3), 3000),
        (units.minutes(2), 120_000_000_000),
        (units.kib(4), 4096),
        (units.mib(1), 1 << 20),
        (units.gib(0.5), 1 << 29),
    ],
)
def test_helpers_give_whole_numbers(value: int, expected: int) -> None:
    """seconds(1.1) is the decimal that was written."""
    assert value == expected
    assert type(value) is int


def test_a_helper_that_does_not_come_out_whole_is_an_error() -> None:
    """Nothing is rounded."""
    with pytest.raises(UnitError, match="whole nanoseconds"):
        units.seconds(1e-10)


@given(st.integers(min_value=0, max_value=10**18))
def test_what_is_formatted_is_read_back_as_the_same_number(value: int) -> None:
    """Formatting loses nothing."""
    assert units.parse_time(units.format_time(value)) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.format_time(1_500_000_000), "1.5s"),
        (units.format_time(60_000_000_000), "60s"),
        (units.format_time(200_000), "200us"),
        (units.format_time(1_000_001), "1000.001us"),
        (units.format_time(0), "0s"),
    ],
)
def test_formats_are_as_a_person_writes(text: str, expected: str) -> None:
    """The largest unit that needs at most three decimals."""
    assert text == expected


def test_an_error_with_a_hint_crosses_to_another_process() -> None:
    """A pickled one says the same."""
    error = UnitError("is no size", "write 1MiB")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint) == (UnitError, "is no size; write 1MiB", "write 1MiB")
