"""The kinds of value a scenario is written with, as types for the models.

Each is an annotation that turns what the file says into a whole number or a known word, says what would be right when
it cannot, and describes itself to editors. Defaults are written as in a file ("1s") and pass through the same door.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from netswap.actors.kernels import KERNELS
from netswap.actors.programs.collectives import EXCHANGES
from netswap.protocol import units
from netswap.protocol.frame import KIND_NAMES
from netswap.protocol.units import SHOWN_MAX, UnitError, plainly, shortened, shown

PAGE_SIZE = 4096
PORT_MAX = 65_535
MATCHED_MAX = 1000
"""Names among which the nearest is looked for."""
BUFFER_MAX = 1 << 30
"""Bytes that one socket may buffer at most, in one direction: sysctls of sizes are of type int, and are doubled."""
PAGES_MAX = (64 << 40) // PAGE_SIZE
"""64 TiB, the 46 bits of a physical address on x86-64 (arch/x86_64: __PHYSICAL_MASK_SHIFT)."""


def problem(message: str, hint: str) -> PydanticCustomError:
    """An error for pydantic that keeps what is wrong apart from what would be right."""
    return PydanticCustomError("word", "{message}", {"message": message, "hint": hint})


def quantity_problem(message: str, hint: str) -> PydanticCustomError:
    """The same about a number, whose message needs the key before it: "0" alone tells nothing."""
    return PydanticCustomError("quantity", "{message}", {"message": message, "hint": hint})


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the known word that `word` was probably meant to be, or all of them."""
    choices = list(known)
    near = difflib.get_close_matches(word, choices[:MATCHED_MAX], n=1, cutoff=0.5) if len(word) <= SHOWN_MAX else []
    if near:
        return f'did you mean "{shortened(near[0])}"?'
    return f"known are {names_of(choices)}" if choices else "there is none"


def names_of(names: Sequence[str], most: int = 40) -> str:
    """Some names as a message shows them."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*(shortened(name) for name in names[:most]), *more])


@dataclass(frozen=True)
class Quantity:
    """A number with a unit, within limits, which are written as in a file."""

    parse: Callable[[object], int]
    units: Iterable[str]
    example: str
    least: str
    most: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = units.unit_pattern(self.units)
        return {
            "type": "string",
            "pattern": pattern,
            "examples": [self.example],
            LIMITS: f"{self.least} to {self.most}",
        }

    def read(self, value: object) -> int:
        """The value in its base unit; PydanticCustomError if it is not one."""
        try:
            number = self.parse(value)
        except UnitError as error:
            raise quantity_problem(error.message, error.hint) from None
        if number < self.parse(self.least):
            raise quantity_problem(f"{shown(value)} is too small", f"write at least {self.least}")
        if number > self.parse(self.most):
            raise quantity_problem(f"{shown(value)} is too large", f"write at most {self.most}")
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
            raise problem(f"{shown(value)} is no {self.what}", f"write {' or '.join(self.built)}")
        if value in self.later:
            raise problem(f'{self.what} "{shortened(value)}" is not built yet', f"use {' or '.join(self.built)}")
        if value not in self.built:
            raise problem(f'there is no {self.what} "{shortened(value)}"', nearest(value, (*self.built, *self.later)))
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


LIMITS = "limits"
"""Under this key the schema keeps between which texts a quantity lies, until `SchemaForEditors` puts it into words."""


class SchemaForEditors(GenerateJsonSchema):
    """JSON Schema as a file is written: a key is left out or has a value, it is never null."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """The whole schema. JSON Schema knows no limits of a quantity with a unit, so its description says them."""
        whole = super().generate(schema, mode)
        _put_limits_into_words(whole)
        return whole

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """The schema of the value alone."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The default, unless it is None: then a key that is left out is all there is to say."""
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _put_limits_into_words(schema: Any) -> None:
    if isinstance(schema, dict):
        for one in [*schema.values()]:
            _put_limits_into_words(one)
        limits = schema.pop(LIMITS, None)
        if isinstance(limits, str):
            schema["description"] = ", ".join([*filter(None, [schema.get("description")]), limits])
    elif isinstance(schema, list):
        for one in schema:
            _put_limits_into_words(one)


def read_port(value: object) -> object:
    """A port number as it is; an out of range one is an error that says the range."""
    if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= PORT_MAX:
        raise problem(f"{plainly(value)} is no port", f"write a number from 1 to {PORT_MAX}")
    return value


def _time(example: str, least: str, most: str) -> Quantity:
    return Quantity(units.parse_time, tuple(units.TIME_UNITS), example, least, most)


def _size(example: str, least: str = "1B", most: str = "64TiB") -> Quantity:
    return Quantity(units.parse_size, tuple(units.SIZE_UNITS), example, least, most)


def _rate(parse: Callable[[object], int], known: Iterable[str], example: str, least: str, most: str) -> Quantity:
    return Quantity(parse, tuple(known), example, least, most)


Time = Annotated[int, _time("10s", "0ns", "10000h")]  # nanoseconds
PositiveTime = Annotated[int, _time("10s", "1ns", "10000h")]
StallTime = Annotated[int, _time("1s", "1ms", "10000h")]  # what is done in each is kept
Delay = Annotated[int, _time("100us", "0ns", "1h")]
Patience = Annotated[int, _time("1.1s", "1ms", "1h")]
PositiveDelay = Annotated[int, _time("100us", "1ns", "1h")]
Size = Annotated[int, _size("1472B")]  # bytes


@dataclass(frozen=True)
class _WholePages(Quantity):
    """A size in whole pages."""

    def read(self, value: object) -> int:
        """The size in bytes."""
        size = super().read(value)
        if size % PAGE_SIZE:
            raise quantity_problem(f"{shown(value)} is not in whole pages", "write a multiple of 4KiB")
        return size


RequestSize = Annotated[int, _WholePages(units.parse_size, tuple(units.SIZE_UNITS), "32KiB", "4KiB", "32KiB")]
PagesSize = Annotated[int, _size("512MiB", "4KiB")]
Payload = Annotated[int, _size("1472B", "1B", "65507B")]
Mtu = Annotated[int, _size("1500B", "68B", "65535B")]  # IPv4 allows no less and no more
Message = Annotated[int, _size("64KiB", "1B", "1GiB")]
Buffer = Annotated[int, _size("64KiB", "256B", "1GiB")]  # SOCK_MIN_RCVBUF (include/net/sock.h of 2.6.22)
Rate = Annotated[int, _rate(units.parse_rate, units.RATE_UNITS, "1Gbit/s", "1bit/s", "1000Gbit/s")]
Bandwidth = Annotated[int, _rate(units.parse_bandwidth, units.BANDWIDTH_UNITS, "100MB/s", "1B/s", "1000GB/s")]
Share = Annotated[int, _rate(units.parse_share, units.SHARE_UNITS, "0.1%", "0%", "100%")]  # parts per million


@dataclass(frozen=True)
class _OneLine:
    """A text of one line."""

    longest: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"maxLength": self.longest}

    def read(self, value: object) -> object:
        """The text as it is."""
        if isinstance(value, str) and len(value) > self.longest:
            raise quantity_problem(f"{shown(value)} is too long", f"write at most {self.longest} characters")
        if isinstance(value, str) and not value.isprintable():
            raise quantity_problem(f"{shown(value)} does not print", "write one line of characters that print")
        return value


Title = Annotated[str, Field(min_length=1), _OneLine(200)]
FileName = Annotated[str, Field(min_length=1), _OneLine(4096)]


@dataclass(frozen=True)
class _Address:
    """An IPv4 address."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "ipv4"}

    def read(self, value: object) -> str:
        """The text as it is."""
        try:
            return str(IPv4Address(value if isinstance(value, str) else ""))
        except ValueError:
            raise problem(f"{shown(value)} is no IPv4 address", "write one as 10.0.0.1") from None


Address = Annotated[str, _Address()]


@dataclass(frozen=True)
class _Factor:
    """A number without a unit, kept in parts per million."""

    least: Decimal
    most: Decimal

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "number", "minimum": float(self.least), "maximum": int(self.most)}

    def read(self, value: object) -> int:
        """Parts per million."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise quantity_problem(f"{shown(value)} is no number", "write a factor without a unit, as 2 or 0.5")
        factor = Decimal(str(value))
        if not self.least <= factor <= self.most:
            raise quantity_problem(f"{plainly(value)} is out of range", f"write {self.least} to {self.most:,}")
        if factor * units.PARTS_PER_MILLION % 1:
            raise quantity_problem(f"{plainly(value)} is too exact", "write at most 6 decimals")
        return int(factor * units.PARTS_PER_MILLION)


Speed = Annotated[int, _Factor(Decimal("0.001"), Decimal(1000))]


@dataclass(frozen=True)
class _SocketBuffers:
    """The sizes of tcp_rmem and tcp_wmem: guaranteed, default, most. A number without a unit is in bytes, as a sysctl's."""

    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        size = {"type": "string", "pattern": units.unit_pattern(tuple(units.SIZE_UNITS)), LIMITS: "1B to 1GiB"}
        item = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": BUFFER_MAX}, size]}
        return {"type": "array", "items": item, "minItems": 3, "maxItems": 3, "examples": [["4KiB", "128KiB", "6MiB"]]}

    def read(self, value: object) -> object:
        """Three sizes in bytes that grow."""
        hint = "write three sizes that grow, as [4KiB, 128KiB, 6MiB], or auto"
        if not isinstance(value, list) or len(value) != 3:
            raise problem(f"{shortened(str(value))} is no {self.what}", hint)
        try:
            sizes = [one if type(one) is int else units.parse_size(one) for one in value]
        except UnitError as error:
            raise problem(f"{self.what}: {error.message}", error.hint) from None
        if sorted(sizes) != sizes or sizes[0] < 1:
            raise problem(f"{shortened(str(value))} is no {self.what}", hint)
        if sizes[2] > BUFFER_MAX:
            raise problem(f"{self.what}: {shown(value[2])} is too large", "write at most 1GiB")
        return sizes


@dataclass(frozen=True)
class _TcpMem:
    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        item = {"type": "integer", "minimum": 1, "maximum": PAGES_MAX}
        return {"type": "array", "items": item, "minItems": 3, "maxItems": 3, "examples": [[3072, 4096, 6144]]}

    def read(self, value: object) -> object:
        """Three page counts that grow."""
        hint = "write three numbers of pages that grow, as [3072, 4096, 6144], or auto"
        if not isinstance(value, list) or not all(type(pages) is int and 0 < pages <= PAGES_MAX for pages in value):
            raise problem(f"{shown(value)} is no {self.name}", hint)
        if len(value) != 3 or sorted(value) != value:
            raise problem(f"{shortened(str(value))} is no {self.name}", hint)
        return value


@dataclass(frozen=True)
class _UdpMem(_TcpMem):
    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        one = {"type": "integer", "minimum": 1, "maximum": PAGES_MAX}
        return {"anyOf": [one, super().__get_pydantic_json_schema__(schema, handler)]}

    def read(self, value: object) -> object:
        """Three page counts that grow, or the last of them: the others are in the kernel's proportion to it."""
        if type(value) is int and 0 < value <= PAGES_MAX:
            return [max(1, value // 2), max(1, 2 * value // 3), value]
        return super().read(value)


TcpMem = Annotated[list[int], _TcpMem("tcp_mem")]
UdpMem = Annotated[list[int], _UdpMem("udp_mem")]
UdpMemOrAuto = Annotated[UdpMem | None, OrWord("auto")]
RmemOrAuto = Annotated[Annotated[list[int], _SocketBuffers("tcp_rmem")] | None, OrWord("auto")]
WmemOrAuto = Annotated[Annotated[list[int], _SocketBuffers("tcp_wmem")] | None, OrWord("auto")]
TcpMemOrAuto = Annotated[TcpMem | None, OrWord("auto")]


def _whole(least: int, most: int) -> Any:
    return Field(ge=least, le=most)


Seed = Annotated[int, _whole(0, (1 << 63) - 1)]
Pages = Annotated[int, _whole(0, PAGES_MAX)]
Queue = Annotated[int, _whole(1, 1_000_000_000)]
Sockets = Annotated[int, _whole(1, PORT_MAX)]
Requests = Annotated[int, _whole(1, 65_536)]
Parts = Annotated[int, _whole(1, 255)]  # of a code over bytes
MoreParts = Annotated[int, _whole(0, 255)]
Cpus = Annotated[int, _whole(1, 8_192)]  # NR_CPUS of linux-6.11
Steps = Annotated[int, _whole(1, 1_000_000_000_000)]
MAX_MACHINES = 100_000
MachineCount = Annotated[int, _whole(1, MAX_MACHINES)]


@dataclass(frozen=True)
class _Port:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(read_port, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "integer", "minimum": 1, "maximum": PORT_MAX}


Port = Annotated[int, _Port()]
RECORDED = ("auto", "all", "none")
"""Instead of a list of machines: all of few and the worst of many, all, or nothing at all."""
PositiveTimeOrAuto = Annotated[PositiveTime | None, OrWord("auto")]
DelayOrAuto = Annotated[Delay | None, OrWord("auto")]
PositiveDelayOrNone = Annotated[PositiveDelay | None, OrWord("none")]
PositiveTimeOrEver = Annotated[PositiveTime | None, OrWord("ever")]
RateOrNone = Annotated[Rate | None, OrWord("none")]
PatienceOrAuto = Annotated[Patience | None, OrWord("auto")]
FragmentMark = Annotated[int, _size("4MiB", "4KiB", "1TiB")]
FragmentMarkOrAuto = Annotated[FragmentMark | None, OrWord("auto")]
FragmentTime = Annotated[int, _time("30s", "1s", "1h")]
FragmentTimeOrAuto = Annotated[FragmentTime | None, OrWord("auto")]
SizeOrNone = Annotated[Size | None, OrWord("none")]
MessageOrNone = Annotated[Message | None, OrWord("none")]
BufferOrNone = Annotated[Buffer | None, OrWord("none")]
QueueOrNone = Annotated[Queue | None, OrWord("none")]
RetriesOrNone = Annotated[Annotated[int, _whole(0, 100)] | None, OrWord("none")]
Connections = Annotated[int, _whole(1, 64)]
Buffers = Annotated[int, _whole(0, PAGES_MAX)]
LayerSize = Annotated[int, _WholePages(units.parse_size, tuple(units.SIZE_UNITS), "4KiB", "4KiB", "1MiB")]
RequestsOrNone = Annotated[Requests | None, OrWord("none")]
PartsOrNone = Annotated[Parts | None, OrWord("none")]
MorePartsOrNone = Annotated[MoreParts | None, OrWord("none")]
StepsOrNone = Annotated[Steps | None, OrWord("none")]
TimesOrEver = Annotated[Steps | None, OrWord("ever")]
PagesOrNone = Annotated[Pages | None, OrWord("none")]
Touched = Annotated[int, _whole(1, 1_000_000)]
TouchedOrNone = Annotated[Touched | None, OrWord("none")]
BoostOrAuto = Annotated[Annotated[int, _whole(0, 1_000_000)] | None, OrWord("auto")]
ScaleOrAuto = Annotated[Annotated[int, _whole(1, 3_000)] | None, OrWord("auto")]  # kernel/sysctl.c
PercentOrAuto = Annotated[Annotated[int, _whole(0, 100)] | None, OrWord("auto")]
CentisecsOrAuto = Annotated[Annotated[int, _whole(1, 360_000)] | None, OrWord("auto")]
PagesOrAuto = Annotated[Pages | None, OrWord("auto")]

Kernel = Annotated[str, OneOf("kernel", tuple(KERNELS))]
Layout = Annotated[str, OneOf("layout", ("striped", "mirrored", "coded"))]
Backup = Annotated[str, OneOf("backup", ("none", "disk"))]
WhenFull = Annotated[str, OneOf("way out when memory is full", ("evict", "refuse"))]
Transport = Annotated[str, OneOf("transport", ("nfs", "nbd", "ublk", "fuse"))]
SwapPlace = Annotated[str, OneOf("place of a swap", ("server", "disk"))]
Sender = Annotated[str, OneOf("sender of requests", ("auto", "thread"))]
WriteErrors = Annotated[str, OneOf("way with write errors", ("kept", "ignored"))]
Flusher = Annotated[bool, Field(description="its allocations neither start a write nor wait for one")]
Via = Annotated[str, OneOf("way to the swap server", ("proxy",))]
ViaOrNone = Annotated[Via | None, OrWord("none")]
Refill = Annotated[str, OneOf("refill rule", ("e1000", "tg3", "virtio", "e1000e", "8139cp"))]
Protocol = Annotated[str, OneOf("protocol", ("udp", "tcp"))]
Unkillable = Annotated[bool, Field(description="the OOM killer never chooses it (oom_score_adj -1000)")]
Exchange = Annotated[str, OneOf("exchange", ("none", *EXCHANGES))]
Realtime = Annotated[bool, Field(description="scheduled in real time: what it allocates may go below min")]
PairKind = Annotated[str, OneOf("kind of socket", ("unix", "tcp"))]
Thp = Annotated[str, OneOf("setting of transparent huge pages", ("on", "off"))]
Reads = Annotated[str, OneOf("habit of reading", ("always", "never"))]
PageFrags = Annotated[str, OneOf("setting of page_frags", ("on", "off"))]
HighOrder = Annotated[str, OneOf("setting of high_order_alloc", ("on", "off"))]
Arp = Annotated[str, OneOf("setting of ARP", ("on", "off"))]
LinkProtocol = Annotated[str, OneOf("protocol of a link", ("ipv4", "arp", "ipv6", "vlan", "qinq", "other"))]
Framing = Annotated[str, OneOf("framing", ("ethernet", "none"))]
Pattern = Annotated[str, OneOf("pattern", ("cyclic", "random"))]
Access = Annotated[str, OneOf("access", ("write", "read"))]
Pace = Annotated[str, OneOf("pace", ("recorded", "none"))]
Ports = Annotated[str, OneOf("way with ports", ("map", "keep"))]
FilePlace = Annotated[str, OneOf("place of a file", ("disk", "swap"))]
Start = Annotated[str, OneOf("start", ("cold", "warm"))]
Fragments = Annotated[str, OneOf("kind of fragments", ("whole", "incomplete"))]
PacketKind = Annotated[str, OneOf("kind of packet", tuple(KIND_NAMES.values()))]
PacketKindOrNone = Annotated[PacketKind | None, OrWord("none")]
