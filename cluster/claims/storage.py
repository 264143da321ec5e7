"""Rows 46 to 60: storage, the whole system, the cluster."""

from actors.kernels import Kernel
from cluster.claims.claim import Evidence, row
from cluster.claims.scenes import run_to, scene


@row(47, "A page under writeback is not free until its reply has been processed", "Brown's review of the series, 2008")
def under_writeback(kernel: Kernel) -> Evidence:
    """Held back on their way, answers free nothing; released, they do, and every stamp is right."""
    evidence = Evidence()
    with scene("row-01", kernel, timeline=[], set={"machines.B.programs": []}) as cluster:
        run_to(cluster, 1)
        with cluster.hold("C", "A", only="page-out-reply"):
            run_to(cluster, 2)
            held = cluster["A"].pages_out
            evidence.equal("page-outs answered while held", 0, run_to(cluster, 3)["A"].pages_out - held)
            evidence.at_most("free pages while held", cluster["A"].free_pages, run_to(cluster, 4)["A"].free_pages)
        evidence.at_least("answered after", 1, run_to(cluster, 5)["A"].pages_out - held)
        evidence.equal("pages with another stamp", 0, cluster["A"].lost_pages)
    return evidence


@row(55, "The same seed and the same inputs give the same trace of events", "an invariant")
def determinism(kernel: Kernel) -> Evidence:
    """In one go, and paused."""
    evidence = Evidence()
    with scene("row-01", kernel) as whole, scene("row-01", kernel) as paused:
        run_to(whole, 9)
        for at_s in (0.7, 2, 2.0001, 4.44, 7.3, 9):
            run_to(paused, at_s)
        evidence.equal("digest", whole.digest(), paused.digest())
    return evidence
