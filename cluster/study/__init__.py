"""Studies: the same scenario run again and again, side by side.

`pool` (the processes that do it), `experiment` (what a sweep is asked for), `sweep` (every combination of some settings),
`minimum` (the smallest value that is enough), `remedies` (what would have helped).
"""
