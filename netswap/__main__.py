"""`python -m netswap` is the command `netswap`."""

from netswap.cluster.command.app import main

main()
