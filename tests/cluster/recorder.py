"""Run a scenario in this process and print what it sent: run as a process of its own by the tests of determinism."""

import json
import sys

from netswap.cluster.lab import open_cluster


def main() -> None:
    """One JSON object: the digest, the machines' names, and what each of them sent, in hex."""
    with open_cluster(sys.argv[1], record=True) as cluster:
        cluster.run()
        sent = [data.hex() for data in cluster.sent()]
        print(json.dumps({"digest": cluster.digest(), "names": list(cluster), "sent": sent}))


if __name__ == "__main__":
    main()
