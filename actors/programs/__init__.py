"""What processes do: generators of system calls.

`task` runs a generator on its machine; `system` is what a program can ask for; the others are the programs that come with
the project. To write your own, give a class settings as keyword arguments and a `run(system)` generator, and name it in a
scenario as `package.module:Class`.
"""
