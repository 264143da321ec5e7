"""Quantities with units, as whole numbers: nanoseconds, bytes, bits per second, parts per million.

A scenario writes `1.5s`, `512MiB`, `100Mbit/s`, `20%`; the model counts in integers only. All conversions are exact:
what does not come out whole is an error, never rounded.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from netswap.protocol.errors import HintedError

TIME_UNITS: dict[str, Fraction] = {
    "ns": Fraction(1),
    "us": Fraction(1_000),
    "ms": Fraction(1_000_000),
    "s": Fraction(1_000_000_000),
    "min": Fraction(60_000_000_000),
    "h": Fraction(3_600_000_000_000),
}
SIZE_UNITS: dict[str, Fraction] = {
    "B": Fraction(1),
    "kB": Fraction(1_000),
    "MB": Fraction(1_000_000),
    "GB": Fraction(1_000_000_000),
    "KiB": Fraction(1 << 10),
    "MiB": Fraction(1 << 20),
    "GiB": Fraction(1 << 30),
    "TiB": Fraction(1 << 40),
}
RATE_UNITS: dict[str, Fraction] = {
    "bit/s": Fraction(1),
    "kbit/s": Fraction(1_000),
    "Mbit/s": Fraction(1_000_000),
    "Gbit/s": Fraction(1_000_000_000),
}
BANDWIDTH_UNITS: dict[str, Fraction] = {f"{unit}/s": size for unit, size in SIZE_UNITS.items()} | {
    unit: rate / 8 for unit, rate in RATE_UNITS.items()
}
SHARE_UNITS: dict[str, Fraction] = {"%": Fraction(10_000)}

PARTS_PER_MILLION = 1_000_000
SHOWN_MAX = 60
"""Characters of a bad value that a message shows at most; no quantity is written with more."""

_TOO_LONG = 10**SHOWN_MAX
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_QUANTITY = re.compile(r"(?P<sign>[+-]?)(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>[^\s0-9.+-]\S*)", re.ASCII)


class UnitError(HintedError):
    """A text that is not the quantity that is needed."""


def shortened(text: str) -> str:
    """At most `SHOWN_MAX` characters of a text, on one line: what does not print is escaped."""
    if len(text) <= SHOWN_MAX and text.isprintable():
        return text
    escaped = text[:SHOWN_MAX].encode("unicode_escape").decode() if not text[:SHOWN_MAX].isprintable() else text
    return escaped if len(escaped) <= SHOWN_MAX else f"{escaped[: SHOWN_MAX - 1]}…"


def plainly(value: object) -> str:
    """A value as a file would show it, shortened, and without quotes; what has parts only by its kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) >= _TOO_LONG:
        return f"a number of more than {SHOWN_MAX} digits"
    return "nothing" if value is None else shortened(str(value))


def shown(value: object) -> str:
    """A value as `plainly` shows it, a text or a number in quotes."""
    text = plainly(value)
    is_kind = value is None or isinstance(value, bool | dict | list)
    return text if is_kind or text.startswith("a number of") else f'"{text}"'


def seconds(x: float) -> int:
    """Seconds as nanoseconds; UnitError unless they come out whole."""
    return _whole(x, TIME_UNITS["s"], "nanoseconds")


def milliseconds(x: float) -> int:
    """Milliseconds as nanoseconds; UnitError unless they come out whole."""
    return _whole(x, TIME_UNITS["ms"], "nanoseconds")


def microseconds(x: float) -> int:
    """Microseconds as nanoseconds; UnitError unless they come out whole."""
    return _whole(x, TIME_UNITS["us"], "nanoseconds")


def minutes(x: float) -> int:
    """Minutes as nanoseconds; UnitError unless they come out whole."""
    return _whole(x, TIME_UNITS["min"], "nanoseconds")


ms = milliseconds
us = microseconds


def kib(x: float) -> int:
    """KiB as bytes; UnitError unless they come out whole."""
    return _whole(x, SIZE_UNITS["KiB"], "bytes")


def mib(x: float) -> int:
    """MiB as bytes; UnitError unless they come out whole."""
    return _whole(x, SIZE_UNITS["MiB"], "bytes")


def gib(x: float) -> int:
    """GiB as bytes; UnitError unless they come out whole."""
    return _whole(x, SIZE_UNITS["GiB"], "bytes")


def parse_time(text: object) -> int:
    """Nanoseconds of `200us`, `1.5s`, `2min`, `1h`."""
    return _parse(text, TIME_UNITS, "a time", ("s", "ms"), "nanoseconds")


def parse_size(text: object) -> int:
    """Bytes of `1472B`, `4KiB`, `512MiB`, `100kB`."""
    return _parse(text, SIZE_UNITS, "a size", ("MiB", "B"), "bytes")


def parse_rate(text: object) -> int:
    """Bits per second of `1Gbit/s`, `10kbit/s`."""
    return _parse(text, RATE_UNITS, "a rate", ("Mbit/s", "Gbit/s"), "bits per second")


def parse_bandwidth(text: object) -> int:
    """Bytes per second, as for disks, of `100MB/s`, `1GiB/s`, `100Mbit/s`."""
    return _parse(text, BANDWIDTH_UNITS, "a bandwidth", ("MB/s", "Mbit/s"), "bytes per second")


def parse_share(text: object) -> int:
    """Parts per million of `20%`, `0.1%`; at most 100%."""
    share = _parse(text, SHARE_UNITS, "a share", ("%",), "parts per million")
    if share > PARTS_PER_MILLION:
        raise UnitError(f"{shown(text)} is more than everything", "write at most 100%")
    return share


def parse_quantity(text: object) -> int:
    """Any of the above, or a whole number without a unit.

    A time gives nanoseconds, a size bytes, a rate in bit/s bits per second, one in bytes bytes per second, a share
    parts per million.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    if isinstance(text, str) and len(text) <= SHOWN_MAX and text.strip().isdecimal():
        return int(text)
    for units, parse in _KINDS:
        if unit_of(text) in units:
            return parse(text)
    raise UnitError(f"{shown(text)} is no quantity", "write a whole number, or add a unit, as 10s, 4KiB, 1Mbit/s")


def unit_of(text: object) -> str:
    """The unit that ends a quantity as written; "" if there is none."""
    match = _QUANTITY.fullmatch(text.strip()) if isinstance(text, str) and len(text) <= SHOWN_MAX else None
    return match["unit"] if match else ""


def format_time(ns: int) -> str:
    """Nanoseconds as `1.5s`, `200us`; parse_time gives the same number back."""
    return _format(ns, TIME_UNITS, ("s", "ms", "us", "ns"))


def unit_pattern(units: Iterable[str]) -> str:
    """A regular expression (as JSON Schema knows them) of the quantities with one of these units."""
    return f"^[0-9]+([.][0-9]+)? ?({'|'.join(units)})$"


_KINDS = (
    (TIME_UNITS, parse_time),
    (SIZE_UNITS, parse_size),
    (RATE_UNITS, parse_rate),
    (BANDWIDTH_UNITS, parse_bandwidth),
    (SHARE_UNITS, parse_share),
)


def _whole(x: float, unit: Fraction, base: str) -> int:
    # str() of a float is the shortest decimal that names it: seconds(0.1) means a tenth, not the nearest binary.
    value = Fraction(str(x)) * unit
    if value.denominator != 1:
        raise UnitError(f"{x} does not come out in whole {base}", "use a smaller unit")
    return value.numerator


def _parse(text: object, units: Mapping[str, Fraction], what: str, usual: tuple[str, ...], base: str) -> int:
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise _no_unit(text, usual)
    if not isinstance(text, str):
        raise UnitError(f"{shown(text)} is not {what}", f"write for example 10{usual[0]}")
    written = text.strip()
    if len(written) > SHOWN_MAX:
        raise UnitError(f"{shown(text)} is not {what}", f"write at most {SHOWN_MAX} characters, as 10{usual[0]}")
    if _NUMBER.fullmatch(written):
        raise _no_unit(written, usual)
    match = _QUANTITY.fullmatch(written)
    if match is None:
        raise UnitError(f"{shown(text)} is not {what}", f"write a number and a unit, as 10{usual[0]}")
    if match["sign"]:
        raise UnitError(f"{shown(text)} has a sign", f"write {match['number']}{match['unit']}")
    if match["unit"] not in units:
        raise _unknown_unit(written, match["number"], match["unit"], units, what)
    value = Fraction(match["number"]) * units[match["unit"]]
    if value.denominator != 1:
        raise UnitError(f"{shown(text)} does not come out in whole {base}", "use a smaller unit or fewer decimals")
    return value.numerator


def _no_unit(number: object, usual: tuple[str, ...]) -> UnitError:
    digits = plainly(number).lstrip("-")
    if not digits[:1].isdigit():
        digits = "10"
    return UnitError(f"{shown(number)} has no unit", "write " + " or ".join(f"{digits}{unit}" for unit in usual))


def _unknown_unit(text: str, number: str, unit: str, units: Mapping[str, Fraction], what: str) -> UnitError:
    message = f'"{shortened(unit)}" in "{shortened(text)}" is no unit of {what.split()[1]}'
    same = [known for known in units if known.lower() == unit.lower()]
    near = same or difflib.get_close_matches(unit, units, n=1, cutoff=0.5)
    if near:
        return UnitError(message, f"write {number}{near[0]}, or another of {', '.join(units)}")
    return UnitError(message, f"the units are {', '.join(units)}")


def _format(value: int, units: Mapping[str, Fraction], largest_first: tuple[str, ...]) -> str:
    if value == 0:
        return "0" + ("s" if units is TIME_UNITS else largest_first[-1])
    for unit in largest_first:
        thousandths = Fraction(value) / units[unit] * 1000
        if abs(thousandths) >= 1000 and thousandths.denominator == 1:
            return f"{_decimal(thousandths.numerator)}{unit}"
    return f"{value}{largest_first[-1]}"


def _decimal(thousandths: int) -> str:
    whole, rest = divmod(abs(thousandths), 1000)
    sign = "-" if thousandths < 0 else ""
    return f"{sign}{whole}" + (f".{rest:03}".rstrip("0") if rest else "")
