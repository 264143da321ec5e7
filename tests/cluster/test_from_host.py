"""`netswap from-host`: saved files of real machines become scenarios, and what is wrong with the files is said with its line."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from netswap import from_host, seconds
from netswap.actors.kernels import KERNELS, LINUX_2_6_22, LINUX_6_11
from netswap.cluster.command.app import app
from netswap.cluster.host import nearest, places, propose, swapping, write
from netswap.cluster.host.files import BYTES_MAX
from netswap.cluster.host.host import Host, host
from netswap.cluster.host.swapping import Way
from netswap.cluster.lab import open_cluster
from netswap.cluster.scenario import Problem, ScenarioError, load, models

HOSTS = Path(__file__).parents[1] / "hosts"
NAMES = sorted(one.name for one in HOSTS.iterdir())
SCRIPT = Path(places.__file__).parent / "collect.sh"
SHELLS = [one for one in ("dash", "bash", "busybox") if shutil.which(one)]


def read(folder: Path) -> tuple[Host, swapping.Swapping]:
    """A host, and how it swaps."""
    found = host(places.opened(folder))
    return found, swapping.swapping(found)


def scenario_of(folder: Path) -> str:
    """The scenario as text."""
    return write.scenario(*read(folder))


def tree_of(text: str) -> dict:
    """The scenario as mappings and lists."""
    return YAML(typ="safe").load(text)


def kib(folder: Path, name: str) -> int:
    """What meminfo says, read in another way than netswap reads it."""
    (path,) = folder.rglob("meminfo")
    return int(re.search(rf"^{re.escape(name)}:\s+(\d+)", path.read_text(), re.M)[1])


def programs(tree: dict, name: str) -> list[dict]:
    """Settings of all programs of A of one name."""
    return [one[name] for one in tree["machines"]["A"]["programs"] if name in one]


@pytest.mark.parametrize("name", NAMES)
def test_a_host_s_scenario_has_no_mistakes_and_runs(name):
    """A second of virtual time; every page that comes back is the one that went."""
    text = scenario_of(HOSTS / name)
    assert load(text).warnings == ()
    with open_cluster(text, stop="6s", timeline=[]) as cluster:
        cluster.run_for(seconds(1))
        assert cluster["A"].counters["lost_pages"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_says_where_it_is_from(name):
    """A file, or that it is assumed; a word alone (`nic:`) has its lines below it."""
    lines = scenario_of(HOSTS / name).split("\nmachines:\n")[1].split("\n  B:")[0].splitlines()
    bare = re.compile(r"\s+(?:- )?(?:[\w-]+:|protocol: \w+|server: \w|transport: \w+)")
    assert [line for line in lines if "#" not in line and not bare.fullmatch(line)] == []


def test_a_diskless_client_swaps_over_its_nfs_mount():
    folder = HOSTS / "nfs-root"
    a = (tree := tree_of(scenario_of(folder)))["machines"]["A"]
    assert a["memory"] == f"{kib(folder, 'MemTotal') // 1024}MiB"
    assert a["min_free"] == f"{(folder / 'proc/sys/vm/min_free_kbytes').read_text().strip()}KiB"
    assert a["swap"]["transport"] == "nfs"
    assert a["swap"]["size"] == f"{kib(folder, 'SwapTotal')}KiB"
    assert a["swap"]["request"] == "8KiB", "wsize of /var/swap, not of the root"
    assert a["swap"]["timeout"] == "1400ms", "timeo=14 tenths of a second"
    assert a["nic"]["ring"] == 256
    assert [one["sockets"] for one in programs(tree, "service")] == [5, 1], (
        "UDP without loopback; port 22 with two connections"
    )


def test_a_thin_client_swaps_over_nbd_and_its_own_swap_is_no_traffic():
    """Flat files: 2^0 pages read at a fault, 9 UDP sockets of two tables, three connections to port 6000."""
    tree = tree_of(scenario_of(HOSTS / "ltsp-nbd"))
    swap = tree["machines"]["A"]["swap"]
    assert (swap["transport"], swap["readahead"], swap["in_flight"]) == ("nbd", 1, 64)
    assert [one.get("buffer") for one in programs(tree, "service")] == ["425984B", None]
    assert tree["machines"]["A"]["tcp"]["rmem"][1] == 87_380
    assert tree["machines"]["B"]["programs"][1]["flood"]["flows"] == 3
    assert tree["machines"]["A"]["nic"] == {"rate": "100Mbit/s", "ring": 512, "refill": "e1000e"}


def test_a_storage_node_that_swaps_to_itself_is_recognised_by_its_connection():
    """Both ends of the connection to port 10809 are on loopback."""
    found, how = read(HOSTS / "storage-itself")
    assert how.way is Way.DAEMON
    assert found.release.version == (5, 10, 0), "and not that of the collection"
    swap = tree_of(write.scenario(found, how))["machines"]["A"]["swap"]
    assert swap["server"] == "A"
    assert any("/dev/sdb2" in other for other in how.others)


def test_a_node_with_huge_pages_and_an_iscsi_disk():
    folder = HOSTS / "hpc-thp"
    text = scenario_of(folder)
    a = tree_of(text)["machines"]["A"]
    assert a["memory"] == f"{kib(folder, 'MemTotal')}KiB"
    assert a["min_free"] == "135160KiB"
    assert a["cpus"] == 32
    assert read(folder)[1].way is Way.ISCSI
    assert a["swap"]["transport"] == ("iscsi" if propose.accepts(models.Swap, "transport", "iscsi") else "nbd")
    assert tree_of(text)["network"]["mtu"] == "9000B"
    assert "transparent huge pages are always" in text


def test_a_container_has_the_memory_of_its_limit():
    a = tree_of(text := scenario_of(HOSTS / "container"))["machines"]["A"]
    assert a["memory"] == "512MiB" == f"{int((HOSTS / 'container/sys/fs/cgroup/memory.max').read_text()) >> 20}MiB"
    assert a["min_free"] == "none"
    assert "the control group's limit is all memory here" in text


def test_this_computer_has_a_scenario():
    """Live: its memory is what /proc/meminfo says, unless a control group or huge pages leave less."""
    found = host(places.opened(None))
    text = write.scenario(found, swapping.swapping(found))
    total = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    assert propose.numbers(found, swapping.swapping(found)).memory <= total << 10
    assert load(text).title.startswith("a host with ")


# -- swap ---------------------------------------------------------------------------------------------------------------


def swap_of(tmp_path: Path, swaps: str, **files: str) -> swapping.Swapping:
    """How a machine with this line in its swaps swaps."""
    (tmp_path / "meminfo").write_text("MemTotal: 1048576 kB\nSwapTotal: 1024 kB\nSwapFree: 1024 kB\n")
    (tmp_path / "swaps").write_text(f"Filename Type Size Used Priority\n{swaps}\n")
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read(tmp_path)[1]


@pytest.mark.parametrize(
    ("device", "way"),
    [
        ("/dev/nbd3p1", Way.NBD),
        ("/dev/ublkb0", Way.DAEMON),
        ("/dev/zram0", Way.LOCAL),
        ("/dev/sda2", Way.LOCAL),
        ("/dev/rbd0", Way.NBD),
    ],
)
def test_a_device_tells_by_its_name_over_what_it_goes(tmp_path, device, way):
    assert swap_of(tmp_path, f"{device} partition 1024 0 -2").way is way


@pytest.mark.parametrize(
    ("mount", "way"),
    [
        ("10.0.0.1:/x / nfs4 rw,addr=10.0.0.1 0 0", Way.NFS),
        ("10.0.0.1:/x / nfs rw,addr=127.0.0.1 0 0", Way.DAEMON),
        ("localhost:/x / nfs4 rw 0 0", Way.DAEMON),
        ("glue / fuse.glusterfs rw 0 0", Way.DAEMON),
        ("//server/share / cifs rw 0 0", Way.NFS),
        ("/dev/sda1 / ext4 rw 0 0", Way.LOCAL),
    ],
)
def test_a_swap_file_goes_where_its_file_system_is(tmp_path, mount, way):
    assert swap_of(tmp_path, "/swapfile file 1024 0 -2", mounts=f"{mount}\n").way is way


def test_a_loop_device_over_a_network_file_system_is_a_daemon(tmp_path):
    files = {"mounts": "s:/x /mnt nfs rw 0 0\n", "sys__block__loop0__loop__backing_file": "/mnt/swap.img\n"}
    assert swap_of(tmp_path, "/dev/loop0 partition 1024 0 -2", **files).way is Way.DAEMON


def test_an_iscsi_session_stands_in_the_link_of_its_disk(tmp_path):
    block = tmp_path / "sys/block"
    block.mkdir(parents=True)
    (block / "sdb").symlink_to("../devices/platform/host6/session1/target6:0:0/6:0:0:0/block/sdb")
    assert swap_of(tmp_path, "/dev/sdb partition 1024 0 -2").way is Way.ISCSI


# -- kernels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ((2, 6, 18), "linux-2.6.22"),
        ((2, 6, 32), "linux-2.6.22"),
        ((6, 11, 4), "linux-6.11"),
        ((6, 18, 0), "linux-6.11"),
    ],
)
def test_the_nearest_kernel(version, name):
    assert nearest.kernel(version, [LINUX_2_6_22, LINUX_6_11]).name == name


def test_a_kernel_since_3_6_is_nearest_to_one_that_has_what_3_6_took_in():
    """3.10 has ten releases more than 3.0, and 50 less than 6.0; what matters is SOCK_MEMALLOC."""
    assert nearest.kernel((3, 10, 0)).memalloc_sockets
    assert not nearest.kernel((3, 5, 0)).memalloc_sockets
    assert [nearest.ordinal(one) for one in ((2, 6, 39), (3, 0), (4, 0), (5, 0), (6, 0))] == [39, 40, 60, 81, 101]


def test_what_differs_lies_between_the_two_versions():
    told = nearest.differences((5, 15, 0), KERNELS["linux-6.11"])
    assert any("6.6" in one for one in told)
    assert not any("since 5.0," in one for one in told)


def test_pages_of_64_kib_are_said_and_counted_as_sixteen(tmp_path):
    """MemTotal of 4 GiB in 65536 managed pages: 64 KiB each; tcp_mem in such pages is 16 times as many of 4 KiB."""
    (tmp_path / "meminfo").write_text("MemTotal: 4194304 kB\n")
    zone = "".join(
        f"        {name} {value}\n"
        for name, value in (("min", 100), ("low", 125), ("high", 150), ("present", 65536), ("managed", 65536))
    )
    (tmp_path / "zoneinfo").write_text(f"Node 0, zone   Normal\n  pages free 5000\n{zone}")
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/tcp_mem").write_text("100 200 300\n")
    text = scenario_of(tmp_path)
    assert tree_of(text)["machines"]["A"]["tcp"]["mem"] == [1600, 3200, 4800]
    assert "a page is 64 KiB here" in text


# -- what is wrong ------------------------------------------------------------------------------------------------------

SOCKETS = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
ROW = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 30001 1 0000000000000000"
MARKS = {"min": 17, "low": 21, "high": 25, "present": 262144}
ZONE = "Node 0, zone   Normal\n  pages free     12\n" + "".join(
    f"        {name} {pages}\n" for name, pages in MARKS.items()
)
BROKEN = {
    "meminfo": ("MemTotal: 1048576 kB\nMemFree: 12", 2),
    "meminfo ": ("MemFree: 1024 kB\n", 1),
    "meminfo  ": ("MemTotal: 1048576 kB\nnonsense\n", 2),
    "meminfo   ": ("MemTotal: 99999999999999999999 kB\n", 1),
    "zoneinfo": ("Node 0, zone   Normal\n  pages free     12\n        min      \n", 3),
    "zoneinfo ": ("Node 0, zone   Normal\n  pages free     12\n        min      17\n", 1),
    "buddyinfo": ("Node 0, zone   Normal   1   x\n", 1),
    "swaps": ("Filename Type Size Used Priority\n/dev/nbd0 partition 10\n", 2),
    "mounts": ("proc /proc proc rw 0 0\n/dev/sd\n", 2),
    "version": ("Linux\n", 1),
    "net/udp": ("  sl  local_address rem_address\n 0: 00000000:00\n", 2),
    "net/tcp": ("nothing\n", 1),
    "net/tcp ": (f"{SOCKETS}\n{ROW}\n   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:0000", 3),
    "net/udp6": ("  sl  local_address rem_addr", 1),
    "stat": ("cpu0 1 2 3 4\ncpu1 1 2", 2),
    "net/sockstat": ("TCP: inuse\n", 1),
    "sys/vm/min_free_kbytes": ("", 1),
    "sys/net/ipv4/tcp_mem": ("1 2\n", 1),
    "ethtool-g.txt": ("Ring parameters for eth0:\nPre-set maximums:\nRX:\t256\n", 3),
    "ethtool-g_eth0.txt": ("Pre-set maximums:\nRX:\t256\nCurrent hardware settings:\n", 3),
    "ethtool-i.txt": ("something\n", 1),
    "zoneinfo  ": (f"{ZONE}  pagesets\n    cpu: 0\n              cou", 9),
    "zoneinfo   ": (f"{ZONE}  pagesets\n    cpu: 0\n  start_pfn: 1\n{ZONE.replace('0, zone', '1, zone')}", 15),
    "swaps  ": ("Filename Type Si", 1),
    "sys/kernel/mm/transparent_hugepage/enabled": ("sometimes\n", 1),
    "pagesize": ("17\n", 1),
    "swaps ": ("\0\1\2", 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_malformed_file_is_an_error_of_the_input_with_its_line(tmp_path, name):
    text, line = BROKEN[name]
    path = tmp_path / name.strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "meminfo").write_text("MemTotal: 1048576 kB\n")
    path.write_text(text)
    done = CliRunner().invoke(app, ["from-host", str(tmp_path)])
    assert done.exit_code == 2
    assert re.search(rf"{re.escape(str(path))}:{line}:1: .+; .+", done.stderr), done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_no_cut_of_any_file_is_more_than_an_error_of_the_input(tmp_path, monkeypatch, name):
    """Each file cut off at three places: it is read as far as it says something whole, or an error with a line."""
    folder = shutil.copytree(HOSTS / name, tmp_path / name)
    wrong: list[Problem] = []
    if name == "hpc-thp":  # to see whether 64 GiB make a scenario takes a second each time
        monkeypatch.setattr(write, "_whole", lambda draft: draft.text())
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        whole = path.read_text()
        for part in range(1, 4):
            path.write_text(whole[: len(whole) * part // 4])
            try:
                scenario_of(folder)
            except ScenarioError as error:
                wrong += [one for one in error.problems if one.line < 1 or str(folder) not in one.file]
        path.write_text(whole)
    assert wrong == []


def test_a_folder_without_a_host_and_one_with_two_are_errors(tmp_path):
    done = CliRunner().invoke(app, ["from-host", str(tmp_path)])
    assert (done.exit_code, "there is no meminfo" in done.stderr) == (2, True)
    done = CliRunner().invoke(app, ["from-host", str(HOSTS)])
    assert done.exit_code == 2
    assert "the files of" in done.stderr
    assert CliRunner().invoke(app, ["from-host", str(tmp_path / "nothing")]).exit_code == 2


def test_a_gigabyte_of_junk_costs_little(tmp_path):
    """Sparse files of 1 GB beside the host's own: none is read; a known file of that size is refused after 2 MiB."""
    folder = shutil.copytree(HOSTS / "nfs-root", tmp_path / "host")
    for number in range(10):
        with open(folder / f"junk{number}.bin", "wb") as file:
            file.truncate(100_000_000)
    code = (
        "import re, sys\nfrom netswap.cluster.command.app import main\n"
        "try: main()\nfinally: print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "from-host", str(folder)], capture_output=True, text=True, check=True
    )
    assert int(done.stderr.split()[-1]) * 1024 < 200_000_000
    with open(folder / "proc/swaps", "wb") as file:
        file.truncate(1_000_000_000)
    with pytest.raises(ScenarioError, match=f"larger than {BYTES_MAX >> 20} MiB"):
        scenario_of(folder)


# -- collecting ---------------------------------------------------------------------------------------------------------


def packed(folder: Path, to: Path) -> Path:
    """A folder as a tar.gz."""
    with tarfile.open(to, "w:gz") as archive:
        archive.add(folder, arcname="host")
    return to


@pytest.mark.parametrize("name", NAMES)
def test_a_packed_folder_says_what_the_folder_says(tmp_path, name):
    there = tree_of(scenario_of(packed(HOSTS / name, tmp_path / "host.tar.gz")))
    assert there == tree_of(scenario_of(HOSTS / name))


def test_a_packed_folder_that_is_cut_off_is_an_error(tmp_path):
    whole = packed(HOSTS / "nfs-root", tmp_path / "host.tar.gz").read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ScenarioError, match="cut off"):
        places.opened(tmp_path / "half.tar.gz")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_script_collects_makes_the_same_scenario_and_has_no_names(tmp_path, shell):
    """Of a whole saved root: the values are those of the root itself; addresses, names and who built the kernel are gone."""
    root, out = HOSTS / "nfs-root", tmp_path / "host.tar.gz"
    command = [shell, "sh"] if shell == "busybox" else [shell]
    subprocess.run([*command, str(SCRIPT), str(out), str(root)], check=True, capture_output=True, cwd=tmp_path)
    with tarfile.open(out) as archive:
        kept = "".join(archive.extractfile(one).read().decode() for one in archive.getmembers() if one.isfile())
    assert not re.search("someone|somewhere|192.168|0A00A8C0|/srv|/var/swap", kept)
    there, here = tree_of(scenario_of(out)), tree_of(scenario_of(root))
    for key in ("memory", "min_free", "swap", "tcp", "udp"):
        assert there["machines"]["A"][key] == here["machines"]["A"][key], key
    assert [one["sockets"] for one in programs(there, "service")] == [5, 1]


def test_the_script_reads_and_is_printed_as_it_is():
    """It has no command that changes anything outside of its own folder."""
    printed = CliRunner().invoke(app, ["from-host", "--collect"]).stdout
    assert printed == SCRIPT.read_text()
    words = set(re.findall(r"(?:^|[;&|(] *)(?:\[ .*\] && )?([a-z]+) ", printed, re.M))
    assert words.isdisjoint(
        {"curl", "wget", "ssh", "scp", "sysctl", "modprobe", "mount", "swapoff", "chmod", "kill", "env", "hostname"}
    )
    assert printed.count("rm ") == 2, "its own folder, and an empty file in it"


def test_json_says_how_it_swaps(tmp_path):
    out = tmp_path / "a.yaml"
    done = CliRunner().invoke(app, ["from-host", str(HOSTS / "nfs-root"), "--out", str(out), "--json"])
    told = json.loads(done.stdout)
    assert (told["swap"], told["out"]) == ("nfs", str(out))
    assert told["scenario"] == out.read_text()


def test_hostile_names_stay_in_comments(tmp_path):
    r"""A mount point with a line end in it (as \\012) writes no key of the scenario; a link that leads out is not followed."""
    swap = "/mnt/a\\012stop:\\0401h/f file 1024 0 -2"
    how = swap_of(tmp_path, swap, mounts="s:/x / nfs rw 0 0\n")
    assert how.way is Way.NFS
    assert load(write.scenario(read(tmp_path)[0], how)).resolved().stop_ns == seconds(40)
    (tmp_path / "net").mkdir()
    os.symlink("/etc/passwd", tmp_path / "net/udp")
    assert read(tmp_path)[0].udp is None


def test_a_device_file_in_a_packed_folder_is_passed_over(tmp_path):
    path = tmp_path / "host.tar"
    with tarfile.open(path, "w") as archive:
        text = b"MemTotal: 1048576 kB\n"
        info = tarfile.TarInfo("proc/meminfo")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
        fifo = tarfile.TarInfo("proc/swaps")
        fifo.type = tarfile.FIFOTYPE
        archive.addfile(fifo)
    with pytest.raises(ScenarioError, match="empty"):
        read(path)


def test_settings_can_be_tried_before_they_are_rolled_out(tmp_path):
    """From a mapping, from a file of sysctl.d, and from the command: the value is the new one, and says where it is from."""
    folder = HOSTS / "nfs-root"
    (tmp_path / "50.conf").write_text("# more\nvm.min_free_kbytes = 90112\n")
    for text in (
        from_host(folder, sysctl={"vm.min_free_kbytes": 90112}),
        from_host(folder, sysctl=tmp_path / "50.conf"),
        CliRunner().invoke(app, ["from-host", str(folder), "--sysctl", "vm.min_free_kbytes=90112"]).stdout,
    ):
        assert tree_of(text)["machines"]["A"]["min_free"] == "90112KiB"
        assert "# sysctl vm.min_free_kbytes" in text


@pytest.mark.parametrize("sysctl", ["vm.min_free_kbyte=1", "vm.min_free_kbytes=many", "net.ipv4.tcp_mem=1", "nothing"])
def test_a_setting_that_is_none_is_an_error_of_the_input(sysctl):
    done = CliRunner().invoke(app, ["from-host", str(HOSTS / "nfs-root"), "--sysctl", sysctl])
    assert done.exit_code == 2
    assert re.search("sysctl .*:1:1: .+; .+", done.stderr)


def test_sysctls_that_are_not_the_kernels_own_are_written(tmp_path):
    """Those of memory and of reassembly, with their files; a zero stands for a setting in bytes, and is left out."""
    host = tmp_path / "host"
    shutil.copytree(HOSTS / "ltsp-nbd", host)
    for name, value in {
        "vm/dirty_ratio": 33,
        "vm/dirty_background_ratio": 0,
        "net/ipv4/ipfrag_high_thresh": 262_144,
    }.items():
        path = host / "proc" / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    machine = tree_of(scenario_of(host))["machines"]["A"]
    assert machine["vm"]["dirty_ratio"] == 33
    assert "dirty_background_ratio" not in machine["vm"]
    assert machine["ipfrag"]["high"] == "262144B"
