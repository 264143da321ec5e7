"""Time, placement, faults, judgement, and what people see.

The question: a machine that swaps over the network needs memory to free memory. What does it take to survive an outage of
its swap server?

    from netswap.cluster.lab.cluster import open_cluster

    with open_cluster("configs/three-machines.yaml", safeguards="reserve") as cluster:
        print(cluster.run()["A"].verdict)

Read in this order: `engine` (windows, and what drives the machines), `judge` (what became of them), `lab` (a cluster in one's
hands), `scenario` (what may be written).
"""
