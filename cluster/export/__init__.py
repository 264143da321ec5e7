"""A run as files of the tools that people have: Perfetto's trace, packets for Wireshark, a machine's /proc.

A run is deterministic, so nothing of it is kept for this: it is run again from its folder (`replay`), with a trace attached that
collects what the format wants, and its digest has to be the one that the folder says. Read in this order: `folder`, `replay`,
`window`; then `headers` and `streams` (what is said, as bytes on the wire), `fates`, `pcapng`; `perfetto`; `kernel_view`, `proc`.
"""
