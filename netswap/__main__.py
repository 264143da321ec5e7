"""`python -m netswap` is the command `netswap`."""

from netswap.cluster.command.entry import main

main()
