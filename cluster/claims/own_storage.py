"""Rows 71 and 72: a daemon that serves its own machine, and errors that reach the VM."""

from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel
from netswap.cluster.claims.claim import EVERY, NEWER, Evidence, row
from netswap.cluster.claims.scenes import as_expected, scene, unboosted

SERVER: Final = "machines.A.programs.0.swap-server."
SWAP: Final = "machines.A.swap."


@row(
    71,
    "A locked daemon that serves its own machine waits in direct reclaim for its own device; PR_SET_IO_FLUSHER cures that as "
    "long as something is clean and the marks are not boosted, PF_MEMALLOC in any case, and over FUSE nothing has to be cured",
    "kernel/sys.c (PR_SET_IO_FLUSHER); Overv/vramfs#31; openebs/mayastor#1911; seen on Linux 6.1",
    eras=NEWER,
)
def own_daemon(kernel: Kernel) -> Evidence:
    """All requests wait for the daemon, and it sleeps for one. What is clean is the text of another program."""
    bare = {"machines.A.programs.1.rank.text": "none"}
    flusher = {SERVER + "io_flusher": True}
    fuse = {SWAP + "transport": "fuse"}
    cases: list[tuple[str, dict[str, Any], str, str]] = [
        ("an IO flusher", flusher | unboosted(kernel), "merged", "healthy"),
        ("an IO flusher, the marks boosted", flusher, "merged", "wedged"),
        ("an IO flusher, nothing clean", flusher | bare, "merged", "wedged"),
        ("exempt, nothing clean", bare, "exempt-daemons", "healthy"),
        ("over FUSE", fuse, "merged", "healthy"),
        ("over FUSE, swappable", fuse | {SERVER + "lock": False}, "merged", "wedged"),
    ]
    with scene("row-71", kernel) as cluster:
        evidence = as_expected(cluster)
        waits = cluster["A"].waits_for("a reply from the swap-server of A itself")
        evidence.equal("waits for itself", True, waits)
    for name, keys, policy, predicted in cases:
        with scene("row-71", kernel, set=keys, safeguards=[*{"merged", policy}], expect=[]) as cluster:
            evidence.equal(name, predicted, str(cluster.run()["A"].verdict))
    return evidence


@row(
    72,
    "Without persist a time-out of NBD loses the device: a page-in that fails kills its reader; with persist all is sent again",
    "nbd-client(8); drivers/block/nbd.c (nbd_xmit_timeout); mm/memory.c (do_swap_page); NetworkBlockDevice/nbd#95",
    eras=EVERY,
)
def lost_device(kernel: Kernel) -> Evidence:
    """The program is killed once the first request of the outage, which begins at 2 s, is older than the time-out of 1 s."""
    with scene("row-72", kernel, safeguards="none") as cluster:
        evidence = as_expected(cluster)
        killed_s = cluster["A"].programs["rank 0"]["killed_ns"] / 1e9
        evidence.at_least("killed at (s)", 3.0, killed_s)
        evidence.at_most("killed while the outage lasts", 4.0, killed_s)
    for name, keys in (("persist", {SWAP + "persist": True}), ("no time-out", {SWAP + "timeout": "auto"})):
        with scene("row-72", kernel, safeguards="none", set=keys, expect=[]) as cluster:
            a = cluster.run()["A"]
            evidence.equal(name, ("recovered", 0), (str(a.verdict), a.lost_pages))
    return evidence
