"""Every claim of the argument, predicted and seen: `netswap claims`.

Read in this order: `claim` (what one is), `formulas` (closed forms), `scenes` (what is run), then the rows: `seed` (1 to
20), `allocator` (21 to 29), `network` and `in_flight` (30 to 45, and 11), `storage`, `nbd`, `servers` (46 to 60),
`linux_6_11` (61 to 70), `own_storage` (71 and 72), `corrections` (73 to 81), and `prove` (all of them, side by side).
"""
