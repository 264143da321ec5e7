"""Where a process that is the command begins."""

import os
import signal
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """An interrupt while libraries are still read just ends it: there is nothing to tidy up yet, and nothing to tell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from netswap.cluster.command.app import main as command

    command()
