"""The words of a scenario, as typed models: what may be written where, and what holds when it is not written.

A field's name (or alias) is the key in the file and its default is written as in the file. Values are whole numbers in
base units: nanoseconds, bytes, bits per second, parts per million. What concerns more than one value at a time, names
of machines above all, is looked at in `check`.
"""

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from netswap.cluster.scenario import words
from netswap.cluster.scenario.words import OrWord
from netswap.protocol import units
from netswap.protocol.units import UnitError


def usually(written: str | dict[str, Any], description: str | None = None, alias: str | None = None) -> Any:
    """A default as the file would write it; it is read like any other value."""
    return Field(default=written, description=description, alias=alias)


class Words(BaseModel):
    """A mapping in a scenario: keys are known words, values are what they say they are."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=True, frozen=True)


class EmptyAllowed(Words):
    """A mapping that may be left empty: all its words have defaults."""

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, data: object) -> object:
        return {} if data is None else data


def either(some: list[str], others: list[str]) -> ConfigDict:
    """For editors: the mapping has all of the one keys, or all of the others; `check` says it to everybody else."""
    return ConfigDict(json_schema_extra={"anyOf": [{"required": [*some]}, {"required": [*others]}]})


def _listed_words(value: object) -> object:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        return value
    hint = "write none, reserve or [reserve, -slab-rule]"
    raise words.problem(f"{units.shown(value)} is neither a preset nor a list of switches", hint)


def _free_floor(value: object) -> object:
    if value is None or value == "none":
        return value
    parse = units.parse_share if units.unit_of(value) == "%" else units.parse_size
    try:
        parse(value)
    except UnitError as error:
        raise words.quantity_problem(error.message, f"{error.hint}, or a share as 20%, or none") from None
    return value


def _groups(value: object) -> object:
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value):
            return value
        if all(isinstance(item, list) and item and all(isinstance(name, str) for name in item) for item in value):
            return value
    hint = "write [C], against the rest, or [[A], [B, C]]"
    raise words.problem(f"{units.shown(value)} is no list of machines", hint)


def _recorded(value: object) -> object:
    if value in words.RECORDED or (isinstance(value, list) and value and all(isinstance(one, str) for one in value)):
        return value
    raise words.problem(f"{units.shown(value)} is no list of machines", f"write [A, C], {', '.join(words.RECORDED)}")


def _expected(value: object) -> object:
    lists = list(value.values()) if isinstance(value, dict) else [value]
    if all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in lists):
        return value
    hint = "write [A is wedged], or such a list for each preset"
    raise words.problem(f"{units.shown(value)} is no list of expectations", hint)


_TEXT_SCHEMA = {
    "anyOf": [
        {"type": "string", "examples": ["4MiB"]},
        {
            "type": "object",
            "properties": {"size": {"type": "string", "examples": ["4MiB"]}, "on": {"enum": ["disk", "swap"]}},
            "required": ["size"],
            "additionalProperties": False,
        },
    ]
}
NAME_LIST = {"type": "array", "items": {"type": "string"}}
Safeguards: TypeAlias = Annotated[
    Any, BeforeValidator(_listed_words), WithJsonSchema({"anyOf": [{"type": "string"}, NAME_LIST]})
]
MinFree: TypeAlias = Annotated[
    str | None,
    BeforeValidator(_free_floor),
    OrWord("none"),
    WithJsonSchema({"type": "string", "examples": ["2896KiB", "20%", "none"]}),
]
Groups: TypeAlias = Annotated[
    Any,
    BeforeValidator(_groups),
    WithJsonSchema({"type": "array", "items": {"anyOf": [{"type": "string"}, NAME_LIST]}, "minItems": 1}),
]
Expect: TypeAlias = Annotated[
    Any,
    BeforeValidator(_expected),
    WithJsonSchema({"anyOf": [NAME_LIST, {"type": "object", "additionalProperties": NAME_LIST}]}),
]


Recorded: TypeAlias = Annotated[
    Any,
    BeforeValidator(_recorded),
    WithJsonSchema({"anyOf": [{"enum": [*words.RECORDED]}, NAME_LIST]}),
]


class Reserve(EmptyAllowed):
    """The memory set aside where the safeguards include it: pages, and receive buffers that may be out at once."""

    pages: words.PagesOrAuto = usually("auto")
    buffers: words.PagesOrAuto = usually("auto")


class Record(EmptyAllowed):
    """What is recorded to be looked at; nothing of it changes what the run does."""

    every: words.PositiveTimeOrAuto = usually("auto")
    machines: Recorded = "auto"


class SwitchPort(Words):
    """The one switch port of a destination, which all its senders share."""

    bandwidth: words.Rate = Field(examples=["1Gbit/s"])
    queue: words.QueueOrNone = usually("none", "packets")


class Link(Words):
    """What one directed link does differently."""

    from_: str = Field(alias="from", examples=["A"])
    to: str = Field(examples=["B"])
    latency: words.PositiveDelay | None = None
    jitter: words.Delay | None = None
    bandwidth: words.RateOrNone = usually("none")
    queue: words.QueueOrNone = usually("none", "packets")
    loss: words.Share | None = None
    duplicate: words.Share | None = None
    reorder: words.Share | None = None
    corrupt: words.Share | None = None


class Network(EmptyAllowed):
    """What every directed link does, the port of each destination, and the links that differ."""

    latency: words.PositiveDelay = usually("100us")
    jitter: words.Delay = usually("0ns")
    bandwidth: words.RateOrNone = usually("none")
    queue: words.QueueOrNone = usually("none", "packets")
    mtu: words.Mtu = usually("1500B")
    loss: words.Share = usually("0%")
    duplicate: words.Share = usually("0%")
    reorder: words.Share = usually("0%")
    corrupt: words.Share = usually("0%")
    framing: words.Framing = "ethernet"
    arp: words.Arp = "off"
    port: Annotated[SwitchPort | None, OrWord("none")] = usually("none")
    links: list[Link] = Field(default=[])


class Nic(EmptyAllowed):
    """A network card. The ring's default is the driver's: 256, for tg3 200, for 8139cp 64."""

    rate: words.Rate = usually("1Gbit/s")
    ring: words.RequestsOrNone = usually("none", "descriptors; none is the driver's own number")
    refill: words.Refill = "e1000"
    softirq: words.Delay = usually("0ns")
    page_frags: words.PageFrags = Field(default="on", description="receive buffers of e1000e from blocks of pages")
    high_order_alloc: words.HighOrder = Field(default="on", description="page fragments from blocks of several pages")


class Tcp(EmptyAllowed):
    """TCP's memory: that of all its sockets, and the buffers of each."""

    mem: words.TcpMemOrAuto = usually("auto", "pages: [low, pressure, high]; auto is the kernel's own")
    rmem: words.RmemOrAuto = usually("auto", "bytes: [min, default, max] of a socket's receive buffer")
    wmem: words.WmemOrAuto = usually("auto", "bytes: [min, default, max] of a socket's send buffer")


class Udp(EmptyAllowed):
    """What all UDP sockets of the machine may hold together."""

    mem: words.UdpMemOrAuto = usually("auto", "pages: [min, pressure, max], or max alone; auto is the kernel's own")


class Vm(EmptyAllowed):
    """Sysctls of the kernel's memory, by their own names and in their own units."""

    watermark_boost_factor: words.BoostOrAuto = usually("auto", "how far the watermarks are raised, in 10,000ths of high")
    watermark_scale_factor: words.ScaleOrAuto = usually("auto", "distance of the watermarks, in 10,000ths of memory")
    swappiness: words.PercentOrAuto = usually("auto", "how willingly mapped memory is swapped out")
    dirty_ratio: words.PercentOrAuto = usually("auto", "percent of dirtyable memory: there writers write themselves")
    dirty_background_ratio: words.PercentOrAuto = usually("auto", "percent of dirtyable memory: from there the flusher writes")
    dirty_expire_centisecs: words.CentisecsOrAuto = usually("auto", "age at which the flusher writes a dirty page")
    dirty_writeback_centisecs: words.CentisecsOrAuto = usually("auto", "time between two looks of the flusher")


class Layer(EmptyAllowed):
    """A layer before the swap device that takes a buffer for each request, as dm-crypt does."""

    buffer: words.LayerSize = usually("4KiB", "for each request")
    requests: words.Buffers = Field(default=256, description="buffers set aside (mempool)")


class ZoneSize(Words):
    """One zone of memory."""

    size: words.PagesSize = Field(examples=["65MiB"])
    at_boot: Annotated[words.PagesSize | None, OrWord("all")] = usually("all", "what was managed when the marks were set")


def _zone(value: object) -> object:
    """A size alone is that of a zone that was whole at boot."""
    return value if value is None or isinstance(value, dict | ZoneSize) else {"size": value}


_ZONE_SCHEMA = {
    "anyOf": [
        {"type": "string", "examples": ["15MiB", "none"]},
        {
            "type": "object",
            "properties": {
                "size": {"type": "string", "examples": ["65MiB"]},
                "at_boot": {"type": "string", "examples": ["55MiB", "all"]},
            },
            "required": ["size"],
            "additionalProperties": False,
        },
    ]
}
ZoneOrNone: TypeAlias = Annotated[
    ZoneSize | None, BeforeValidator(_zone), OrWord("none"), WithJsonSchema(_ZONE_SCHEMA)
]


class Zones(EmptyAllowed):
    """The zones that memory is divided into."""

    DMA: ZoneOrNone = usually("none")
    DMA32: ZoneOrNone = usually("none")
    Normal: ZoneOrNone = usually("none")


class Ipfrag(EmptyAllowed):
    """What incomplete datagrams may hold, in bytes of truesize, and for how long."""

    high: words.FragmentMarkOrAuto = usually("auto", "ipfrag_high_thresh; auto is the kernel's own")
    low: words.FragmentMarkOrAuto = usually("auto", "ipfrag_low_thresh; auto is the kernel's own, or high if that is less")
    time: words.FragmentTimeOrAuto = usually("auto", "ipfrag_time; auto is the kernel's own")


class Swap(Words):
    """Where a machine's pages go."""

    on: words.SwapPlace = "server"
    server: str | None = Field(default=None, examples=["C"])
    servers: list[str] = Field(default=[], examples=["[C, D]"])
    layout: words.Layout = Field(default="striped", description="of pages over servers")
    data: words.PartsOrNone = usually("none", "coded: parts that make a page")
    parity: words.PartsOrNone = usually("none", "coded: parts that may be lost")
    acks: words.PartsOrNone = usually("none", "parts that are answered before a page is free")
    extra: words.MorePartsOrNone = usually("none", "parts asked for beyond those that make a page")
    backup: words.Backup = "none"
    failover: words.Patience = usually("1.1s", "silence after which other servers are asked")
    transport: words.Transport = "nfs"
    via: words.ViaOrNone = usually("none", "none is the kernel's own socket, all the way")
    size: words.PagesSize = Field(examples=["2GiB"])
    in_flight: words.Requests = Field(default=16, description="requests under way")
    readahead: words.Requests = Field(default=8, description="pages read at a fault")
    timeout: words.PatienceOrAuto = usually("auto")
    retries: words.RetriesOrNone = usually("none", "NFS: none is a hard mount")
    persist: bool = Field(default=True, description="NBD: a connection that is gone is opened anew")
    connections: words.Connections = Field(default=1, description="NBD")
    sender: words.Sender = Field(default="auto", description="NBD: the task that sends; auto is as the kernel has it")
    write_errors: words.WriteErrors = "kept"
    layer: Annotated[Layer | None, OrWord("none")] = usually("none")
    request: words.RequestSize = usually("4KiB", "pages that follow each other, in one request")


class Text(Words):
    """Program text, and where it is read from."""

    size: words.Size = Field(examples=["4MiB"])
    on: words.FilePlace = "disk"


def _text(value: object) -> object:
    """A size alone is text on the machine's own disk."""
    return value if value is None or isinstance(value, dict | Text) else {"size": value}


TextOrNone: TypeAlias = Annotated[Text | None, BeforeValidator(_text), OrWord("none"), WithJsonSchema(_TEXT_SCHEMA)]


class Rank(Words):
    """An MPI-style process: touch memory, compute, again; or touch it as a trace does."""

    model_config = either(["working_set", "touch"], ["trace"])

    working_set: words.PagesSize | None = Field(default=None, examples=["640MiB"])
    touch: words.PagesSize | None = Field(default=None, description="per step", examples=["32MiB"])
    compute: words.Time = usually("0ns", "per step")
    pattern: words.Pattern = "cyclic"
    access: words.Access = "write"
    start: words.Start = "warm"
    exchange: words.Exchange = "none"
    message: words.MessageOrNone = usually("none")
    steps: words.StepsOrNone = usually("none")
    unkillable: words.Unkillable = False
    trace: words.FileName | None = Field(default=None, description="TIME_NS PAGE [r|w]", examples=["solver.trace"])
    pace: words.Pace = Field(default="recorded", description="of the trace; none is as fast as can be")
    speed: words.Speed = Field(default=1, description="of the trace: 2 is twice as fast")
    repeat: words.TimesOrEver = Field(default=1, description="times that the trace is followed")
    from_: words.Time = usually("0s", alias="from")
    text: TextOrNone = usually("none", "program text that every step runs through")
    io_flusher: words.Flusher = False
    realtime: words.Realtime = False


class Service(Words):
    """A program that reads messages from `sockets` sockets, on ports `port` and following."""

    protocol: words.Protocol = "udp"
    port: words.Port = Field(examples=[9000])
    sockets: words.Sockets = 1
    work: words.Time = usually("0ns", "per message")
    buffer: words.BufferOrNone = usually("none", "receive buffer; none is the kernel's default")
    pages: words.Pages = Field(default=0, description="pages of its own, one of them touched per message")
    lock: bool = Field(default=False, description="keep these pages in memory")
    text: TextOrNone = usually("none", "program text that every message runs through")
    io_flusher: words.Flusher = False
    unkillable: words.Unkillable = False
    realtime: words.Realtime = False
    reads: words.Reads = Field(default="always", description="what its sockets receive")


class Only(Words):
    """Which packets of a capture."""

    src: words.Address | None = None
    dst: words.Address | None = Field(default=None, examples=["10.0.0.1"])
    port: words.Port | None = Field(default=None, description="destination port")


class Flood(Words):
    """An open-loop sender. `rate` counts bytes on the wire. Or what a capture holds, sent again."""

    model_config = either(["rate", "payload"], ["pcap"])

    to: str = Field(examples=["A:9000"])
    port: words.Port | None = None
    protocol: words.Protocol = "udp"
    rate: words.Rate | None = Field(default=None, examples=["100Mbit/s"])
    payload: words.Payload | None = Field(default=None, examples=["1472B"])
    flows: words.RequestsOrNone = usually("none", "none is the sockets of the service addressed")
    fragments: words.Fragments = "whole"
    link: words.LinkProtocol = "ipv4"
    train: words.DelayOrAuto = usually("auto", "how much time's frames are announced at once")
    burst: words.PositiveDelayOrNone = usually("none", "what is due in this much time leaves together; none: evenly")
    from_: words.Time = usually("0s", alias="from")
    for_: words.PositiveTimeOrEver = usually("ever", alias="for")
    pcap: words.FileName | None = Field(default=None, description="a capture", examples=["busy.pcapng"])
    ports: words.Ports = Field(default="map", description="of the capture: onto the service's sockets, or kept")
    only: Only | None = Field(default=None, description="of the capture", examples=["{dst: 10.0.0.1}"])
    speed: words.Speed = Field(default=1, description="of the capture: 2 is twice as fast")
    repeat: words.TimesOrEver = Field(default=1, description="times that the capture is sent")
    io_flusher: words.Flusher = False


class SwapServer(EmptyAllowed):
    """A program that keeps the pages of others on its disk; with `pages` it is a process of user space, over NBD."""

    disk_latency: words.Delay = usually("200us")
    disk_bandwidth: words.Bandwidth = usually("100MB/s")
    queue: words.Queue = Field(default=128, description="requests")
    pages: words.PagesOrNone = usually(
        "none", "of the process, one of them touched per request; none: it is no process"
    )
    lock: bool = Field(default=False, description="keep these pages in memory")
    realtime: words.Realtime = False
    file: words.SizeOrNone = usually("none", "kept there, through the page cache; none is the disk itself")
    memory: words.SizeOrNone = usually("none", "lent to others; none is the disk alone")
    full: words.WhenFull = "evict"
    socket: words.PairKind = Field(default="unix", description="over NBD to its own machine")
    io_flusher: words.Flusher = False


class Proxy(EmptyAllowed):
    """A TLS or VPN proxy of user space, which the machine's swap goes through (`swap: {via: proxy}`)."""

    pages: words.Pages = Field(default=64, description="pages of its own, one of them touched per message")
    lock: bool = Field(default=False, description="keep these pages in memory")
    work: words.Time = usually("0ns", "per message")
    io_flusher: words.Flusher = False
    realtime: words.Realtime = False
    socket: words.PairKind = Field(default="unix", description="pair that it shares with the kernel")


class NbdClient(EmptyAllowed):
    """The process that opens another connection when that of the swap is gone (`swap: {transport: nbd}`)."""

    pages: words.Pages = Field(default=64, description="pages of its own, all of them touched to connect")
    lock: bool = Field(default=False, description="keep these pages in memory")
    io_flusher: words.Flusher = False


class Heartbeat(Words):
    """A program that touches its pages at every beat."""

    every: words.PositiveTime = Field(examples=["1s"])
    pages: words.Pages = 1
    touch: words.TouchedOrNone = usually("none", "pages used at a beat, drawn at random; none is all")
    maps: words.SizeOrNone = usually("none", "new memory mapped, used and unmapped at a beat")
    unkillable: words.Unkillable = False
    io_flusher: words.Flusher = False
    realtime: words.Realtime = False


class Reader(Words):
    """A program that reads a file of the machine's own disk, from its first page to its last and again."""

    file: words.PagesSize = Field(examples=["64MiB"])
    rate: words.Bandwidth = Field(examples=["10MB/s"])
    on: words.FilePlace = "disk"
    start: words.Start = "warm"
    mapped: bool = Field(default=False, description="read by mmap: its pages count as mapped memory")
    io_flusher: words.Flusher = False
    realtime: words.Realtime = False


class Writer(Words):
    """A program that writes a file of the machine's own disk, from its first page to its last and again."""

    file: words.PagesSize = Field(examples=["64MiB"])
    rate: words.Bandwidth = Field(examples=["10MB/s"])
    on: words.FilePlace = "disk"
    io_flusher: words.Flusher = False
    realtime: words.Realtime = False


class Program(Words):
    """One program under its name. A name with a colon is a user's own class, its settings are for it to judge."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"minProperties": 1, "maxProperties": 1})

    rank: Rank | None = None
    service: Service | None = None
    flood: Flood | None = None
    swap_server: SwapServer | None = Field(default=None, alias="swap-server")
    proxy: Proxy | None = None
    nbd_client: NbdClient | None = Field(default=None, alias="nbd-client")
    heartbeat: Heartbeat | None = None
    reader: Reader | None = None
    writer: Writer | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, data: object) -> object:
        """`- swap-server:` means one with its defaults."""
        if isinstance(data, dict):
            return {name: {} if settings is None else settings for name, settings in data.items()}
        return data


class Files(EmptyAllowed):
    """Pages of files that are in memory at time 0 and that no program of the scenario uses."""

    clean: words.SizeOrNone = usually("none", "read long ago")
    text: words.SizeOrNone = usually("none", "mapped: programs and libraries")
    dirty: words.SizeOrNone = usually("none", "written long ago, and not on disk yet")


class Disk(EmptyAllowed):
    """The machine's own disk, on which its files are."""

    latency: words.Delay = usually("5ms")
    bandwidth: words.Bandwidth = usually("50MB/s")


class Machine(EmptyAllowed):
    """One computer, or `count` of a kind."""

    count: words.MachineCount | None = None
    memory: words.PagesSize = usually("512MiB")
    zones: Annotated[Zones | None, OrWord("one")] = usually("one")
    kernel: words.Kernel | None = None
    safeguards: Safeguards | None = None
    reserve: Reserve | None = None
    min_free: MinFree = usually("none")
    thp: words.Thp = Field(default="off", description="transparent huge pages, which raise min_free")
    cpus: words.Cpus = 1
    nic: Nic = usually({})
    files: Files = usually({})
    disk: Disk = usually({})
    tcp: Tcp = usually({})
    udp: Udp = usually({})
    vm: Vm = usually({})
    ipfrag: Ipfrag = usually({})
    swap: Annotated[Swap | None, OrWord("none")] = usually("none")
    programs: list[Program] = Field(default=[])


class Pair(Words):
    """From whom to whom a fault acts."""

    from_: str = Field(alias="from", examples=["C"])
    to: str = Field(examples=["A"])


class Hold(Pair):
    """Packets wait, optionally only one kind of them."""

    only: words.PacketKindOrNone = usually("none")


class Slow(Pair):
    """A link gets slower."""

    latency: words.PositiveDelay | None = None
    jitter: words.Delay | None = None
    bandwidth: words.Rate | None = None


class Chance(Pair):
    """Packets are lost, doubled, reordered or damaged, this share of them."""

    rate: words.Share = Field(examples=["1%"])


class SlowDisk(Words):
    """The disk of a swap server gets slower, or faster."""

    machine: str = Field(examples=["C"])
    latency: words.Delay = Field(examples=["50ms"])


class Fault(Words):
    """One line of the timeline: when, what, for how long."""

    at: words.Time = Field(examples=["5s"])
    for_: words.PositiveTimeOrEver = Field(alias="for", examples=["10s"])
    partition: Groups | None = None
    cut: Pair | None = None
    hold: Hold | None = None
    slow: Slow | None = None
    lossy: Chance | None = None
    duplicate: Chance | None = None
    reorder: Chance | None = None
    corrupt: Chance | None = None
    crash: str | None = Field(default=None, examples=["C"])
    pause: str | None = Field(default=None, examples=["C"])
    slow_disk: SlowDisk | None = Field(default=None, alias="slow-disk")
    freeze: str | None = Field(default=None, examples=["C", "A.service"])


class ScenarioWords(Words):
    """A whole scenario as written."""

    title: words.Title = Field(examples=["three machines, one outage"])
    seed: words.Seed = 1
    stop: words.PositiveTime = Field(examples=["60s"])
    stall_after: words.StallTime = usually("1s")
    kernel: words.Kernel = "linux-2.6.22"
    safeguards: Safeguards = "none"
    reserve: Reserve = usually({})
    network: Network = usually({})
    machines: Annotated[dict[str, Machine], Field(min_length=1)] = Field(examples=["{A: {...}, B: {...}}"])
    timeline: list[Fault] = Field(default=[])
    record: Record = usually({})
    expect: Expect = Field(default=[])


def key_of(model: type[BaseModel], name: str) -> str:
    """The key in the file of a model's field."""
    return model.model_fields[name].alias or name


PROGRAMS: tuple[str, ...] = tuple(key_of(Program, name) for name in Program.model_fields)
FAULTS: tuple[str, ...] = tuple(key_of(Fault, name) for name in Fault.model_fields if name not in ("at", "for_"))
