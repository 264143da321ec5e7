"""The kinds of value a scenario is written with, as types for the models.

Each is an annotation that turns what the file says into a whole number or a known word, says what would be right when
it cannot, and describes itself to editors. Defaults are written as in a file ("1s") and pass through the same door.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from actors.programs.collectives import EXCHANGES
from protocol import units
from protocol.frame import KIND_NAMES
from protocol.units import UnitError

PAGE_SIZE = 4096
PORT_MAX = 65_535


def problem(message: str, hint: str) -> PydanticCustomError:
    """An error for pydantic that keeps what is wrong apart from what would be right."""
    return PydanticCustomError("word", "{message}", {"message": message, "hint": hint})


def quantity_problem(message: str, hint: str) -> PydanticCustomError:
    """The same about a number, whose message needs the key before it: "0" alone tells nothing."""
    return PydanticCustomError("quantity", "{message}", {"message": message, "hint": hint})


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the known word that `word` was probably meant to be, or all of them."""
    choices = list(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known are {', '.join(choices)}" if choices else "there is none"


@dataclass(frozen=True)
class Quantity:
    """A number with a unit, within limits in its base unit; the texts are how the file would write these."""

    parse: Callable[[object], int]
    pattern: str
    example: str
    least: int = 0
    least_text: str = ""
    most: int | None = None
    most_text: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": self.pattern, "examples": [self.example]}

    def read(self, value: object) -> int:
        """The value in its base unit; PydanticCustomError if it is not one."""
        try:
            number = self.parse(value)
        except UnitError as error:
            raise quantity_problem(error.message, error.hint) from None
        if number < self.least:
            raise quantity_problem(f'"{value}" is too small', f"write at least {self.least_text}")
        if self.most is not None and number > self.most:
            raise quantity_problem(f'"{value}" is too large', f"write at most {self.most_text}")
        return number


@dataclass(frozen=True)
class OneOf:
    """A word out of a list. `later` are known words whose mechanism does not exist yet."""

    what: str
    built: tuple[str, ...]
    later: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"enum": list(self.built)}

    def read(self, value: object) -> str:
        """The word; PydanticCustomError if it is unknown or not built yet."""
        if not isinstance(value, str):
            raise problem(f"{show(value)} is no {self.what}", f"write {' or '.join(self.built)}")
        if value in self.later:
            raise problem(f'{self.what} "{value}" is not built yet', f"use {' or '.join(self.built)}")
        if value not in self.built:
            raise problem(f'there is no {self.what} "{value}"', nearest(value, (*self.built, *self.later)))
        return value


@dataclass(frozen=True)
class OrWord:
    """Lets a word (`none`, `auto`, `ever`) stand for None in a field that may be None."""

    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"const": self.word}]}

    def read(self, value: object) -> object:
        """None for the word, the value itself for all else."""
        return None if value == self.word else value


class SchemaForEditors(GenerateJsonSchema):
    """JSON Schema as a file is written: a key is left out or has a value, it is never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """The schema of the value alone."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The default, unless it is None: then a key that is left out is all there is to say."""
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def show(value: object) -> str:
    """A value as the file would show it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else f'"{value}"'


def read_port(value: object) -> object:
    """A port number as it is; an out of range one is an error that says the range."""
    if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= PORT_MAX:
        raise problem(f"{value} is no port", f"write a number from 1 to {PORT_MAX}")
    return value


def _time(example: str, least: int = 0, least_text: str = "") -> Quantity:
    return Quantity(units.parse_time, units.unit_pattern(units.TIME_UNITS), example, least, least_text)


def _size(example: str, least: int = 0, least_text: str = "") -> Quantity:
    return Quantity(units.parse_size, units.unit_pattern(units.SIZE_UNITS), example, least, least_text)


Time = Annotated[int, _time("100us")]  # nanoseconds
PositiveTime = Annotated[int, _time("10s", 1, "1ns")]
Size = Annotated[int, _size("1472B", 1, "1B")]  # bytes


@dataclass(frozen=True)
class _WholePages(Quantity):
    """A size in whole pages."""

    def read(self, value: object) -> int:
        """The size in bytes."""
        size = super().read(value)
        if size % PAGE_SIZE:
            raise quantity_problem(f'"{value}" is not in whole pages', "write a multiple of 4KiB")
        return size


RequestSize = Annotated[
    int,
    _WholePages(
        units.parse_size, units.unit_pattern(units.SIZE_UNITS), "32KiB", PAGE_SIZE, "4KiB", 8 * PAGE_SIZE, "32KiB"
    ),
]
PagesSize = Annotated[int, _size("512MiB", PAGE_SIZE, "4KiB, which is one page")]
Payload = Annotated[
    int, Quantity(units.parse_size, units.unit_pattern(units.SIZE_UNITS), "1472B", 1, "1B", 65_507, "65507B")
]
Mtu = Annotated[int, _size("1500B", 68, "68B, the least that IPv4 allows")]
Rate = Annotated[int, Quantity(units.parse_rate, units.unit_pattern(units.RATE_UNITS), "1Gbit/s", 1, "1bit/s")]
Bandwidth = Annotated[
    int, Quantity(units.parse_bandwidth, units.unit_pattern(units.BANDWIDTH_UNITS), "100MB/s", 1, "1B/s")
]
Share = Annotated[int, Quantity(units.parse_share, units.unit_pattern(units.SHARE_UNITS), "0.1%")]  # parts per million


@dataclass(frozen=True)
class _TcpMem:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        item = {"type": "integer", "minimum": 1}
        return {"type": "array", "items": item, "minItems": 3, "maxItems": 3, "examples": [[3072, 4096, 6144]]}

    def read(self, value: object) -> object:
        """Three page counts that grow."""
        hint = "write three numbers of pages that grow, as [3072, 4096, 6144], or auto"
        if not isinstance(value, list) or not all(type(pages) is int and pages > 0 for pages in value):
            raise problem(f"{show(value)} is no tcp_mem", hint)
        if len(value) != 3 or sorted(value) != value:
            raise problem(f"{value} is no tcp_mem", hint)
        return value


TcpMem = Annotated[list[int], _TcpMem()]
TcpMemOrAuto = Annotated[TcpMem | None, OrWord("auto")]
Count = Annotated[int, Field(ge=0)]
Several = Annotated[int, Field(ge=1)]
MAX_MACHINES = 100_000
MachineCount = Annotated[int, Field(ge=1, le=MAX_MACHINES)]


@dataclass(frozen=True)
class _Port:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(read_port, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "integer", "minimum": 1, "maximum": PORT_MAX}


Port = Annotated[int, _Port()]
PositiveTimeOrEver = Annotated[PositiveTime | None, OrWord("ever")]
RateOrNone = Annotated[Rate | None, OrWord("none")]
SizeOrNone = Annotated[Size | None, OrWord("none")]
SeveralOrNone = Annotated[Several | None, OrWord("none")]
CountOrNone = Annotated[Count | None, OrWord("none")]
SeveralOrAuto = Annotated[Several | None, OrWord("auto")]
CountOrAuto = Annotated[Count | None, OrWord("auto")]

Kernel = Annotated[str, OneOf("kernel", ("linux-2.6.22", "linux-6.11"))]
Layout = Annotated[str, OneOf("layout", ("striped", "mirrored", "coded"))]
Backup = Annotated[str, OneOf("backup", ("none", "disk"))]
WhenFull = Annotated[str, OneOf("way out when memory is full", ("evict", "refuse"))]
Transport = Annotated[str, OneOf("transport", ("nfs", "nbd"))]
Via = Annotated[str, OneOf("way to the swap server", ("proxy",))]
ViaOrNone = Annotated[Via | None, OrWord("none")]
Refill = Annotated[str, OneOf("refill rule", ("e1000", "tg3", "virtio", "e1000e", "8139cp"))]
Protocol = Annotated[str, OneOf("protocol", ("udp", "tcp"))]
Exchange = Annotated[str, OneOf("exchange", ("none", *EXCHANGES))]
Arp = Annotated[str, OneOf("setting of ARP", ("on", "off"))]
LinkProtocol = Annotated[str, OneOf("protocol of a link", ("ipv4", "arp", "ipv6", "vlan", "qinq", "other"))]
Framing = Annotated[str, OneOf("framing", ("ethernet", "none"))]
Pattern = Annotated[str, OneOf("pattern", ("cyclic", "random"))]
Access = Annotated[str, OneOf("access", ("write", "read"))]
FilePlace = Annotated[str, OneOf("place of a file", ("disk", "swap"))]
Start = Annotated[str, OneOf("start", ("cold", "warm"))]
Fragments = Annotated[str, OneOf("kind of fragments", ("whole", "incomplete"))]
PacketKind = Annotated[str, OneOf("kind of packet", tuple(KIND_NAMES.values()))]
PacketKindOrNone = Annotated[PacketKind | None, OrWord("none")]
