"""In which functions of Linux tasks sleep, and what of the model they wait for there: one table, read both ways.

`netswap export` goes from a wait to the functions that a kernel would show (`CHAINS`), `netswap match` from the functions of a
stack to a wait (`SLEEPS`, `PATHS`). Sources: mm/vmscan.c, mm/page_alloc.c, mm/memory.c, mm/filemap.c, mm/page-writeback.c,
mm/page_io.c, block/ll_rw_blk.c, block/blk-mq-tag.c, block/blk-rq-qos.c, net/core/stream.c, drivers/block/nbd.c, net/sunrpc/,
fs/nfs/, fs/fuse/dev.c of 2.6.22, 6.1 and 6.11, and section 13.16 of the facts. `since` and `until` are the kernels between which
the name is met in stacks, as far as we read them; empty means before 2.6.22, or still in 6.11. A name that was changed from
page to folio stands in both forms.
"""

from typing import Final, NamedTuple

from netswap.actors.wait import CONNECTION, DISK, PAGE, REPLY, SLOT, THROTTLE

LOCK: Final = -1
"""No wait of the model: a lock that another task holds; what that task waits for is the question."""


class Sleep(NamedTuple):
    """What a task waits for that sleeps in a function."""

    kind: int
    """One of actors/wait.py, or `LOCK`."""
    what: str
    since: str = ""
    until: str = ""
    where: str = ""
    """The file of the kernel."""


def _same(kind: int, what: str, where: str, since: str, until: str, names: str) -> dict[str, Sleep]:
    return {name: Sleep(kind, what, since, until, where) for name in names.split()}


_PAGE_LOCK: Final = "the end of input or output of a page"

SLEEPS: Final[dict[str, Sleep]] = {
    # reclaim itself
    **_same(THROTTLE, "kswapd, while less than half of min is free", "mm/vmscan.c", "3.6", "", "throttle_direct_reclaim"),
    **_same(
        THROTTLE, "writeback or progress of reclaim", "mm/vmscan.c", "5.16", "",
        "reclaim_throttle consider_reclaim_throttle",
    ),
    **_same(THROTTLE, "less to be under writeback", "mm/page-writeback.c", "", "4.8", "throttle_vm_writeout"),
    **_same(THROTTLE, "a device that is congested, or 0.1 s", "mm/backing-dev.c", "", "5.17", "congestion_wait"),
    **_same(THROTTLE, "a device that is congested, or 0.1 s", "mm/backing-dev.c", "2.6.37", "5.15", "wait_iff_congested"),
    **_same(THROTTLE, "pages that other reclaimers have isolated", "mm/vmscan.c", "2.6.32", "5.15", "too_many_isolated"),
    **_same(
        THROTTLE, "less to be dirty", "mm/page-writeback.c", "", "",
        "balance_dirty_pages balance_dirty_pages_ratelimited "
        "balance_dirty_pages_ratelimited_nr balance_dirty_pages_ratelimited_flags",
    ),
    # a request slot
    **_same(SLOT, "a request of the block device", "block/ll_rw_blk.c", "", "3.5", "get_request_wait"),
    **_same(SLOT, "a request of the block device", "block/blk-core.c", "3.6", "4.20", "get_request"),
    **_same(
        SLOT, "a tag of the block device", "block/blk-mq-tag.c", "3.13", "",
        "blk_mq_get_tag bt_get blk_mq_get_driver_tag",
    ),
    **_same(SLOT, "a turn in the queue of the block device", "block/blk-rq-qos.c", "5.0", "", "rq_qos_wait"),
    **_same(SLOT, "a turn in the queue of the block device", "block/blk-wbt.c", "4.10", "4.20", "wbt_wait __wbt_wait"),
    **_same(
        SLOT, "a queue of the block device that is frozen", "block/blk-core.c", "4.4", "",
        "blk_queue_enter __bio_queue_enter",
    ),
    **_same(SLOT, "a queue of the block device that is frozen", "block/blk-mq.c", "3.13", "4.3", "blk_mq_queue_enter"),
    # a connection
    **_same(CONNECTION, "room in the send buffer of a socket", "net/core/stream.c", "", "", "sk_stream_wait_memory"),
    **_same(CONNECTION, "room in the send buffer of a socket", "net/ipv4/tcp.c", "", "2.5", "wait_for_tcp_memory"),
    **_same(CONNECTION, "a connection", "net/core/stream.c", "", "", "sk_stream_wait_connect"),
    **_same(CONNECTION, "a socket that another sender holds", "net/core/sock.c", "", "", "__lock_sock"),
    **_same(
        CONNECTION, "room in the send buffer of a socket", "net/core/sock.c", "", "",
        "sock_wait_for_wmem sock_alloc_send_pskb",
    ),
    # a page
    **_same(
        REPLY, _PAGE_LOCK, "mm/filemap.c", "", "",
        "sync_page sleep_on_page sleep_on_page_killable lock_page ___wait_on_page "
        "__lock_page __lock_page_killable __lock_page_or_retry wait_on_page_bit "
        "wait_on_page_bit_common __wait_on_page_locked_async put_and_wait_on_page_locked wait_on_page_bit_killable "
        "wait_on_page_writeback",
    ),
    **_same(
        REPLY, _PAGE_LOCK, "mm/filemap.c", "5.16", "",
        "folio_wait_bit_common folio_wait_bit folio_wait_bit_killable "
        "folio_wait_writeback folio_wait_writeback_killable __folio_lock "
        "__folio_lock_killable __folio_lock_or_retry "
        "folio_wait_locked softleaf_entry_wait_on_locked migration_entry_wait_on_locked",
    ),
    # an answer of a server
    **_same(
        REPLY, "an answer to a remote procedure call", "net/sunrpc/sched.c", "", "",
        "rpc_wait_bit_interruptible rpc_wait_bit_killable __rpc_execute",
    ),
    **_same(
        REPLY, "an answer of the NFS server", "fs/nfs/", "", "",
        "nfs_wait_on_request nfs_wait_on_requests "
        "nfs_wait_bit_uninterruptible nfs_wait_bit_interruptible nfs_wait_bit_killable "
        "nfs_direct_wait nfs_iocounter_wait nfs_sync_inode_wait nfs_wait_client_init_complete nfs4_wait_bit_killable "
        "wait_on_commit",
    ),
    **_same(
        REPLY, "an answer of the file system's daemon", "fs/fuse/dev.c", "", "",
        "request_wait_answer __fuse_request_send __fuse_simple_request fuse_simple_request fuse_request_send",
    ),
    **_same(
        REPLY, "the end of the writeback of an inode", "fs/fs-writeback.c", "", "",
        "inode_wait_for_writeback inode_sleep_on_writeback wb_wait_for_completion",
    ),
    **_same(
        REPLY, "an answer of the file system's daemon", "fs/fuse/file.c", "2.6.26", "",
        "fuse_wait_on_page_writeback fuse_wait_on_folio_writeback fuse_set_nowrite",
    ),
    **_same(
        REPLY, "an answer of the cluster's servers", "net/ceph/osd_client.c", "", "",
        "ceph_osdc_wait_request wait_request_timeout",
    ),
    **_same(
        REPLY, "an answer of the file server", "fs/smb/client/transport.c", "", "",
        "wait_for_response wait_for_free_credits",
    ),
    **_same(REPLY, "an answer of the file server", "net/9p/client.c", "", "", "p9_client_rpc"),
    **_same(
        REPLY, "the end of requests to the block device", "block/bio.c", "", "",
        "submit_bio_wait blk_execute_rq blkdev_issue_flush blkdev_issue_discard blkdev_issue_zeroout",
    ),
    **_same(REPLY, "the end of requests to the block device", "kernel/sched/completion.c", "3.9", "", "wait_for_completion_io"),
    # memory
    **_same(PAGE, "memory for a request", "mm/mempool.c", "", "", "mempool_alloc mempool_alloc_noprof mempool_resize"),
    # a disk
    **_same(
        DISK, "a buffer of a file system on a disk", "fs/buffer.c", "", "",
        "__wait_on_buffer __lock_buffer sync_buffer sleep_on_buffer",
    ),
    **_same(
        DISK, "the journal of a file system on a disk", "fs/jbd2/", "", "",
        "jbd2_journal_commit_transaction jbd2_log_wait_commit "
        "wait_transaction_locked journal_commit_transaction jbd2_journal_lock_updates "
        "start_this_handle add_transaction_credits wait_transaction_switching do_get_write_access",
    ),
    **_same(
        DISK, "the log of a file system on a disk", "fs/xfs/", "", "",
        "xlog_wait xlog_wait_on_iclog xlog_grant_head_wait xlog_state_get_iclog_space "
        "xfs_buf_iowait xfs_buf_lock xfs_log_force _xfs_log_force_lsn "
        "xfs_iunpin_wait xfs_ail_push_all_sync",
    ),
    # locks
    **_same(
        LOCK, "a lock", "kernel/locking/", "", "",
        "__mutex_lock __mutex_lock_slowpath __mutex_lock_common "
        "mutex_lock mutex_lock_nested rwsem_down_read_failed rwsem_down_write_failed "
        "rwsem_down_failed_common rwsem_down_read_slowpath rwsem_down_write_slowpath down_read "
        "down_write __down __down_common down "
        "rwsem_down_read_failed_common percpu_down_write __percpu_down_read",
    ),
}  # fmt: skip
"""By function, where a task sleeps there."""

PATHS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(text.split())
    for name, text in {
        "swap-in": "do_swap_page swapin_readahead swap_cluster_readahead "
        "swap_vma_readahead read_swap_cache_async __read_swap_cache_async "
        "swap_cache_alloc_folio swap_readpage swap_read_folio swap_read_page "
        "swap_read_unplug __swap_read_unplug shmem_swapin shmem_swapin_page "
        "shmem_swapin_folio shmem_swapin_cluster unuse_pte swapin_folio",
        "swap-out": "swap_writepage __swap_writepage swap_writeout "
        "swap_writepage_fs swap_write_unplug swap_writepage_bdev_async nfs_swap_rw "
        "nfs_swap_out swap_out add_to_swap get_swap_page folio_alloc_swap scan_swap_map "
        "scan_swap_map_slots get_swap_pages swap_do_scheduled_discard",
        "page-out": "pageout writeout shrink_page_list shrink_folio_list",
        "reclaim": "try_to_free_pages do_try_to_free_pages try_to_free_mem_cgroup_pages mem_cgroup_shrink_node shrink_caches "
        "shrink_page_list shrink_folio_list shrink_inactive_list "
        "shrink_cache shrink_zone shrink_zones shrink_node shrink_node_memcg "
        "shrink_node_memcgs shrink_lruvec shrink_list evict_folios evict_pages "
        "shrink_one shrink_many try_to_shrink_lruvec shrink_slab "
        "do_shrink_slab shrink_dcache_memory shrink_icache_memory balance_pgdat "
        "kswapd_shrink_node throttle_direct_reclaim reclaim_throttle __perform_reclaim __alloc_pages_direct_reclaim "
        "direct_reclaim shrink_active_list do_page_cache_reclaim "
        "__alloc_pages_direct_compact try_to_compact_pages compact_zone kcompactd kcompactd_do_work",
        "memcg": "try_to_free_mem_cgroup_pages mem_cgroup_oom_synchronize "
        "mem_cgroup_handle_over_high try_charge try_charge_memcg "
        "mem_cgroup_reclaim",
        "allocation": "__alloc_pages __alloc_pages_slowpath "
        "__alloc_pages_nodemask __alloc_frozen_pages_noprof __alloc_frozen_pages "
        "alloc_pages_vma alloc_pages_current vma_alloc_folio alloc_pages_mpol __alloc_pages_may_oom",
        "writeback": "wb_workfn wb_writeback wb_do_writeback "
        "bdi_writeback_workfn bdi_writeback_thread bdi_writeback_task pdflush "
        "writeback_sb_inodes __writeback_single_inode background_writeout do_writepages "
        "flush_dirty_buffers bdflush sync_old_buffers kupdate",
        "softirq": "net_rx_action __do_softirq do_softirq handle_softirqs "
        "__local_bh_enable_ip call_softirq irq_exit_rcu irq_exit "
        "process_backlog napi_poll __napi_poll napi_threaded_poll do_softirq_own_stack run_ksoftirqd netif_receive_skb "
        "__netif_receive_skb_core netif_rx netif_rx_ni ip_rcv "
        "napi_gro_receive tcp_v4_rcv tcp_v6_rcv tcp_rcv_established udp_rcv "
        "netif_receive_skb_internal tasklet_action tasklet_action_common",
        "buffer": "__alloc_skb __netdev_alloc_skb netdev_alloc_skb "
        "__netdev_alloc_skb_ip_align napi_alloc_skb __napi_alloc_skb dev_alloc_skb "
        "__dev_alloc_skb netdev_alloc_frag napi_alloc_frag napi_alloc_frag_align __netdev_alloc_frag_align page_frag_alloc "
        "__page_frag_alloc_align page_frag_alloc_align page_pool_alloc_pages "
        "page_pool_dev_alloc_pages __page_pool_alloc_pages_slow page_pool_alloc_netmem "
        "page_pool_refill_alloc_cache build_skb napi_build_skb "
        "alloc_skb_with_frags __page_frag_refill __page_frag_cache_refill page_frag_refill",
        "send": "tcp_sendmsg tcp_sendmsg_locked tcp_write_xmit "
        "__tcp_transmit_skb tcp_transmit_skb __tcp_retransmit_skb tcp_retransmit_skb "
        "tcp_send_ack __tcp_send_ack tcp_send_probe0 ip_queue_xmit "
        "__ip_queue_xmit dev_queue_xmit __dev_queue_xmit dev_hard_start_xmit "
        "udp_sendmsg ip_append_data __ip_append_data sock_sendmsg "
        "__sock_sendmsg kernel_sendmsg skb_page_frag_refill sk_page_frag_refill "
        "sk_stream_alloc_skb tcp_stream_alloc_skb xs_sendpages xs_udp_send_request xs_tcp_send_request tcp_retransmit_timer "
        "tcp_write_timer validate_xmit_skb",
        "offload": "skb_segment tcp_gso_segment __skb_gso_segment skb_copy "
        "skb_copy_expand __skb_linearize skb_linearize __pskb_pull_tail "
        "pskb_expand_head skb_cow_data skb_checksum_help __skb_pad "
        "skb_gro_receive inet_gro_receive dev_gro_receive tcp_gro_receive "
        "inet_gso_segment skb_mac_gso_segment napi_gro_frags "
        "skb_unclone __skb_unclone_keeptruesize lro_receive_skb skb_copy_bits",
        "set-up": "dev_open __dev_open register_netdev "
        "dma_alloc_attrs dma_alloc_coherent dma_direct_alloc dma_direct_alloc_pages "
        "__dma_direct_alloc_pages dma_generic_alloc_coherent "
        "swiotlb_alloc_coherent x86_swiotlb_alloc_coherent atomic_pool_expand "
        "__dma_alloc local_pci_probe really_probe driver_probe_device "
        "do_init_module do_one_initcall request_firmware dev_ethtool "
        "dev_set_mtu dev_change_flags __dev_change_flags usb_alloc_coherent hcd_buffer_alloc",
        "serves": "fuse_dev_do_read fuse_dev_read fuse_dev_write "
        "fuse_dev_do_write fuse_dev_splice_write fuse_dev_splice_read "
        "nfsd nfsd_vfs_write nfsd_write nfsd_dispatch "
        "nfsd4_write nfsd3_proc_write svc_process svc_process_common nfsd4_proc_compound "
        "nbd_start_device_ioctl __nbd_ioctl nbd_do_it fuse_uring_cmd "
        "iscsi_target_rx_thread iscsi_target_tx_thread iscsit_get_rx_pdu "
        "target_submit_cmd tcmu_queue_cmd ublk_ch_uring_cmd loop_workfn "
        "loop_process_work loop_thread do_req_filebacked loop_rootcg_workfn",
        "dirty-limit": "balance_dirty_pages balance_dirty_pages_ratelimited balance_dirty_pages_ratelimited_nr "
        "balance_dirty_pages_ratelimited_flags",
        "idle": "worker_thread rescuer_thread do_wait do_poll do_select "
        "ep_poll do_epoll_wait futex_wait futex_wait_queue futex_wait_queue_me "
        "pipe_read pipe_wait unix_stream_read_generic wait_for_more_packets "
        "__skb_wait_for_more_packets sk_wait_data do_nanosleep hrtimer_nanosleep "
        "poll_schedule_timeout do_signal_stop do_sigtimedwait kthreadd "
        "smpboot_thread_fn rcu_gp_kthread inet_csk_accept n_tty_read "
        "kauditd_thread io_cqring_wait do_sys_poll sigsuspend do_syslog",
    }.items()
}  # fmt: skip
"""What a function says of the way on which a task came to where it sleeps."""

_NFS_2007: Final = (
    "io_schedule",
    "sync_page",
    "__wait_on_bit_lock",
    "__lock_page",
    "do_swap_page",
    "__handle_mm_fault",
)
_RECLAIM_2007: Final = ("shrink_zone", "try_to_free_pages", "__alloc_pages", "read_swap_cache_async", "do_swap_page")
_RECLAIM_NOW: Final = (
    "do_try_to_free_pages", "try_to_free_pages", "__alloc_pages_slowpath.constprop.0", "__alloc_pages_noprof",
    "vma_alloc_folio_noprof", "do_swap_page", "handle_mm_fault", "exc_page_fault", "asm_exc_page_fault",
)  # fmt: skip
_FAULT_NOW: Final = ("handle_mm_fault", "exc_page_fault", "asm_exc_page_fault")
_SEND_2007: Final = (
    "sk_stream_wait_memory",
    "tcp_sendmsg",
    "inet_sendmsg",
    "sock_sendmsg",
    "sock_xmit",
    "nbd_send_req",
)
_SEND_NOW: Final = (
    "sk_stream_wait_memory", "tcp_sendmsg_locked", "tcp_sendmsg", "sock_sendmsg", "__sock_xmit", "nbd_handle_cmd",
    "nbd_queue_rq", "blk_mq_dispatch_rq_list",
)  # fmt: skip
_TAG_2007: Final = ("io_schedule", "get_request_wait", "__make_request", "generic_make_request", "submit_bio")
_TAG_NOW: Final = ("io_schedule", "blk_mq_get_tag", "__blk_mq_alloc_requests", "blk_mq_submit_bio", "submit_bio_noacct")

CHAINS: Final = {
    False: {
        "page-in": _NFS_2007,
        "file": ("io_schedule", "sync_page", "__wait_on_bit_lock", "__lock_page", "filemap_nopage", "__do_fault"),
        "page": ("io_schedule_timeout", "congestion_wait", "try_to_free_pages", *_RECLAIM_2007[2:]),
        "throttle": ("io_schedule_timeout", "congestion_wait", "throttle_vm_writeout", *_RECLAIM_2007),
        "dirty": ("io_schedule_timeout", "congestion_wait", "balance_dirty_pages_ratelimited_nr", "generic_file_write"),
        "slot in": (*_TAG_2007, "swap_readpage", "read_swap_cache_async", "do_swap_page"),
        "slot out": (*_TAG_2007, "swap_writepage", "pageout", "shrink_page_list", *_RECLAIM_2007),
        "send": (*_SEND_2007, "do_nbd_request", "swap_readpage", "do_swap_page"),
        "kswapd": (*_TAG_2007, "swap_writepage", "pageout", "shrink_zone", "balance_pgdat", "kswapd"),
        "kswapd naps": ("io_schedule_timeout", "congestion_wait", "throttle_vm_writeout", "balance_pgdat", "kswapd"),
    },
    True: {
        "page-in": ("io_schedule", "folio_wait_bit_common", "do_swap_page", *_FAULT_NOW),
        "file": ("io_schedule", "folio_wait_bit_common", "filemap_fault", "__do_fault", *_FAULT_NOW),
        "page": ("schedule_timeout", "reclaim_throttle", "shrink_node", *_RECLAIM_NOW),
        "throttle": ("throttle_direct_reclaim", *_RECLAIM_NOW[1:]),
        "dirty": ("io_schedule_timeout", "balance_dirty_pages", "balance_dirty_pages_ratelimited_flags",
                  "generic_perform_write", "vfs_write"),
        "slot in": (*_TAG_NOW, "swap_read_folio", "do_swap_page", *_FAULT_NOW),
        "slot out": (*_TAG_NOW, "__swap_writepage", "pageout", "shrink_folio_list", "shrink_node", *_RECLAIM_NOW),
        "send": (*_SEND_NOW, "swap_read_folio", "do_swap_page", *_FAULT_NOW),
        "kswapd": (*_TAG_NOW, "__swap_writepage", "pageout", "shrink_folio_list", "shrink_node", "balance_pgdat", "kswapd"),
        "kswapd naps": ("schedule_timeout", "reclaim_throttle", "shrink_node", "balance_pgdat", "kswapd"),
    },
}  # fmt: skip
"""The functions of each kind of sleep, the innermost first; by whether the kernel is 6.11's kind (else 2.6.22's)."""
