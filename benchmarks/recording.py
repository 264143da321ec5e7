"""What it costs to record a run: the same run with and without, in turn, in CPU time of this process.

Run as `python -m benchmarks.recording [PAIRS]`. The smallest of each is told, since other work on the computer only adds.
"""

import sys
import time
from typing import Final

from netswap import open_cluster

SCENARIO: Final = "configs/three-machines.yaml"
PAIRS: Final = 7


def once(safeguards: str, stop: str, *, series: bool) -> float:
    """CPU seconds of a run."""
    with open_cluster(SCENARIO, safeguards=safeguards, stop=stop, expect=[], series=series) as cluster:
        began = time.process_time()
        cluster.run()
        return time.process_time() - began


def main(pairs: int) -> None:
    """Tell the cost for both policies."""
    for safeguards, stop in (("none", "20s"), ("reserve", "7s")):
        plain, recorded = [], []
        for _ in range(pairs):
            plain.append(once(safeguards, stop, series=False))
            recorded.append(once(safeguards, stop, series=True))
        cost = min(recorded) / min(plain) - 1
        print(f"{safeguards:<8} {stop:>4}  {min(plain):.2f} s without, {min(recorded):.2f} s with: {100 * cost:+.1f} %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
