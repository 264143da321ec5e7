"""Checks on ranks that exchange messages: which ranks take part, what is said, and on which port."""

from netswap.actors.programs.collectives import EXCHANGES
from netswap.actors.programs.exchange import PORTS
from netswap.cluster.scenario.source import Place, Tree
from netswap.cluster.scenario.written import Written, text_in


def ranks(written: Written) -> None:
    """Each exchange has several ranks, one to a machine, and all know how much to say."""
    found: dict[str, list[tuple[str, Place]]] = {}
    for name in written.machines:
        for place, program, settings in written.programs_of(name):
            exchange = text_in(settings, "exchange")
            if program == "rank" and exchange in EXCHANGES:
                _message(written, place, exchange, settings)
                found.setdefault(exchange, []).append((name, place))
    for exchange, members in found.items():
        _one_each(written, exchange, members)
        _enough(written, exchange, members)


def port_of_ranks(written: Written, name: str, first: int, last: int) -> tuple[int, str] | None:
    """A port from `first` to `last` on which a rank of this machine is called, and the name of its exchange."""
    for _, program, settings in written.programs_of(name):
        exchange = text_in(settings, "exchange")
        if program == "rank" and exchange in EXCHANGES and first <= PORTS[exchange] <= last:
            return PORTS[exchange], exchange
    return None


def _message(written: Written, place: Place, exchange: str, settings: Tree) -> None:
    if settings.get("message", "none") == "none":
        key = "message" if "message" in settings else "exchange"
        written.report((*place, key), f"the size of the messages of its {exchange} is missing", "write message: 64KiB")


def _one_each(written: Written, exchange: str, members: list[tuple[str, Place]]) -> None:
    seen: set[str] = set()
    for name, place in members:
        if name in seen:
            hint = "let ranks of one exchange be on machines of their own"
            written.report((*place, "exchange"), f"{name} has a rank with exchange {exchange} already", hint)
        seen.add(name)


def _enough(written: Written, exchange: str, members: list[tuple[str, Place]]) -> None:
    name, place = members[0]
    if len(members) == 1 and len(written.cast.indexes(name)) == 1:
        hint = f"give another machine a rank with exchange: {exchange}, or write count: 2 under {name}"
        written.report((*place, "exchange"), f"nobody else has a rank with exchange {exchange}", hint)
