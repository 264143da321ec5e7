"""A machine's memory: the owners of its pages, the rules for taking one, and how pages are freed.

Read in this order: `zone` (pages and floors), `slab` (objects in pages), `reserve` (the tree), `anonymous` (pages of
programs), `scan` (a pass over them), `kswapd`, `reclaim` (direct reclaim, and the tasks that wait for a page).
"""
