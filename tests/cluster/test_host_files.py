"""Files as hosts really have them: saved by process, refused, listed by commands, of other byte orders and page sizes.

Each folder is made up here; what it must come to is computed from what is written into it.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from netswap import from_host, seconds
from netswap.cluster.host import places, swapping
from netswap.cluster.host.host import Host, host
from netswap.cluster.host.swapping import Way
from netswap.cluster.lab import open_cluster
from netswap.cluster.scenario import ScenarioError

SCRIPT = Path(places.__file__).parent / "collect.sh"
MIB = 1024
MEMINFO = "MemTotal: {total} kB\nMemFree: 4096 kB\nAnonPages: 8192 kB\nSwapTotal: {swap} kB\nSwapFree: {swap} kB\n"
TABLE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode{more}\n"
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def socket(number: int, here: str, there: str, state: str, end: str = "") -> str:
    """A line of /proc/net/udp or tcp."""
    return f" {number:4}: {here} {there} {state} 00000000:00000000 00:00000000 00000000     0        0 1{end}\n"


def folder_of(tmp_path: Path, files: dict[str, str], total: int = 256 * MIB, swap: int = 0) -> Path:
    """A host's folder with this memory and swap (kB) and these files."""
    for name, text in ({"proc/meminfo": MEMINFO.format(total=total, swap=swap)} | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def read(folder: Path) -> Host:
    """What its files say."""
    return host(places.opened(folder))


def scenario(folder: Path) -> tuple[dict, str]:
    """Its scenario, as mappings and as text."""
    text = from_host(folder)
    return YAML(typ="safe").load(text), text


def programs(tree: dict, machine: str, name: str) -> list[dict]:
    """Settings of the programs of one name."""
    return [one[name] for one in tree["machines"][machine]["programs"] if name in one]


# -- what is there, and what is not -------------------------------------------------------------------------------------


def test_net_and_mounts_of_a_process_stand_for_the_links_that_lead_there(tmp_path):
    """As sosreport saves them. Of several processes itself counts, then the first, then the latest."""
    one = TABLE.format(more="") + socket(1, "00000000:0044", "00000000:0000", "07")
    folder = folder_of(tmp_path, {"proc/1252/net/udp": one, "proc/3255/net/udp": one + one.splitlines()[1] + "\n"})
    (folder / "proc/net").symlink_to("self/net")
    assert read(folder).udp.count == 2
    folder_of(tmp_path, {"proc/1/net/udp": one, "proc/3255/mounts": "10.0.0.1:/x / nfs rw 0 0\n"})
    assert read(folder).udp.count == 1
    assert read(folder).mounts[0].kind == "nfs"


def test_links_of_sys_lead_to_devices(tmp_path):
    """A copy with links as they are has the files below sys/devices."""
    card = "sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.0/net/eth0"
    folder = folder_of(tmp_path, {f"{card}/speed": "2500\n", f"{card}/mtu": "1500\n"})
    assert read(folder).cards[0].rate_mbit[0] == 2500


def test_a_file_that_cannot_be_read_is_in_the_list_with_the_reason(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, {"proc/zoneinfo": "", "proc/buddyinfo": "cat: /proc/buddyinfo: Permission denied\n"})
    really = places._read

    def refuse(top, path, most):
        if path.endswith("zoneinfo"):
            raise PermissionError(13, "Permission denied")
        return really(top, path, most)

    monkeypatch.setattr(places, "_read", refuse)
    tree, text = scenario(folder)
    said = text.split("# What could not be read:")[1].split("\n\n")[0]
    assert "#   - zoneinfo: Permission denied" in said
    assert "#   - buddyinfo: it says only: cat: /proc/buddyinfo: Permission denied" in said
    assert tree["machines"]["A"]["min_free"] == "none"


MARKS = "        min 60\n        low 75\n        high 90\n        present {pages}\n        managed {pages}\n"
ZONE = "Node {node}, zone {name:>8}\n  pages free 900\n" + MARKS


def zones(*pages: tuple[int, str, int]) -> str:
    """A zoneinfo of zones: node, name, managed pages."""
    return "".join(ZONE.format(node=node, name=name, pages=count) for node, name, count in pages)


TWO_ZONES = zones((0, "DMA", 3840), (0, "DMA32", 61_000))


def test_zones_are_those_of_zoneinfo_and_together_the_memory(tmp_path):
    """256 MiB are 65,536 pages: 3840 (15 MiB) are DMA, and DMA32 has what MemTotal leaves of its 61,000."""
    tree, text = scenario(folder_of(tmp_path, {"proc/zoneinfo": TWO_ZONES}))
    assert tree["machines"]["A"]["zones"] == {"DMA": "15MiB", "DMA32": "241MiB"}
    assert "the scenario has one zone" not in text
    with open_cluster(text, stop="1s", timeline=[]) as cluster:
        cluster.run_for(seconds(1) // 10)


@pytest.mark.parametrize(
    "told",
    [
        zones((0, "DMA", 3840), (0, "DMA32", 30_000), (1, "DMA32", 31_000)),
        zones((0, "DMA", 3840), (0, "Normal", 40_000), (0, "HighMem", 21_000)),
        zones((0, "DMA", 3840), (0, "DMA32", 55_000)),
    ],
    ids=["two nodes", "32 bits", "less than MemTotal by more than a sixteenth"],
)
def test_zones_that_a_scenario_cannot_have_are_said(tmp_path, told):
    """It has one zone then."""
    tree, text = scenario(folder_of(tmp_path, {"proc/zoneinfo": told}))
    assert "zones" not in tree["machines"]["A"]
    assert "the scenario has one zone, the machine" in text


def test_reserved_huge_pages_are_the_highest_zones(tmp_path):
    """They are in managed and in MemTotal, and not in the memory that a scenario has: 64 MiB here."""
    meminfo = MEMINFO.format(total=256 * MIB, swap=0) + "HugePages_Total: 32\nHugepagesize: 2048 kB\n"
    tree, _ = scenario(folder_of(tmp_path, {"proc/meminfo": meminfo, "proc/zoneinfo": TWO_ZONES}))
    assert tree["machines"]["A"]["zones"]["DMA32"] == f"{192 - 15}MiB"


def test_nothing_that_a_value_is_assumed_for_is_missing_from_the_list(tmp_path):
    """Each comment that says assumed has its line at the top."""
    _, text = scenario(folder_of(tmp_path, {}, swap=128 * MIB))
    top, below = text.split("\ntitle:")
    listed = [line for line in top.split("and is assumed:")[1].splitlines() if line.startswith("#   - ")]
    for line in below.splitlines():
        if "# assumed: " in line and ": " in line.split("#")[0]:
            value = line.split("  #")[0].strip().removeprefix("- ")
            assert any(value.split(":")[0] in one for one in listed), line


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("proc/buddyinfo", "Node 0, zone      DMA   1  2  3\nNode 0, zone   Normal   1  2\n", 2),
        ("proc/swaps", f"{SWAPS}/dev/nbd0 partition 100 0 -\n", 2),
        ("proc/mounts", "proc /proc proc rw 0 0\n10.0.0.1:/x / nfs rw,vers=3,rsi\n", 2),
        ("proc/meminfo", "MemTotal: 262144 kB\nHugepagesize:       20\n", 2),
        ("proc/meminfo", "", 1),
        ("swapon--show.txt", "NAME      TYPE SIZE USED PRIO\n/dev/dm-1 partition 2G\n", 2),
    ],
)
def test_a_line_that_is_cut_off_is_an_error_with_its_place(tmp_path, name, text, line):
    folder = folder_of(tmp_path, {name: text})
    with pytest.raises(ScenarioError) as error:
        from_host(folder)
    (problem,) = error.value.problems
    assert (problem.file, problem.line) == (str(folder / name), line)


def test_a_number_that_no_scenario_has_may_be_wrapped(tmp_path):
    """Committed_AS has been seen beyond 2^63."""
    folder = folder_of(tmp_path, {})
    with (folder / "proc/meminfo").open("a") as file:
        file.write("Committed_AS:   18446744073709551000 kB\nFancy-Pool size: 12 kB\n")
    assert read(folder).meminfo["MemTotal"] == 256 << 20


# -- sizes of pages, byte orders, kernels -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [4, 16, 64])
def test_a_page_is_what_all_that_is_counted_in_pages_is_a_multiple_of(tmp_path, page):
    """Six counts of 5, 7, 9, ... pages; KernelStack is in KiB, and says nothing."""
    names = ("MemFree", "Buffers", "Cached", "AnonPages", "Mapped", "Slab")
    counts = "".join(f"{name}: {(5 + 2 * at) * page} kB\n" for at, name in enumerate(names))
    folder = folder_of(tmp_path, {"proc/meminfo": f"MemTotal: 3897152 kB\n{counts}KernelStack: 14353 kB\n"})
    assert read(folder).page[0] == page * 1024


@pytest.mark.parametrize(
    ("here", "loopback"),
    [
        ("0100007F", True),
        ("7F000001", True),
        ("0100000A", False),
        ("00000000000000000000000001000000", True),
        ("00000000000000000000000000000001", True),
        ("0000000000000000FFFF00000100007F", True),
        ("00000000000000000000FFFF7F000001", True),
        ("0000000000000000FFFF00000100000A", False),
    ],
)
def test_the_loopback_is_known_in_either_byte_order(tmp_path, here, loopback):
    any_address = "0" * len(here)
    table = TABLE.format(more="") + socket(1, f"{here}:0035", f"{any_address}:0000", "07")
    udp = read(folder_of(tmp_path, {"proc/net/udp": table})).udp
    assert (udp.loopback, udp.count) == ((1, 0) if loopback else (0, 1))


@pytest.mark.parametrize(
    ("release", "vm"),
    [
        ("3.10.0-1160.el7.x86_64", {"watermark_boost_factor": 0, "watermark_scale_factor": 1}),
        ("4.18.0-513.el8.x86_64", {"watermark_boost_factor": 0}),
        ("5.15.0-91-generic", {}),
        ("2.6.18-8.el5", {}),
    ],
)
def test_what_the_nearest_kernel_has_and_the_machine_s_has_not_is_switched_off(tmp_path, release, vm):
    """The scale factor came with 4.6, the boost with 5.0; Linux 2.6.22 has neither."""
    tree, _ = scenario(folder_of(tmp_path, {"proc/sys/kernel/osrelease": f"{release}\n"}))
    assert tree["machines"]["A"].get("vm", {}) == vm


def test_a_boost_that_is_off_is_off_in_the_scenario(tmp_path):
    files = {"proc/sys/kernel/osrelease": "6.1.0-13-amd64\n", "proc/sys/vm/watermark_boost_factor": "0\n"}
    tree, _ = scenario(folder_of(tmp_path, files))
    assert tree["machines"]["A"]["vm"] == {"watermark_boost_factor": 0}


# -- sockets ------------------------------------------------------------------------------------------------------------

SS_UDP = """State  Recv-Q Send-Q Local Address:Port Peer Address:Port
UNCONN 0      0            0.0.0.0:53        0.0.0.0:*     users:(("named",pid=1,fd=3))
\t skmem:(r0,rb{big},t0,tb212992,f4096,w0,o0,bl0,d7)
UNCONN 0      0            0.0.0.0:68        0.0.0.0:*
\t skmem:(r0,rb212992,t0,tb212992,f4096,w0,o0,bl0,d0)
UNCONN 0      0          127.0.0.1:323       0.0.0.0:*
\t skmem:(r0,rb999999,t0,tb212992,f4096,w0,o0,bl0,d0)
ESTAB  0      0     192.168.1.2%eth0:546  192.168.1.1:547
\t skmem:(r0,rb212992,t0,tb212992,f4096,w0,o0,bl0,d0)
"""


def test_sockets_with_buffers_of_their_own_are_a_service_of_their_own(tmp_path):
    """One of 8 MiB, two of the setting's size; what only loopback reaches is none. Each service has its flood."""
    files = {"ss-umn.txt": SS_UDP.format(big=8 << 20), "proc/sys/net/core/rmem_default": "212992\n"}
    tree, text = scenario(folder_of(tmp_path, files))
    services = programs(tree, "A", "service")
    assert [(one["sockets"], one["buffer"]) for one in services] == [(1, f"{8 << 20}B"), (2, "212992B")]
    assert [one["to"] for one in programs(tree, "B", "flood")] == [f"A:{one['port']}" for one in services]
    assert "7 datagrams have found no room" in text


def test_of_many_sizes_the_largest_are_told_apart_and_the_rest_has_their_mean(tmp_path):
    """Sizes of 1 to 5 MiB: 5, 4 and 3 stand alone, and of 1 and 2 the mean is 1.5."""
    lines = "".join(
        f"UNCONN 0 0 0.0.0.0:{9000 + mib} 0.0.0.0:*\n\t skmem:(r0,rb{mib << 20},t0,tb1,f0,w0,o0,bl0,d0)\n"
        for mib in range(1, 6)
    )
    tree, _ = scenario(folder_of(tmp_path, {"ss-umna": f"State Recv-Q Send-Q Local Peer\n{lines}"}))
    sizes = [(one["sockets"], int(one["buffer"][:-1])) for one in programs(tree, "A", "service")]
    assert sizes == [(1, 5 << 20), (1, 4 << 20), (1, 3 << 20), (2, 3 << 19)]


def test_the_tables_count_and_ss_adds_sizes(tmp_path):
    """Three sockets on two ports in the table; ss knows that of port 53."""
    table = TABLE.format(more=" ref pointer drops") + "".join(
        socket(at, f"00000000:{port:04X}", "00000000:0000", "07", " 2 0000 3") for at, port in enumerate((53, 514, 514))
    )
    files = {
        "proc/net/udp": table,
        "ss-umn.txt": SS_UDP.format(big=1 << 20),
        "proc/sys/net/core/rmem_default": "212992\n",
    }
    folder = folder_of(tmp_path, files)
    tree, _ = scenario(folder)
    sizes = {(one["sockets"], one["buffer"]) for one in programs(tree, "A", "service")}
    assert sizes == {(1, f"{1 << 20}B"), (2, "212992B")}
    assert read(folder).udp.dropped == 9


def test_without_tables_a_listing_of_netstat_or_ss_tells_the_sockets(tmp_path):
    """Two listen to the network, one only to loopback; of two connections one was opened from here."""
    listing = """Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN
tcp        0      0 127.0.0.1:25            0.0.0.0:*               LISTEN
tcp        0      0 192.168.1.2:22          192.168.1.9:50022       ESTABLISHED
tcp        0      0 192.168.1.2:45000       192.168.1.7:443         ESTABLISHED
tcp6       0      0 :::80                   :::*                    LISTEN
udp        0      0 0.0.0.0:68              0.0.0.0:*
"""
    found = read(folder_of(tmp_path, {"sos_commands/networking/netstat_-W_-neopa": listing}))
    assert (found.tcp.count, found.tcp.loopback, found.udp.count) == (2, 1, 1)
    assert found.tcp.traffic.total() == 2


def test_without_listening_sockets_connections_tell_their_ports(tmp_path):
    """`ss -tmn` shows none: a port below 32768 is one that something listens on."""
    listing = "State Recv-Q Send-Q Local Peer\n" + "".join(
        f"ESTAB 0 0 10.0.0.2:{here} 10.0.0.9:{there}\n\t skmem:(r0,rb{size},t0,tb1,f0,w0,o0,bl0,d0)\n"
        for here, there, size in ((22, 50000, 131072), (22, 50001, 6 << 20), (40000, 443, 262144))
    )
    found = read(folder_of(tmp_path, {"ss-tmn.txt": listing}))
    assert dict(found.tcp.ports) == {22: 1}
    assert sorted(found.listed.connected) == [131072, 262144, 6 << 20]


# -- what a device stands on --------------------------------------------------------------------------------------------

LSBLK = """NAME          MAJ:MIN RM SIZE RO TYPE  MOUNTPOINT
sda             8:0    0  20G  0 disk
nvme0n1       259:0    0  20G  0 disk
├─nvme0n1p1   259:1    0   1G  0 part  /boot
└─nvme0n1p2   259:2    0  19G  0 part
  ├─cl-root   253:0    0  17G  0 lvm   /
  └─cl-swap   253:1    0   2G  0 lvm   [SWAP]
nbd0           43:0    0   4G  0 disk
└─swap_crypt  253:2    0   4G  0 crypt [SWAP]
"""
ISCSI = TABLE.format(more="") + socket(1, "0200000A:A7F2", "0100000A:0CBC", "01")


def swap_of(folder: Path, device: str, **files: str) -> swapping.Swapping:
    """How a host with this swap device swaps."""
    swaps = f"{SWAPS}{device} partition {64 * MIB} 0 -2\n"
    return swapping.swapping(read(folder_of(folder, {"proc/swaps": swaps, **files}, swap=64 * MIB)))


def test_a_volume_is_where_its_disk_is_whatever_else_is_connected(tmp_path):
    """There is an iSCSI session, for sda; the swap is a volume on an NVMe disk. Without lsblk nobody could say."""
    assert swap_of(tmp_path, "/dev/dm-1", lsblk=LSBLK, **{"proc/net/tcp": ISCSI}).way is Way.LOCAL
    (tmp_path / "lsblk").unlink()
    assert swap_of(tmp_path, "/dev/dm-1").way is Way.ISCSI


@pytest.mark.parametrize("device", ["/dev/dm-2", "/dev/mapper/swap_crypt"])
def test_dm_crypt_over_nbd_is_nbd_with_a_layer(tmp_path, device):
    found = swap_of(tmp_path, device, lsblk=LSBLK)
    assert (found.way, found.crypt) == (Way.NBD, True)
    tree, _ = scenario(tmp_path)
    assert tree["machines"]["A"]["swap"]["layer"] == {}
    with open_cluster(from_host(tmp_path), stop="3s", timeline=[]) as cluster:
        cluster.run_for(seconds(1))
        assert cluster["A"].counters["lost_pages"] == 0


def test_slaves_in_sys_say_the_same_as_lsblk(tmp_path):
    files = {"sys/block/dm-7/slaves/md0": "slave\n", "sys/block/md0/slaves/rbd1": "slave\n"}
    files["sys/block/dm-7/dm/uuid"] = "CRYPT-LUKS2-1-x\n"
    found = swap_of(tmp_path, "/dev/dm-7", **files)
    assert (found.way, found.crypt) == (Way.NBD, True)
    assert "rbd1" in found.why


@pytest.mark.parametrize(
    ("link", "way"),
    [
        ("../devices/virtual/nvme-fabrics/ctl/nvme0/nvme0n1", Way.NBD),
        ("../devices/pci0000:00/0000:00:1d.0/nvme/nvme0/nvme0n1", Way.LOCAL),
    ],
)
def test_nvme_over_the_network_is_on_the_network(tmp_path, link, way):
    (tmp_path / "sys/block").mkdir(parents=True)
    (tmp_path / "sys/block/nvme0n1").symlink_to(link)
    assert swap_of(tmp_path, "/dev/nvme0n1p3").way is way


def test_a_loop_device_over_nfs_relays_to_a_server_that_can_be_away(tmp_path):
    files = {"sys/block/loop0/loop/backing_file": "/mnt/swap.img\n", "proc/mounts": "10.0.0.1:/x /mnt nfs rw 0 0\n"}
    assert swap_of(tmp_path, "/dev/loop0", **files).relayed
    tree, _ = scenario(tmp_path)
    assert (tree["machines"]["A"]["swap"]["server"], tree["machines"]["A"]["swap"]["via"]) == ("C", "proxy")
    assert programs(tree, "A", "proxy")
    assert tree["timeline"][0]["partition"] == ["C"]


@pytest.mark.parametrize(("kind", "relayed"), [("fuse.sshfs", True), ("fuse.glusterfs", True), ("fuseblk", False)])
def test_a_file_system_of_fuse_relays_or_keeps_itself(tmp_path, kind, relayed):
    folder = folder_of(tmp_path, {"proc/swaps": f"{SWAPS}/s file 1024 0 -2\n", "proc/mounts": f"x / {kind} rw 0 0\n"})
    found = swapping.swapping(read(folder))
    assert (found.way, found.relayed) == (Way.DAEMON, relayed)


def test_a_host_that_swaps_to_its_own_disk_has_that_disk(tmp_path):
    """100 MiB are out already, beside the anonymous pages that are there: the rank needs both, and it runs."""
    swaps = f"{SWAPS}/dev/sda2 partition {512 * MIB} {100 * MIB} -2\n"
    folder = folder_of(tmp_path, {"proc/swaps": swaps}, swap=512 * MIB)
    tree, text = scenario(folder)
    assert tree["machines"]["A"]["swap"]["on"] == "disk"
    (rank,) = programs(tree, "A", "rank")
    memory = 256 * MIB
    assert rank["working_set"] == f"{(memory // 16 + 100 * MIB) // MIB}MiB"
    with open_cluster(text, stop="3s") as cluster:
        cluster.run_for(seconds(1))
        assert cluster["A"].counters["lost_pages"] == 0


@pytest.mark.parametrize(
    ("name", "text", "size", "used"),
    [
        (
            "swapon--show.txt",
            "NAME      TYPE      SIZE USED PRIO\n/dev/nbd1 partition 1.5G 512K -2\n",
            3 << 29,
            1 << 19,
        ),
        (
            "sos_commands/memory/swapon_--bytes_--show",
            "NAME TYPE SIZE USED PRIO\n/dev/nbd1 partition 1073741824 0 -2\n",
            1 << 30,
            0,
        ),
        ("swapon-s", f"{SWAPS}/dev/nbd1 partition 1024 0 -2\n", 1 << 20, 0),
    ],
)
def test_swapon_says_what_swaps_says(tmp_path, name, text, size, used):
    found = swapping.swapping(read(folder_of(tmp_path, {name: text})))
    assert (found.way, found.size, found.used) == (Way.NBD, size, used)


def test_mount_says_what_mounts_says(tmp_path):
    line = "10.0.0.1:/x y on /var/swap type nfs4 (rw,vers=4.2,proto=tcp,addr=10.0.0.1)\n"
    folder = folder_of(tmp_path, {"mount.txt": line, "proc/swaps": f"{SWAPS}/var/swap/f file 1024 0 -2\n"})
    found = swapping.swapping(read(folder))
    assert found.way is Way.NFS
    assert found.mount.options["proto"] == "tcp"


# -- cards --------------------------------------------------------------------------------------------------------------


def test_what_ethtool_refuses_says_nothing_and_a_card_is_named_by_what_it_prints(tmp_path):
    files = {
        "ethtool_-g_eth5": "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n",
        "ethtool_-g_bond0.102@bond0": "Cannot get device ring settings: No such device\nRing parameters for x:\n",
        "ethtool_--phy-statistics_eth2": "no stats available\n",
        "ethtool_-S_eth2": "NIC statistics:\n    rx_packets: 912398\n",
        "ring/ethtool_g": "Ring parameters for eth2:\nPre-set maximums:\nRX:\t511\nCurrent hardware settings:\nRX:\t200\n",
        "ethtool_-i_eth2": "driver: tg3\nversion: 3.137\n",
        "ethtool_-g_eth9": "Ring parameters for eth9:\nPre-set maximums:\nRX:\t0\nCurrent hardware settings:\nRX:\t0\n",
    }
    found = read(folder_of(tmp_path, files)).cards
    assert {one.name for one in found} == {"eth2", "eth9"}
    assert (found[0].name, found[0].driver[0], found[0].ring[0]) == ("eth2", "tg3", 200)


# -- packed folders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz"])
def test_a_folder_may_be_packed_in_any_way(tmp_path, packing):
    """With junk that packs a thousandfold beside it: it is passed over."""
    folder = folder_of(tmp_path / "host", {"proc/sys/vm/min_free_kbytes": "2048\n"})
    with (folder / "core").open("wb") as file:
        file.truncate(20 << 20)
    name = tmp_path / f"host.tar.{packing}"
    with tarfile.open(name, f"w:{packing}") as archive:
        archive.add(folder, arcname="host")
    assert YAML(typ="safe").load(from_host(name)) == YAML(typ="safe").load(from_host(folder))


def test_names_that_an_archive_has_besides_are_forgotten(tmp_path, monkeypatch):
    """tarfile keeps a record of each member that it has seen; of 300,000 these would be 130 MB."""
    folder = folder_of(tmp_path / "host", {"proc/sys/vm/min_free_kbytes": "2048\n"})
    name, kept = tmp_path / "host.tar", []
    with tarfile.open(name, "w") as archive:
        for number in range(50):
            archive.addfile(tarfile.TarInfo(f"junk/{number}.bin"))
        archive.add(folder, arcname="host")

    class Watched(tarfile.TarFile):
        def next(self):
            kept.append(len(self.members))
            return super().next()

    monkeypatch.setattr(places.tarfile, "open", Watched.open)
    assert places.opened(name).get("proc/sys/vm/min_free_kbytes").text == "2048\n"
    assert len(kept) > 50
    assert max(kept) <= 1


# -- control groups -----------------------------------------------------------------------------------------------------


def test_groups_above_each_other_limit_and_groups_beside_each_other_do_not(tmp_path):
    """The least of a group and those above it; of a whole machine's groups none, however small."""
    top = "sys/fs/cgroup"
    files = {f"{top}/a.slice/memory.max": "134217728\n", f"{top}/a.slice/b.scope/memory.max": "max\n"}
    folder = folder_of(tmp_path, files)
    assert read(folder).limit.size == 128 << 20
    folder_of(tmp_path, {f"{top}/c.slice/memory.max": "1048576\n"})
    assert read(folder).limit is None
    assert "the scenario is about the machine as a whole" in from_host(folder)


def test_a_limit_of_version_1_that_is_none_is_none(tmp_path):
    """It writes the largest number of whole pages."""
    name = "sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert read(folder_of(tmp_path, {name: f"{(1 << 63) - 4096}\n"})).limit is None


# -- what the script makes of ss ----------------------------------------------------------------------------------------

SS = """#!/bin/sh
cat <<'X'
State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
UNCONN 0      0      127.0.0.53%lo:53        0.0.0.0:*     users:(("named",pid=17,fd=3))
\t skmem:(r0,rb212992,t0,tb212992,f4096,w0,o0,bl0,d7)
UNCONN 0      0      10.1.2.3%eth0:68        0.0.0.0:*
\t skmem:(r0,rb8388608,t0,tb212992,f4096,w0,o0,bl0,d0)
ESTAB  0      0      [2001:470:1::5]:22      [2001:470:1::6]:50022   timer:(keepalive,1min,0) ino:5 sk:6
\t skmem:(r0,rb369280,t0,tb87040,f0,w0,o0,bl0,d0) ts sack cubic
ESTAB  0      0      10.1.2.3:45000          10.1.2.3:10809
\t skmem:(r0,rb369280,t0,tb87040,f0,w0,o0,bl0,d0)
LISTEN 0      128    [::]:22                 [::]:*
\t skmem:(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d0)
X
"""


@pytest.mark.parametrize("shell", [one for one in ("dash", "bash", "busybox") if shutil.which(one)])
def test_the_script_keeps_states_ports_and_sizes_and_no_address(tmp_path, shell):
    """Loopback stays, another machine is another, and a connection to an address of one's own is inside."""
    (tmp_path / "ss").write_text(SS)
    (tmp_path / "ss").chmod(0o755)
    command = [shell, *(["sh"] if shell == "busybox" else []), str(SCRIPT), str(tmp_path / "out.tar.gz")]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        text = archive.extractfile("host/ss-anm-t.txt").read().decode()
    for name in ("10.1.2.3", "2001:470", "named", "17", "eth0", "ino"):
        assert name not in text
    told = [line.split()[3:5] for line in text.splitlines()[1:] if "skmem" not in line]
    assert told == [
        ["127.0.0.1:53", "0.0.0.0:*"],
        ["192.0.2.1:68", "0.0.0.0:*"],
        ["192.0.2.1:22", "192.0.2.2:50022"],
        ["127.0.0.1:45000", "127.0.0.1:10809"],
        ["[::]:22", "[::]:*"],
    ]
    assert text.count("rb369280") == 2


@pytest.mark.parametrize("size", [4, 64, 4096])
def test_a_swap_that_is_small_makes_a_scenario_too(tmp_path, size):
    """In kB, of 256 MiB of memory: programs need less than fits into both."""
    swaps = f"{SWAPS}/dev/nbd0 partition {size} 0 -2\n"
    text = from_host(folder_of(tmp_path, {"proc/swaps": swaps}, swap=size))
    with open_cluster(text, stop="3s", timeline=[]) as cluster:
        cluster.run_for(seconds(1))
        assert cluster["A"].counters["lost_pages"] == 0
