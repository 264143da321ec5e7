"""`python -m cluster.command` is `netswap`."""

from cluster.command.app import main

main()
