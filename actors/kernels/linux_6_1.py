"""Linux 6.1: where it differs from 6.11."""

from dataclasses import replace
from typing import Final

from netswap.actors.kernels.linux_6_11 import LINUX_6_11

LINUX_6_1: Final = replace(
    LINUX_6_11,
    name="linux-6.1",
    doc="the kernel of 2022, against which the model is validated",
    realtime_half=False,
    highatomic_small=True,
    small_head=0,
    page_frag_harder=True,
    tcp=replace(
        LINUX_6_11.tcp,
        window_share=(1, 2),  # tcp_adv_win_scale 1, include/net/tcp.h
        measures_share=False,
    ),
)
