"""A machine's memory: who owns which page, who may take one, and how pages are freed.

Read in this order: `zone` (pages and floors), `slab` (objects in pages), `reserve` (the tree), `anonymous` (pages of
programs), `reclaim` (kswapd, direct reclaim, and those who wait for a page).
"""
