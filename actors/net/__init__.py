"""A machine's network stack, in the order in which a frame meets it.

`buffers` (what every frame costs), `nic` (the ring, and the way out), `reassembly` (fragments wait),
`routes` (the cache), `stack` (demux, and
what is dropped there), `sockets` (queues that programs read).
"""
