"""`python -m cluster.command` is `netswap`."""

from cluster.command.entry import main

main()
