"""Swapping over the network, the side that keeps pages: `server` is the program, `backing` its disk, `lent` its memory."""
