"""What no single value can tell: names that fit, safeguards and expectations that exist, and the checks beside this."""

import re
from collections.abc import Callable, Iterable

from netswap.actors import safeguards
from netswap.actors.safeguards import SafeguardError
from netswap.cluster.judge import expectations
from netswap.cluster.judge.expectations import Expectation, ExpectationError
from netswap.cluster.scenario import check_machines, check_ranks, check_timeline
from netswap.cluster.scenario.hardly_meant import hardly_meant
from netswap.cluster.scenario.source import Document, Place, Step, Tree, show
from netswap.cluster.scenario.words import MAX_MACHINES
from netswap.cluster.scenario.written import Written, is_own_program, items_in, mapping_in
from netswap.protocol.units import shortened

_MACHINE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
NAME_MAX = 64
_MAY_BE_EMPTY = ("network", "reserve", "record", "nic", "files", "disk", "tcp", "udp")


def check(document: Document) -> None:
    """Report on the document everything that the models cannot see."""
    written = Written(document)
    _empty_values(written, (), written.tree)
    _names(written)
    _safeguards(written, (), written.tree)
    for name, machine in written.machines.items():
        _safeguards(written, ("machines", name), machine)
        check_machines.machine(written, name)
    check_machines.loops(written)
    check_machines.mtu(written)
    check_ranks.ranks(written)
    _links(written)
    check_timeline.timeline(written)
    _recorded(written)
    _expect(written)
    hardly_meant(written)


def _empty_values(written: Written, place: Place, value: object) -> None:
    """A key without a value is a slip, unless it stands for a mapping whose words all have defaults."""
    if value is None and not _may_be_empty(place):
        written.report(place, f"{show(place)} has no value", "write one, or remove the key", key=True)
    for step, child in _children(value):
        if not is_own_program(step):
            _empty_values(written, (*place, step), child)


def _children(value: object) -> Iterable[tuple[Step, object]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _may_be_empty(place: Place) -> bool:
    is_machine = len(place) == 2 and place[0] == "machines"
    is_program = len(place) == 5 and place[2] == "programs"
    return is_machine or is_program or place[-1] in _MAY_BE_EMPTY


def _names(written: Written) -> None:
    """Machine names are words, and all different once counted machines are expanded."""
    for name in written.machines:
        if len(name) > NAME_MAX or not _MACHINE_NAME.fullmatch(name):
            hint = f"use letters, digits, - and _, beginning with a letter, {NAME_MAX} at most"
            written.report(("machines", name), f'"{shortened(name)}" is no name for a machine', hint, key=True)
    if written.too_many is not None:
        hint = f"stay within {MAX_MACHINES}"
        written.report(("machines", written.too_many), "these are too many machines, all together", hint, key=True)
    for second, name in written.cast.duplicates:
        hint = "counted machines are numbered from 0; give one of the two another name"
        written.report(("machines", second), f'there is a machine "{name}" already', hint, key=True)


def _safeguards(written: Written, place: Place, tree: Tree) -> None:
    """Safeguards are known and built."""
    value = tree.get("safeguards")
    if isinstance(value, str):
        _try_safeguard(written, (*place, "safeguards"), value, safeguards.check_preset)
    for index, name in enumerate(items_in(tree, "safeguards")):
        if isinstance(name, str):
            _try_safeguard(written, (*place, "safeguards", index), name, safeguards.check_name)


def _try_safeguard(
    written: Written, place: Place, name: str, test: Callable[[str], None], *, key: bool = False
) -> None:
    try:
        test(name)
    except SafeguardError as error:
        written.report(place, error.message, error.hint, key=key)


def _links(written: Written) -> None:
    """Links join machines that exist."""
    for index, link in enumerate(items_in(mapping_in(written.tree, "network"), "links")):
        written.pair(("network", "links", index), link)


def _recorded(written: Written) -> None:
    """What is recorded are machines that exist."""
    for index, name in enumerate(items_in(mapping_in(written.tree, "record"), "machines")):
        if isinstance(name, str):
            written.known(("record", "machines", index), name)


def _expect(written: Written) -> None:
    """Expectations can be read and are about machines that exist; their presets exist too."""
    for preset, _ in mapping_in(written.tree, "expect").items():
        _try_safeguard(written, ("expect", preset), preset, safeguards.check_preset, key=True)
        _claims(written, ("expect", preset), items_in(written.tree["expect"], preset))
    _claims(written, ("expect",), items_in(written.tree, "expect"))


def _claims(written: Written, place: Place, texts: list[object]) -> None:
    seen: dict[Expectation, int] = {}
    for index, text in enumerate(texts):
        claim = _claim(written, (*place, index), text) if isinstance(text, str) else None
        if claim is not None and claim in seen:
            line = written.document.position((*place, seen[claim]))[1]
            written.report(
                (*place, index), f"{claim.text} stands here already", f"remove it; the first is in line {line}"
            )
        elif claim is not None:
            seen[claim] = index


def _claim(written: Written, place: Place, text: str) -> Expectation | None:
    """The claim of a text, its spaces as they are usual."""
    try:
        claim = expectations.parse(" ".join(text.split()))
    except ExpectationError as error:
        written.report(place, error.message, error.hint)
        return None
    return claim if written.known(place, claim.machines[0]) else None
