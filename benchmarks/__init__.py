"""What the speed claims rest on.

`run` is the command; `scenes` the scenarios; `measure` says what a measurement is; `in_process` takes them in this process,
`on_ray` on Ray;
`peers` has the same workloads
in what a user would pick instead.
"""
