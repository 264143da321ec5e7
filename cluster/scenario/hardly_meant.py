"""Warnings: what is no mistake, but hardly what was meant."""

from dataclasses import dataclass

from netswap.cluster.scenario.models import Service
from netswap.cluster.scenario.source import Place, Tree
from netswap.cluster.scenario.written import Written, mapping_in, number_in, rate_in, size_in, text_in, time_in
from netswap.protocol.units import seconds


@dataclass(slots=True)
class Flooded:
    """A port that is flooded: by which machine, and with how many messages a second."""

    source: str
    per_second: float


def hardly_meant(written: Written) -> None:
    """Warn of all that can be seen before a run."""
    for (target, port), flooded in _flooded(written).items():
        if mapping_in(written.machines[target], "swap"):
            _service_without_pages(written, target, port, flooded)


def _flooded(written: Written) -> dict[tuple[str, int], Flooded]:
    """All (machine, port), as written, that are flooded with messages for a program."""
    flooded: dict[tuple[str, int], Flooded] = {}
    for name in written.machines:
        for _, program, settings in written.programs_of(name):
            address = _address(written, settings) if program == "flood" and _reaches_programs(settings) else None
            rate, payload = rate_in(settings, "rate"), size_in(settings, "payload", "none")
            if address is not None and rate is not None and payload is not None:
                flooded.setdefault(address, Flooded(name, 0)).per_second += rate / (8 * (payload + 66))
    return flooded


def _reaches_programs(flood: Tree) -> bool:
    """Frames that are no IPv4, and datagrams that are never whole, no program reads."""
    return text_in(flood, "link") in (None, "ipv4") and text_in(flood, "fragments") in (None, "whole")


def _address(written: Written, flood: Tree) -> tuple[str, int] | None:
    target, _, text = (text_in(flood, "to") or "").partition(":")
    port = int(text) if text.isdecimal() and len(text) <= 5 else number_in(flood, "port")
    return None if port is None or target not in written.cast else (written.cast.written_of(target), port)


def _service_without_pages(written: Written, target: str, port: int, flooded: Flooded) -> None:
    """A service that never waits for memory is no part of the loop: if it is fast enough it reads through every outage."""
    for place, program, settings in written.programs_of(target):
        if program == "service" and _listens(settings, port) and _keeps_up(settings, flooded):
            pages = settings.get("pages", 0)
            if pages == 0:
                _warn(written, place, target, flooded.source, "has no pages of its own", "give it some (pages: 64)")
            elif settings.get("lock") is True:
                _warn(written, place, target, flooded.source, "keeps its pages in memory (lock)", "remove lock")


def _listens(service: Tree, port: int) -> bool:
    first = number_in(service, "port")
    sockets = number_in(service, "sockets", Service.model_fields["sockets"].default)
    return first is not None and sockets is not None and first <= port < first + sockets


def _keeps_up(service: Tree, flooded: Flooded) -> bool:
    """Whether it can read all that comes; program text, too, has to come back from disk before it can."""
    work_ns = time_in(service, "work") or 0
    return "text" not in service and work_ns * flooded.per_second < seconds(1)


def _warn(written: Written, place: Place, target: str, source: str, why: str, cure: str) -> None:
    message = (
        f"the service of {target} that {source} floods {why}: it never waits for memory, and reads through any outage"
    )
    written.document.warn(place, message, f"{cure}, or it cannot be part of a deadlock of {target}", key=True)
