"""Where a process that is the command begins."""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

INTERRUPTED = 130
PLAIN = "NETSWAP_PLAIN"
"""In the environment: run the sources, whatever has been compiled."""


def main() -> NoReturn:
    """An interrupt while libraries are still read just ends it: there is nothing to tidy up yet, and nothing to tell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    use_compiled(Path(__file__).parents[3])
    from netswap.cluster.command.app import main as command

    command()


def use_compiled(root: Path) -> None:
    """Import from now on what `make compiled` has made of the sources in `root`, if it is as new as they are.

    If it is not, say so. Sources that stand alone, as those of an installed wheel do, are what they are.
    """
    made = root / "build" / "compiled"
    stamp = made / ".made"
    if os.environ.get(PLAIN) or not stamp.exists():
        return
    if newest_ns(root) > stamp.stat().st_mtime_ns:
        print(
            "netswap: what has been compiled is older than the sources, which run; `make compiled` renews it",
            file=sys.stderr,
        )
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "netswap"]:
        del sys.modules[name]
    sys.path.insert(0, str(made))


def newest_ns(root: Path) -> int:
    """When the last of what `make compiled` reads was changed, as the file system tells it."""
    folders = [root / name for name in ("protocol", "actors", "cluster", "configs")]
    sources = [path for folder in folders for kind in ("*.py", "*.yaml") for path in folder.rglob(kind)]
    return max(path.stat().st_mtime_ns for path in (*sources, *root.glob("setup.py")))
