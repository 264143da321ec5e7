"""The safeguards: every protective rule is a switch, every proposal a named set of switches.

`resolve` turns what a scenario writes (a preset, or a list of presets and switches, `-name` to turn one off) into
the set of switches that are on. Nothing here acts; the parts of a machine are built with a `policy.Policy` made of it.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from netswap.protocol.errors import HintedError
from netswap.protocol.units import shortened


@dataclass(frozen=True, slots=True)
class Switch:
    """One protective rule. `built` is False while it is a known word without a mechanism behind it."""

    name: str
    doc: str
    source: str
    built: bool = False


@dataclass(frozen=True, slots=True)
class Preset:
    """One proposal: the switches that it turns on together."""

    name: str
    switches: frozenset[str]
    doc: str
    source: str


class SafeguardError(HintedError):
    """A safeguard that cannot be had; `message` says why, `hint` what can."""


class UnknownSafeguard(SafeguardError):  # noqa: N818  (it is what a reader looks for)
    """A name that is neither a preset nor a switch."""


class SafeguardNotBuilt(SafeguardError):  # noqa: N818  (as above)
    """A known name whose mechanism does not exist yet."""


SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch(
            "reserve-access",
            "Reception may use a pool of its own, added under every watermark, once ordinary memory is gone; each "
            "buffer taken from it is charged against a limit and carries a mark. Page-ins and retransmissions may use "
            "the pool as well. In linux-6.11 it is no pool but what lies below the watermarks, for the data of a packet, "
            "and nothing is charged.",
            "Zijlstra, 20070806103659.399233000@chello.nl (pool), 20071030160913.811204000@chello.nl (network); "
            "6.11: net/core/skbuff.c",
            built=True,
        ),
        Switch(
            "memalloc-processing",
            "While a marked packet is processed, small allocations on its way (route, neighbour) may use the pool too.",
            "Zijlstra, 20080724141530.942450703@chello.nl; 6.11: net/core/dev.c",
            built=True,
        ),
        Switch(
            "drop-at-demux",
            "A marked packet that turns out to be for a socket which does not serve the swap is dropped and its "
            "memory returned at once.",
            "Zijlstra, 20080320202124.262771000@chello.nl; 6.11: net/core/filter.c (PFMEMALLOCDROP)",
            built=True,
        ),
        Switch(
            "slab-rule",
            "Objects of a slab page that came from the pool go only to requests that may use the pool.",
            "Zijlstra, 1186424248.11797.66.camel@lappy and 1187734144.5463.35.camel@lappy",
            built=True,
        ),
        Switch(
            "fragment-cover",
            "The pool is large enough to overflow the fragment caches, whose packets cannot be classified.",
            "Zijlstra, 20071214154441.337409000@chello.nl",
            built=True,
        ),
        Switch(
            "tx-bound",
            "No more requests are under way to the swap server than the pool has pages for.",
            "Zijlstra, 20071030160913.811204000@chello.nl; Phillips, 200709181140.58256.phillips@phunq.net",
            built=True,
        ),
        Switch(
            "tcp-exemption",
            "Sockets that serve the swap are exempt from TCP's global memory limit.",
            "Zijlstra, 20071030160914.457853000@chello.nl; 6.11: include/net/sock.h",
            built=True,
        ),
        Switch(
            "reclaim-throttle",
            "A task that enters direct reclaim sleeps while half of the reserve is used.",
            "Gorman, commit 5515061d22f0, mm/vmscan.c",
            built=True,
        ),
        Switch(
            "recursive-reclaim",
            "An allocation that fails inside reclaim enters reclaim again, for clean pages only.",
            "Lameter, 20070814143302.954893066@sgi.com",
            built=True,
        ),
        Switch(
            "atomic-reclaim",
            "Reception may reclaim clean file pages itself.",
            "Lameter, 20070814153021.446917377@sgi.com",
            built=True,
        ),
        Switch(
            "clean-minimum",
            "A fifth of memory is for clean pages of files: reclaim leaves them alone, and what is missing of them is kept from "
            "dirty and anonymous data. In an emergency they are dropped: within an allocation of reclaim or of reception that "
            "would fail.",
            "Lameter, Pine.LNX.4.64.0708151324121.7326@schroedinger.engr.sgi.com; "
            "Kleen, p731we43muw.fsf@bingen.suse.de",
            built=True,
        ),
        Switch(
            "clean-minimum-10",
            "The same share, a tenth of memory instead of a fifth.",
            "Lameter, Pine.LNX.4.64.0708151330180.7326@schroedinger.engr.sgi.com",
            built=True,
        ),
        Switch(
            "min-free-20",
            "min_free_kbytes is raised to a fifth of memory.",
            "discussed by Zijlstra, 1187183526.6114.45.camel@twins, and Gorman, 20120207132745.GH5938@suse.de",
            built=True,
        ),
        Switch(
            "bio-throttle",
            "Each block device accepts a bounded number of requests.",
            "Phillips, 200709171728.26180.phillips@phunq.net",
            built=True,
        ),
        Switch(
            "exempt-daemons",
            "A daemon of user space on the path of the writes (a proxy, a swap-server with pages of its own) runs with "
            "PF_MEMALLOC: no allocation in its name stops at a watermark, reclaims or is throttled. Its dirty limits are a "
            "quarter higher (PF_LESS_THROTTLE).",
            "Phillips, 200709171728.26180.phillips@phunq.net and 200709181140.58256.phillips@phunq.net; "
            "mm/page-writeback.c, get_dirty_limits",
            built=True,
        ),
        Switch(
            "laundry",
            "Reclaim takes clean pages first and writes the dirty ones it met only after the high mark is reached.",
            "Lameter, 20070820215040.937296148@sgi.com",
            built=True,
        ),
        Switch(
            "rx-head",
            "The head of a received packet may use the reserve like its data; without it packets die in the driver. "
            "In linux-2.6.22, where both are allocated together, reserve-access is enough.",
            "net/core/skbuff.c (Linux 6.1, 6.11)",
            built=True,
        ),
        Switch(
            "rx-refill",
            "The ring's refill may use the reserve where a driver allocates its buffers itself: virtio's page fragments are then "
            "tried like a packet's data, and what is received into such a fragment carries the mark. The worker that takes over "
            "after a failure allocates as before. Drivers that get their buffers from the stack have this with reserve-access.",
            "net/core/sock.c (skb_page_frag_refill), net/core/skbuff.c (skb_propagate_pfmemalloc), drivers/net/virtio_net.c",
            built=True,
        ),
    )
}

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("none", frozenset(), "The kernel as it was.", "Linux 2.6.22"),
        Preset(
            "reserve",
            frozenset(
                {
                    "reserve-access",
                    "memalloc-processing",
                    "drop-at-demux",
                    "slab-rule",
                    "fragment-cover",
                    "tx-bound",
                    "tcp-exemption",
                    "rx-head",
                }
            ),
            "Receive with a bounded reserve, and drop after demux whatever does not serve the swap.",
            "Zijlstra, 1187183526.6114.45.camel@twins; series 20071030160401.296770000@chello.nl",
        ),
        Preset(
            "recursive-reclaim",
            frozenset({"recursive-reclaim"}),
            "No reserve: where memory runs out inside reclaim, reclaim clean pages.",
            "Lameter, 20070814142103.204771292@sgi.com",
        ),
        Preset(
            "atomic-reclaim",
            frozenset({"atomic-reclaim"}),
            "No reserve: reception reclaims clean pages itself.",
            "Lameter, 20070814153021.446917377@sgi.com",
        ),
        Preset(
            "clean-minimum",
            frozenset({"clean-minimum"}),
            "A fifth of memory stays clean, and is reclaimed in an emergency.",
            "Lameter, Pine.LNX.4.64.0708151324121.7326@schroedinger.engr.sgi.com",
        ),
        Preset(
            "clean-minimum-10",
            frozenset({"clean-minimum-10"}),
            "The same with a tenth.",
            "Lameter, Pine.LNX.4.64.0708151330180.7326@schroedinger.engr.sgi.com",
        ),
        Preset(
            "min-free-20",
            frozenset({"min-free-20"}),
            "A fifth of memory read as free memory: min_free_kbytes is raised to it.",
            "Zijlstra, 1187183526.6114.45.camel@twins",
        ),
        Preset(
            "bio-throttle",
            frozenset({"bio-throttle"}),
            "Bound what is in flight to each device.",
            "Phillips, 200709171728.26180.phillips@phunq.net",
        ),
        Preset(
            "ddsnap",
            frozenset({"bio-throttle", "recursive-reclaim", "exempt-daemons"}),
            "What survived the tests of ddsnap: a throttled device, recursive reclaim, and an exempt daemon.",
            "Phillips, 200709050916.04477.phillips@phunq.net",
        ),
        Preset(
            "laundry",
            frozenset({"laundry"}),
            "Reclaim clean pages first, and write the dirty ones later.",
            "Lameter, 20070820215040.937296148@sgi.com",
        ),
        Preset(
            "merged",
            frozenset(
                {
                    "reserve-access",
                    "memalloc-processing",
                    "drop-at-demux",
                    "slab-rule",
                    "tcp-exemption",
                    "reclaim-throttle",
                }
            ),
            "What Linux 3.6 took in: no pool of its own, throttled reclaimers instead.",
            "Gorman, 1342075232-29267-1-git-send-email-mgorman@suse.de",
        ),
    )
}


def is_built(name: str) -> bool:
    """Whether this switch, or every switch of this preset, has its mechanism. KeyError for an unknown name."""
    return all(SWITCHES[switch].built for switch in switches_named(name))


def switches_named(name: str) -> frozenset[str]:
    """The switches a single name stands for, a preset's or itself. KeyError for an unknown name."""
    return PRESETS[name].switches if name in PRESETS else frozenset({SWITCHES[name].name})


def resolve(value: str | Sequence[str]) -> frozenset[str]:
    """The switches that are on, for a preset or for a list of presets, switches and `-name`.

    `-name` wins wherever it stands in the list. Raises UnknownSafeguard or SafeguardNotBuilt.
    """
    if isinstance(value, str):
        check_preset(value)
        return PRESETS[value].switches
    on: set[str] = set()
    off: set[str] = set()
    for name in value:
        check_name(name)
        (off if name.startswith("-") else on).update(switches_named(name.removeprefix("-")))
    return frozenset(on - off)


def check_preset(name: str) -> None:
    """Raise UnknownSafeguard unless `name` is a preset, SafeguardNotBuilt unless it is built."""
    if name not in PRESETS and name.removeprefix("-") in SWITCHES:
        raise UnknownSafeguard(f'"{name}" is a switch, not a preset', f"write a list: [{name}]")
    if name not in PRESETS:
        raise _unknown(name, tuple(PRESETS))
    _check_built(name)


def check_name(name: str) -> None:
    """Raise UnknownSafeguard unless `name` is a preset, a switch or `-` and one of these; else as check_preset."""
    bare = name.removeprefix("-")
    if bare not in PRESETS and bare not in SWITCHES:
        raise _unknown(bare, (*PRESETS, *SWITCHES))
    _check_built(bare)


def _check_built(name: str) -> None:
    if not is_built(name):
        known = PRESETS if name in PRESETS else SWITCHES
        raise SafeguardNotBuilt(f'"{name}" is not built yet', f"use {_any_of([one for one in known if is_built(one)])}")


def _unknown(name: str, known: Sequence[str]) -> UnknownSafeguard:
    near = difflib.get_close_matches(shortened(name), known, n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
    return UnknownSafeguard(f'there is no safeguard "{shortened(name)}"', hint)


def _any_of(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
