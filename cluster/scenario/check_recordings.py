"""Checks on programs that can play a recording: what it says is not said again, and without one all has to be said."""

from collections.abc import Sequence
from typing import Final

from netswap.cluster.scenario.source import Place, Tree, show
from netswap.cluster.scenario.written import Written

_OF_CAPTURES: Final = ("ports", "only", "speed", "repeat")
_SAID_BY_CAPTURES: Final = ("protocol", "rate", "payload", "flows", "fragments", "link", "train", "burst")
_OF_TRACES: Final = ("pace", "speed", "repeat")
_SAID_BY_TRACES: Final = ("working_set", "touch", "compute", "pattern", "exchange", "message", "steps", "text")


def flood(written: Written, place: Place, settings: Tree) -> None:
    """A flood has a rate and a payload, or a capture."""
    if "pcap" in settings:
        _refuse(written, place, settings, _SAID_BY_CAPTURES, "pcap")
    else:
        _need(written, place, settings, {"rate": "100Mbit/s", "payload": "1472B"})
        _unused(written, place, settings, _OF_CAPTURES, "pcap")
    if "train" in settings and "burst" in settings:
        written.report((*place, "train"), "a burst is announced as one train", "remove train, or burst", key=True)


def rank(written: Written, place: Place, settings: Tree) -> None:
    """A rank has a working set and touches some of it, or a trace."""
    if "trace" in settings:
        _refuse(written, place, settings, _SAID_BY_TRACES, "trace")
    else:
        _need(written, place, settings, {"working_set": "640MiB", "touch": "32MiB"})
        _unused(written, place, settings, _OF_TRACES, "trace")


def _need(written: Written, place: Place, settings: Tree, examples: dict[str, str]) -> None:
    for key, example in examples.items():
        if key not in settings:
            written.report(place, f'"{key}" is missing in {show(place)}', f"add {key}: {example}", key=True)


def _refuse(written: Written, place: Place, settings: Tree, keys: Sequence[str], file: str) -> None:
    for key in keys:
        if key in settings:
            message = f'"{key}" does not go together with {file}, which has all of it in the file'
            written.report((*place, key), message, f"remove it, or {file}", key=True)


def _unused(written: Written, place: Place, settings: Tree, keys: Sequence[str], file: str) -> None:
    for key in keys:
        if key in settings:
            written.report(
                (*place, key),
                f'"{key}" says how a {file} is played, and there is none',
                f"add {file}: FILE, or remove it",
                key=True,
            )
