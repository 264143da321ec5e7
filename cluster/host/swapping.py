"""Over what a machine swaps: a server on the network, a daemon of its own, or neither."""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from netswap.cluster.host.disks import Block, Mount, SwapArea, mount_of
from netswap.cluster.host.host import Host

NETWORK_FILES: Final = {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs"}
_OTHER_NETWORK_BLOCKS: Final = ("rbd", "drbd", "etherd", "rnbd")
_RELAYED_FILES: Final = re.compile(
    r"fuse\.(?:.*(?:sshfs|gluster|ceph|s3|gcs|gvfs|davfs|rclone|lizard|moose|mfs|juice|sea|beegfs|smb|curlftp|nfs).*)"
)
"""File systems of FUSE whose process keeps nothing itself: it relays to servers."""
_LAYERS_MAX: Final = 8
"""Layers of devices that are made of others."""
_BUT_ONE: Final = "; netswap knows no such device, and NBD is nearest: requests over one TCP connection"


class Way(StrEnum):
    """What is between the memory and where pages are kept."""

    NBD = "nbd"
    NFS = "nfs"
    ISCSI = "iscsi"
    DAEMON = "a daemon of this machine"
    LOCAL = "a disk or memory of this machine"
    NONE = "nothing"
    UNKNOWN = "unknown"


ON_THE_NETWORK: Final = (Way.NBD, Way.NFS, Way.ISCSI, Way.UNKNOWN)
_ORDER: Final = (Way.NBD, Way.NFS, Way.ISCSI, Way.UNKNOWN, Way.DAEMON, Way.LOCAL)


@dataclass(frozen=True)
class Swapping:
    """`size` and `used` in bytes, of all areas of this way; `why` is how it was recognised."""

    way: Way
    why: str
    size: int = 0
    used: int = 0
    device: str = ""
    """The name of a block device, with queue settings in /sys/block."""
    mount: Mount | None = None
    others: tuple[str, ...] = field(default=())
    """Areas of other ways, which the scenario leaves out."""
    relayed: bool = False
    """Whether a process or thread of this machine stands between it and the server, which is another machine."""
    crypt: bool = False
    """Whether dm-crypt lies above the device."""

    @property
    def is_asked_about(self) -> bool:
        """Whether its pages leave it, or go to a process of its own: then it is taken to be short of memory later."""
        return self.way in ON_THE_NETWORK or self.way is Way.DAEMON

    @property
    def on_disk(self) -> bool:
        """Whether a disk of its own keeps them."""
        return self.way is Way.LOCAL and self.size > 0 and not self.device.startswith("zram")


def swapping(host: Host) -> Swapping:
    """How the machine swaps. Of several ways the one over the network counts."""
    if host.swaps is None:
        total = host.meminfo["SwapTotal"]
        if not total:
            return Swapping(Way.NONE, f"SwapTotal is 0 in {host.meminfo.label}")
        why = (
            f"{total >> 20} MiB of swap ({host.meminfo.label}), and without swaps nobody can say where: NBD is assumed"
        )
        return Swapping(Way.UNKNOWN, why, total, total - host.meminfo["SwapFree"])
    areas = [(area, _area(host, area)) for area in host.swaps]
    if not areas:
        return Swapping(Way.NONE, f"{host.first_label('proc/swaps', 'swapon')} lists no area")
    first = min((found for _, found in areas), key=lambda one: (_ORDER.index(one.way), not one.relayed))
    same = [area for area, found in areas if (found.way, found.relayed) == (first.way, first.relayed)]
    others = tuple(f"{area.path}: {found.why}" for area, found in areas if area not in same)
    size, used = sum(area.size for area in same), sum(area.used for area in same)
    return replace(first, size=size, used=used, others=others)


def _area(host: Host, area: SwapArea) -> Swapping:
    where = f"{area.path} ({host.first_label('proc/swaps', 'swapon')})"
    if area.is_file:
        return _file(host, area.path, where)
    return _device(host, area.path, where)


def _device(host: Host, path: str, where: str) -> Swapping:
    name = PurePosixPath(path).name
    if name in host.devices and host.devices[name].parents and not _is_plain(name):
        return _made_of(host, name, where)
    disk = _disk(name)
    block = host.devices.get(disk, Block())
    if re.fullmatch(r"nbd\d+", disk):
        return _on_connection(host, Way.NBD, f"{where} is a network block device", disk)
    if disk.startswith("ublkb"):
        return Swapping(Way.DAEMON, f"{where} is a ublk device: its server is a process of this machine", device=disk)
    if disk.startswith("zram"):
        return Swapping(Way.LOCAL, f"{where} is compressed memory of this machine", device=disk)
    if disk.startswith("loop"):
        return _loop(host, block.backing, where, disk)
    if disk.startswith(_OTHER_NETWORK_BLOCKS) or "etherd" in path:
        return Swapping(Way.NBD, f"{where} is a block device on the network{_BUT_ONE}", device=disk)
    if block.transport == "nvme" or (disk.startswith("nvme") and host.tcp is not None and host.tcp.storage("nvme")):
        return Swapping(Way.NBD, f"{where} is a disk of NVMe over the network{_BUT_ONE}", device=disk)
    if block.transport == "iscsi":
        return _on_connection(host, Way.ISCSI, f"{where} hangs on an iSCSI session (/sys/block/{disk}, or lsblk)", disk)
    sessions = host.tcp.storage("iscsi") if host.tcp is not None else []
    if sessions and re.match(r"sd|dm|mapper", disk) and not block.transport:
        why = f"{where} is taken for an iSCSI disk: there is a connection to port 3260, and no other transport is known"
        return _on_connection(host, Way.ISCSI, why, disk)
    if re.match(r"dm-|mapper|md", disk) or path.startswith("/dev/mapper/"):
        files = f"sys/block/{disk}/slaves, or lsblk"
        why = f"{where} is made of other devices, and no file tells which ({files}): a disk's is assumed"
        return Swapping(Way.LOCAL, why, device=disk)
    return Swapping(Way.LOCAL, f"{where} is a disk of this machine, as far as its name tells", device=disk)


def _is_plain(name: str) -> bool:
    """Whether a device is told by its own name, whatever it stands on."""
    return re.match(r"nbd|ublkb|zram|loop|rbd|drbd|etherd", name) is not None


def _disk(name: str) -> str:
    """The disk of a partition."""
    if re.match(r"(nbd|nvme|mmcblk|loop|ublkb|rbd|md)", name):
        return re.sub(r"(?<=\d)p\d+$", "", name)
    return name if re.match(r"(dm-|drbd|zram|sr)", name) else re.sub(r"\d+$", "", name)


def _made_of(host: Host, name: str, where: str) -> Swapping:
    """A volume, a RAID, an encrypted device or a partition: of the devices below it the one on the network counts."""
    bottoms, crypt = [], False
    waiting = [(name, 0)]
    while waiting:
        one, depth = waiting.pop(0)
        block = host.devices.get(one, Block())
        crypt = crypt or block.is_crypt
        below = [] if _is_plain(one) or depth >= _LAYERS_MAX else block.parents
        waiting += [(parent, depth + 1) for parent in below]
        if not below:
            bottoms.append(one)
    found = [_device(host, f"/dev/{one}", f"{where} stands on {one}, which") for one in dict.fromkeys(bottoms)]
    first = min(found, key=lambda one: _ORDER.index(one.way))
    return replace(first, why=f"{first.why}; dm-crypt lies between" if crypt else first.why, crypt=crypt)


def _loop(host: Host, backing: str, where: str, disk: str) -> Swapping:
    if not backing:
        return Swapping(Way.LOCAL, f"{where} is a loop device, of which file is not known", device=disk)
    found = _file(host, backing, f"{where} is a loop device over {backing}, which")
    if found.way is Way.NFS:
        why = f"{found.why}: the loop device's thread writes it through the page cache, as a daemon would"
        return Swapping(Way.DAEMON, why, device=disk, mount=found.mount, relayed=True)
    return found


def _on_connection(host: Host, way: Way, why: str, disk: str) -> Swapping:
    """A device with a connection: where that goes, if it can be seen."""
    found = host.tcp.storage(str(way)) if host.tcp is not None else []
    if found and all(one.local for one in found):
        why = f"{why}, whose connection goes to a server on this machine itself ({_tables(host)})"
        return Swapping(Way.DAEMON, why, device=disk)
    if found:
        return Swapping(way, f"{why}; its connection goes to another machine ({_tables(host)})", device=disk)
    return Swapping(way, f"{why}; no connection to the usual port is seen: another machine's is assumed", device=disk)


def _tables(host: Host) -> str:
    return ", ".join(host.tcp.labels) if host.tcp is not None else ""


def _file(host: Host, path: str, where: str) -> Swapping:
    mount = mount_of(path, host.mounts) if host.mounts is not None else None
    if mount is None:
        return Swapping(Way.LOCAL, f"{where} is a file, on a file system that is not known: a disk's is assumed")
    label = host.first_label("proc/mounts", "mount")
    if mount.kind in ("nfs", "nfs4"):
        server = mount.options.get("addr", mount.device.rpartition(":")[0])
        if re.match(r"127\.|localhost|\[?::1\]?$", server) or mount.device.startswith(("127.", "localhost:", "[::1]:")):
            return Swapping(
                Way.DAEMON, f"{where} is a file on an NFS mount of this machine itself ({label})", mount=mount
            )
        return Swapping(Way.NFS, f"{where} is a file on an NFS mount ({label})", mount=mount)
    if _RELAYED_FILES.fullmatch(mount.kind):
        why = f"{where} is a file on {mount.kind}: a process of this machine relays to its servers ({label})"
        return Swapping(Way.DAEMON, why, mount=mount, relayed=True)
    if mount.kind.startswith("fuse") and mount.kind != "fusectl":
        return Swapping(
            Way.DAEMON, f"{where} is a file on {mount.kind}: its server is a process ({label})", mount=mount
        )
    if mount.kind in NETWORK_FILES:
        why = f"{where} is a file on {mount.kind} ({label}); netswap knows no such file system, and NFS is nearest"
        return Swapping(Way.NFS, why, mount=mount)
    return Swapping(Way.LOCAL, f"{where} is a file on {mount.kind} ({label})", mount=mount)
