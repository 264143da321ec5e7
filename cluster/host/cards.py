"""What /sys/class/net and ethtool say of the network cards.

Formats: `ethtool -i`, `-g` and without an option, as its netlink and ioctl versions print them; net/core/net-sysfs.c.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from netswap.cluster.host.files import Saved, Tree

_INSIDE: Final = re.compile(
    r"(?:lo|veth|docker|br-|virbr|vmbr|ifb|dummy|tun|tap|bond|team|tunl|sit|gre|wg|flannel|cni|cali).*"
)
"""Names of what is no card."""
_FAILED: Final = re.compile(
    r"not supported|no such device|cannot get|netlink error|bad command line|not permitted|unrecognized option|no data available",
    re.IGNORECASE,
)
"""What ethtool says of what a card has not, or what it cannot be asked."""
_FILE: Final = re.compile(r"ethtool[ _.-]*(?:([ig])(?:[ _.-]+|$))?(.*?)(?:\.txt)?")


@dataclass(slots=True)
class Card:
    """One card: (value, the file that says it) of what is known."""

    name: str
    driver: tuple[str, str] | None = None
    ring: tuple[int, str] | None = None
    """Receive descriptors."""
    rate_mbit: tuple[int, str] | None = None
    mtu: tuple[int, str] | None = None
    is_up: bool = True


@dataclass(slots=True)
class _Cards:
    found: dict[str, Card] = field(default_factory=dict)

    def of(self, name: str) -> Card:
        return self.found.setdefault(name, Card(name))


def cards(tree: Tree) -> list[Card]:
    """The cards, the one that the traffic most likely goes through first: up, with a driver, the fastest."""
    known = _Cards()
    for path, match in tree.matching(r"sys/class/net/([^/]+)/(.+)"):
        saved = tree.get(path)
        if saved is not None and not _INSIDE.fullmatch(match[1]):
            _of_sys(known.of(match[1]), match[2].removeprefix("device/"), saved)
    texts = [(match[1], saved) for path, match in tree.matching(r"(?:.+/)?(ethtool[^/]*)") if (saved := tree.get(path))]
    for name, saved in texts:
        option, of = _of_name(name)
        of = _told_name(saved) or of
        if option in ("i", "g", "") and not _INSIDE.fullmatch(of or "eth0") and not _FAILED.search(saved.text):
            _of_ethtool(known, of, option, saved)
    there = sorted(known.found.values(), key=lambda one: one.name)
    return sorted(there, key=lambda one: (not one.is_up, one.driver is None, -(one.rate_mbit or (0, ""))[0]))


def _told_name(saved: Saved) -> str:
    """The card that the text itself names, as it does with -g and without an option."""
    match = re.search(r"^(?:Settings for|Ring parameters for) ([^\s:]+):", saved.text, re.M)
    return match[1] if match is not None else ""


def _named(known: _Cards, name: str) -> Card:
    """The card of a file of ethtool's; without a name in the file's it is the only one."""
    if not name and len(known.found) == 1:
        return next(iter(known.found.values()))
    return known.of(name or "card")


def _of_name(name: str) -> tuple[str, str]:
    """What option a file's name says, and which card: `ethtool_-g_eth0`, `ethtool-i.txt`, `ethtool_eth0`."""
    match = _FILE.fullmatch(name)
    if match is None:
        return "?", ""
    rest = match[2].strip(" _.-")
    if match[1] is None and re.match(r"[A-Za-z-]{1,6}[ _]", rest):
        return "?", ""  # another option: -S, -k, --show-eee
    return match[1] or "", rest


def _of_sys(card: Card, what: str, saved: Saved) -> None:
    text = saved.text.strip()
    if what == "speed":
        if text.isdigit() and int(text) > 0:
            card.rate_mbit = int(text), saved.label  # -1 or an error: no link, or a card that does not tell
    elif what == "mtu":
        card.mtu = saved.number(1, text, 65_536), saved.label
    elif what == "operstate":
        card.is_up = text not in ("down", "notpresent", "lowerlayerdown")
    elif what == "driver" and text:
        card.driver = text.rpartition("/")[2], saved.label


def _of_ethtool(known: _Cards, name: str, option: str, saved: Saved) -> None:
    """What ethtool has printed; it is known by its lines, or has to be what the file's name says."""
    driver = re.search(r"^driver:[ \t]*(\S*)", saved.text, re.M)
    speed = re.search(r"^\s*Speed:\s*(\d+)Mb/s", saved.text, re.M)
    if driver is not None:
        if not driver[1]:
            raise saved.wrong(_line(saved, driver.start()), "the driver is missing: the line is cut off")
        _named(known, name).driver = driver[1], saved.label
    elif "Ring parameters" in saved.text or re.search(r"^(?:Pre-set|Current)", saved.text, re.M):
        _rings(_named(known, name), saved)
    elif speed is not None and int(speed[1]) > 0:
        _named(known, name).rate_mbit = int(speed[1]), saved.label
    elif option:
        wanted = "driver: NAME" if option == "i" else "Current hardware settings, and RX: N below"
        raise saved.wrong(1, f"this is not what ethtool -{option} prints", f"there should be a line {wanted}")


def _rings(card: Card, saved: Saved) -> None:
    """`RX:` stands twice: the most that is possible, then what is in force."""
    section = in_force = 0
    for number, line in saved.lines():
        section += line.startswith(("Pre-set", "Current"))
        match = re.fullmatch(r"RX:\s*(\S*)\s*", line)
        in_force += match is not None and section >= 2
        if match is None or match[1] == "n/a":
            continue
        count = saved.number(number, match[1], 1 << 20)
        if section >= 2:
            card.ring = (count, saved.label) if count else None  # a virtual card may say that it has none
    if not in_force:
        last = max((number for number, _ in saved.lines()), default=1)
        raise saved.wrong(last, "there are no current hardware settings, or none with RX: the file is cut off")


def _line(saved: Saved, at: int) -> int:
    return saved.text.count("\n", 0, at) + 1
