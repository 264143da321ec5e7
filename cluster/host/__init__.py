"""A real machine as a scenario: files of its /proc and /sys, saved or live, and what each is worth.

Reading goes one way: `files` finds the files of one host, a parser for each kind makes values of them (`memory`, `sockets`,
`disks`, `cards`, `system`), `host` is all of them, `swapping` says over what the machine swaps, `nearest` which of our kernels
and drivers is nearest, `propose` what follows for a scenario, `write` writes it with a comment for each value.
"""
