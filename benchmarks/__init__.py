"""What the speed claims rest on.

`run` is the command; `scenes` the scenarios; `in_process` measures them in this process; `peers` has the same workloads
in what a user would pick instead.
"""
