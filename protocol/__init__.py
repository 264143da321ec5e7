"""What is said on the wire, and nothing about the machines that say it.

Read in this order: `units` (whole nanoseconds), `frame` (the msgpack stream that crosses between actors), `ip` (sizes
and fragments), `tcp` (segments), `rpc` (page-out and page-in over UDP), `errors`.
"""
