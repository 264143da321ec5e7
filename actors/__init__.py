"""What each part of the cluster decides: machines and the network, as plain objects that do no I/O.

`machine` puts one computer together from `memory`, `net`, `swap` and `programs`; `network` carries frames between machines;
`kernels` and `safeguards` are the rules, as data; `report` is what others may see, and `trace` what they are told meanwhile.
"""
