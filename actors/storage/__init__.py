"""Swapping over the network, the side that keeps pages.

`server` is the program, `backing` its disk, `remote_memory` the memory that it lends.
"""
