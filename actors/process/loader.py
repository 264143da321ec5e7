"""From the names in a scenario to programs under way, in the memory of a machine that has run for long."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from inspect import isgeneratorfunction, unwrap
from typing import Any, Final

from netswap.actors.disk import WARM_VERSION
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.files import REMOTE_BASE, File, PageCache
from netswap.actors.memory.zone import Zone
from netswap.actors.process.loaded import Loaded
from netswap.actors.process.traits import Traits, traits_of
from netswap.actors.programs.file import Reader, Writer
from netswap.actors.programs.flood import Flood
from netswap.actors.programs.follower import Follower
from netswap.actors.programs.heartbeat import Heartbeat
from netswap.actors.programs.nbd_client import NbdClient
from netswap.actors.programs.proxy import Proxy
from netswap.actors.programs.rank import Rank
from netswap.actors.programs.replay import Replay
from netswap.actors.programs.service import Service
from netswap.actors.programs.system import Host, System
from netswap.actors.programs.talks import Talks
from netswap.actors.programs.task import Progress, Task
from netswap.actors.settings import Files, SettingsError
from netswap.actors.storage.server import SwapServer
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import plainly

_PAGES_MAX: Final = (64 << 40) // PAGE
PROGRAMS: Final[dict[str, Callable[..., Any]]] = {
    "rank": Rank,
    "service": Service,
    "flood": Flood,
    "swap-server": SwapServer,
    "proxy": Proxy,
    "nbd-client": NbdClient,
    "heartbeat": Heartbeat,
    "reader": Reader,
    "writer": Writer,
}
PLAYERS: Final[dict[str, Callable[..., Any]]] = {"rank": Follower, "flood": Replay}
"""What a program of this name is where its settings hold a recording."""


def load(
    programs: Sequence[tuple[str, dict[str, Any]]], host: Host, base: int = 0, before: Sequence[Loaded] = ()
) -> list[Loaded]:
    """Make each program and let it start now. Raises `SettingsError`.

    `base`: where the swap space begins; `before`: the same programs before a crash, whose progress is counted on.
    """
    kinds: dict[str, int] = {}
    loaded = []
    for index, (kind, settings) in enumerate(programs):
        number = kinds[kind] = kinds.get(kind, -1) + 1
        program = _program(index, kind, settings)
        pages = _pages(index, kind, program) + _pages(index, kind, program, "mapped_pages")
        space = AddressSpace(f"{kind} {number}", base, pages)
        base += space.pages
        traits = traits_of(program)
        progress = before[index].task.progress if before else _progress(host, traits)
        loaded.append(_loaded(host, (index, kind, program, traits), space, progress))
    _place_remote_files(loaded)
    events = host.net.board.events
    for one in loaded:  # only now: no program runs, and so needs another, before all of them are wired
        events.at(events.now, one.task.start)
    return loaded


def _place_remote_files(loaded: Sequence[Loaded]) -> None:
    """Lay the files that are on the swap server one behind the other."""
    base = REMOTE_BASE
    for one in loaded:
        for file in (one.system.file, one.system.text):
            if file is not None and file.remote:
                file.base = base
                base += file.pages


def _progress(host: Host, traits: Traits) -> Progress:
    return Progress(host.net.board.events, host.stall_after_ns, counts_pages=traits.counts_pages)


def _loaded(host: Host, made: tuple[int, str, Any, Traits], space: AddressSpace, progress: Progress) -> Loaded:
    """`made`: the program's place, its kind, itself and its traits."""
    index, kind, program, traits = made
    progress.work()
    text, file = _files(made, space.name)
    system = System(host, space.name, space, progress, text, file)
    system.unkillable = traits.unkillable
    if host.net.board.policy.exempt_daemons and traits.on_swap_path:
        system.exempt_from_throttling()
    run = getattr(program, "run", None)
    steps: Any = run(system) if callable(run) else None
    if not hasattr(steps, "send"):
        raise SettingsError(f"{kind} has no generator run", "write run(self, system) that yields requests", index)
    wire = getattr(program, "wire", None)
    if callable(wire):
        wire(system)
    task = Task(host.name, index, space.name, steps, progress)
    if traits.io_flusher:
        system.flush_only(task)
    if traits.realtime:
        system.schedule_in_real_time(task)
    return Loaded(index, kind, program, traits, system, task)


def _files(made: tuple[int, str, Any, Traits], name: str) -> tuple[File | None, File | None]:
    """The program's text and the file it uses, each if it has one."""
    index, kind, program, traits = made
    text, pages = _pages(index, kind, program, "text_pages"), _pages(index, kind, program, "file_pages")
    remote, distant = traits.on == "swap", traits.text_on == "swap"
    mapped, overwritten = traits.mapped, isinstance(program, Writer)
    return (
        File(f"the text of {name}", text, mapped=True, remote=distant) if text else None,
        File(f"the file of {name}", pages, mapped=mapped, overwritten=overwritten, remote=remote) if pages else None,
    )


def oldest_first(loaded: Sequence[Loaded]) -> list[Loaded]:
    """Daemons before ranks: they were started first, and the clock hand begins with them."""
    return sorted(loaded, key=lambda one: one.is_workload)


def swappable(loaded: Sequence[Loaded]) -> list[AddressSpace]:
    """The memory in which the clock hand looks for pages, in its order."""
    return [one.space for one in oldest_first(loaded) if one.space.pages and not one.traits.lock]


def locked(loaded: Sequence[Loaded]) -> list[AddressSpace]:
    """The memory that may not leave."""
    return [one.space for one in loaded if one.space.pages and one.traits.lock]


def warm_up(loaded: Sequence[Loaded], zone: Zone, swap_pages: int | None) -> None:
    """Fill the memory up to the high mark: what must be resident, then files that are read, then ranks.

    Daemons and program text must be resident, and of warm ranks what the server has no room for. Those of one kind share
    what there is, so that the order of the programs decides nothing. `swap_pages`: what the server holds, None without one.
    Raises `SettingsError`.
    """
    for one in loaded:
        _warm_daemon(one, zone)
    ranks = [one for one in loaded if one.is_workload and one.traits.start == "warm"]
    wanted = sum(one.space.pages for one in ranks)
    _warm_files(loaded, zone, max(0, wanted - (swap_pages or 0)))
    _warm_ranks(ranks, zone, swap_pages)


def _warm_daemon(one: Loaded, zone: Zone) -> None:
    """The memory of a program that is no rank is resident, and so is the text of any."""
    text = one.system.text
    if not one.is_workload and one.space.pages:
        if zone.take_many(zone.high_mark, one.space.pages) < one.space.pages:
            raise SettingsError(
                f"{one.space.name} needs {one.space.pages} pages and does not fit into memory",
                "give the machine more memory, or the program less",
                one.place,
            )
        one.space.warm(one.space.pages, WARM_VERSION)
    if text is not None:
        if zone.take_many(zone.high_mark, text.pages) < text.pages:
            wrong = f"{text.name} needs {text.pages} pages and does not fit into memory"
            raise SettingsError(wrong, "give the machine more memory, or the program less text", one.place)
        text.cache(text.pages)


def _warm_files(loaded: Sequence[Loaded], zone: Zone, kept_free: int) -> None:
    """Files that are read are in memory as far as there is room, but for the pages that ranks cannot do without."""
    files = [one.system.file for one in loaded if one.system.file is not None and one.traits.start == "warm"]
    room = max(0, zone.free - zone.high_mark - kept_free)
    for file, pages in zip(files, _shares([file.pages for file in files], room), strict=True):
        file.cache(zone.take_many(zone.high_mark, pages))


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """The share of each in `pages` pages: all that it wants, or its part of what there is."""
    total = sum(wanted)
    return list(wanted) if total <= room else [pages * room // total for pages in wanted]


def cached_files(files: Files, zone: Zone, cache: PageCache) -> None:
    """Pages of files that are in memory and that no program uses. Raises `SettingsError`."""
    for name, size, mapped in (
        ("clean", files.clean, False),
        ("text", files.text, True),
        ("dirty", files.dirty, False),
    ):
        pages = -(-size // PAGE)
        if not pages:
            continue
        if zone.take_many(zone.high_mark, pages) < pages:
            wrong = f"files need {pages} {name} pages, which do not fit into memory"
            raise SettingsError(wrong, "give the machine more memory, or it less of them")
        file = File(f"{name} files", pages, mapped=mapped)
        file.cache(pages, dirty=name == "dirty")
        cache.add(file)


def _warm_ranks(warm: Sequence[Loaded], zone: Zone, swap_pages: int | None) -> None:
    room = max(0, zone.free - zone.high_mark)
    swapped = 0
    for one, resident in zip(warm, _shares([one.space.pages for one in warm], room), strict=True):
        swapped += one.space.pages - resident
        if swapped > (swap_pages or 0):
            raise SettingsError(*_too_large(swapped, swap_pages), one.place)
        one.space.warm(resident, WARM_VERSION)
        zone.take_many(zone.high_mark, resident)


def _too_large(swapped: int, swap_pages: int | None) -> tuple[str, str]:
    wrong = f"{swapped} pages of warm ranks do not fit into memory"
    if swap_pages is None:
        return f"{wrong}, and there is no swap", "give the machine a swap, more memory, or a smaller working_set"
    return f"{wrong}, and the swap has {swap_pages}", "make the swap's size larger, or the working_set smaller"


def _program(index: int, kind: str, settings: dict[str, Any]) -> Any:
    try:
        maker = _maker(kind, settings) if kind in PROGRAMS else own_program(kind)
    except SettingsError as error:
        raise SettingsError(error.message, error.hint, index) from error
    try:
        return maker(**settings)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's class may fail in any way; that is an error of the input, not ours
        wrong = f"{kind} cannot be made of these settings: {_said(error)}"
        raise SettingsError(wrong, "its keys are the parameters of the class", index) from error


def talks(kind: str, settings: dict[str, Any]) -> Talks | None:
    """The machines that a program of this kind sends to; None if they cannot be known, as with all programs of users."""
    if kind not in PROGRAMS:
        return None
    said: Talks = _maker(kind, settings)(**settings).talks()
    return said


def _maker(kind: str, settings: dict[str, Any]) -> Callable[..., Any]:
    """The class of one of our own programs."""
    return PLAYERS[kind] if "recording" in settings else PROGRAMS[kind]


def own_program(kind: str) -> type:
    """The user's class of this name, package.module:Class. Imports its module. Raises `SettingsError`.

    What it is is seen from the class itself: many a class of Python's own does harm as soon as one is made.
    """
    module_name, _, name = kind.partition(":")
    try:
        module = import_module(module_name)
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        hint = "check the spelling, and that its folder is on PYTHONPATH"
        raise SettingsError(f'there is no module "{error.name}"', hint) from error
    except BaseException as error:  # the same: a module that leaves with SystemExit leaves us here
        raise SettingsError(f"{module_name} cannot be imported: {_said(error)}", "repair the module") from error
    program = vars(module).get(name)
    if not isinstance(program, type):
        near = get_close_matches(name, [one for one, value in vars(module).items() if isinstance(value, type)], n=1)
        hint = f'did you mean "{near[0]}"?' if near else "name one of its classes"
        raise SettingsError(f'there is no class "{name}" in {module_name}', hint)
    if not _is_generator(program):
        raise SettingsError(f"{kind} has no generator run", "write run(self, system) that yields requests")
    return program


def _is_generator(program: type) -> bool:
    """Whether its `run` is a generator, or one of our own programs', which may be compiled."""
    run = getattr(program, "run", None)
    ours = [getattr(one, "run", None) for one in PROGRAMS.values()]
    return run is not None and (run in ours or isgeneratorfunction(unwrap(run)))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _pages(index: int, kind: str, program: Any, name: str = "pages") -> int:
    """Anonymous pages, as the program's attribute or method `pages` says; a program without uses none."""
    try:
        pages = getattr(program, name, 0)
        value = (pages() if callable(pages) else pages) if pages is not None else 0
    except Exception as error:
        raise SettingsError(f"{kind}.{name} fails: {_said(error)}", "repair the class", index) from error
    if type(value) is not int or not 0 <= value <= _PAGES_MAX:
        hint = f"it is a whole number of pages, 0 to {_PAGES_MAX}"
        raise SettingsError(f"{kind}.{name} is {plainly(value)}", hint, index)
    return value
