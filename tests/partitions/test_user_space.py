"""Processes on the path of the swap, through faults: a proxy, a server of user space, files on the server."""

from netswap.protocol.units import milliseconds, seconds

SMALL = "configs/claims/row-68.yaml"
PROXY = {
    "machines.A.programs.1.proxy.pages": 0,
    "machines.A.programs.0.rank.steps": "none",
    "machines.A.programs.0.rank.compute": "20ms",
    "machines.C.programs.0.swap-server.disk_bandwidth": "2MB/s",
}
EXEMPT = {"safeguards": ["merged", "exempt-daemons"], "expect": []}


def test_a_proxy_relays_again_after_its_server_has_crashed(netswap):
    """The server knows nothing of the connection: the pair is closed, both ends begin anew, and no page is lost."""
    cluster = netswap(SMALL, set=PROXY, stop="8s", **EXEMPT)
    cluster.run_for(seconds(1))
    with cluster.cut("A", "C"):  # so that something is under way that the server will know nothing of
        cluster.run_for(milliseconds(500))
        with cluster.crash("C"):
            cluster.run_for(milliseconds(500))
        out = cluster["A"].pages_out
    cluster.run()
    assert cluster["A"].verdict == "recovered"
    assert cluster["A"].pages_out > out
    assert cluster["A"].lost_pages == 0


def test_a_proxy_on_a_machine_that_crashes_begins_with_it(netswap):
    """With a new pair, and a rank that starts anew."""
    cluster = netswap(SMALL, set=PROXY, stop="4s", **EXEMPT)
    cluster.run_for(seconds(1))
    with cluster.crash("A"):
        cluster.run_for(milliseconds(200))
    before = cluster["A"].pages_out
    cluster.run()
    assert cluster["A"].pages_out > before
    assert cluster["A"].lost_pages == 0


def test_a_server_that_is_a_process_serves_and_survives_a_partition(netswap):
    """Both ways of keeping pages: the disk itself, and a file through the page cache."""
    for file in ("none", "64MiB"):
        server = {"pages": 16, "lock": True, "file": file, "disk_bandwidth": "2MB/s"}
        keys = {
            "machines.A.swap.via": "none",
            "machines.A.programs": [{"rank": {"working_set": "20MiB", "touch": "1MiB", "compute": "20ms"}}],
            "machines.C.programs": [{"swap-server": server}],
            "machines.A.nic.rate": "20Mbit/s",
        }
        cluster = netswap(SMALL, set=keys, safeguards="merged", stop="6s", expect=[])
        cluster.run_for(seconds(1))
        with cluster.partition({"C"}):
            cluster.run_for(milliseconds(1500))
            out = cluster["A"].pages_out
        cluster.run()
        assert cluster["A"].verdict == "recovered", file
        assert cluster["A"].pages_out > out + 100
        assert cluster["A"].lost_pages == 0
        assert (cluster["C"].dirty_pages > 0) == (file != "none")


def test_files_on_the_server_go_over_the_swap_device(netswap):
    """Written and read back there, and nothing on the machine's own disk; a partition holds both up."""
    keys = {
        "machines.A.swap.via": "none",
        "machines.A.programs": [
            {"writer": {"file": "8MiB", "rate": "4MB/s", "on": "swap"}},
            {"reader": {"file": "32MiB", "rate": "1MB/s", "on": "swap"}},
        ],
    }
    cluster = netswap(SMALL, set=keys, safeguards="none", stop="6s", expect=[])
    cluster.run_for(seconds(1))
    with cluster.partition({"C"}):
        cluster.run_for(milliseconds(1500))
        held_up = cluster["A"].progress
        cluster.run_for(milliseconds(400))
        assert cluster["A"].progress == held_up
        assert cluster["A"].waits_for("a reply from C")
    cluster.run()
    a = cluster["A"]
    assert a.progress > held_up
    assert (a.pages_out, a.pages_in) == (a.file_pages_out, a.file_pages_in)
    assert min(a.pages_out, a.pages_in) > 500
