"""The names that kernels print in their tables, in their order.

Sources: net/ipv4/proc.c and mm/vmstat.c of 2.6.22, the same and fs/proc/meminfo.c of 6.11. Left out is what a kernel prints only
when it is built with a feature that no machine here has (NUMA, huge pages, compaction, zswap, KSM, MPTCP).
"""

from typing import Final

_TCP_2007: Final = """
SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps LockDroppedIcmps
ArpFilter TW TWRecycled TWKilled PAWSPassive PAWSActive PAWSEstab DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows
ListenDrops TCPPrequeued TCPDirectCopyFromBacklog TCPDirectCopyFromPrequeue TCPPrequeueDropped TCPHPHits TCPHPHitsToUser
TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPFACKReorder TCPSACKReorder TCPRenoReorder TCPTSReorder
TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo TCPLoss TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures
TCPFastRetrans TCPForwardRetrans TCPSlowStartRetrans TCPTimeouts TCPRenoRecoveryFail TCPSackRecoveryFail TCPSchedulerFailed
TCPRcvCollapsed TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnSyn TCPAbortOnData TCPAbortOnClose
TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures
"""
_TCP_NOW: Final = """
SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps LockDroppedIcmps
ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops
TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPSACKReorder TCPRenoReorder TCPTSReorder
TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures
TCPFastRetrans TCPSlowStartRetrans TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail
TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose
TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard
TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted
TCPSackMerged TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop IPReversePathFilter
TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge
TCPChallengeACK TCPSYNChallenge TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail
TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking
TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPHystartTrainDetect
TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq
TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess
TCPDelivered TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig TCPFastOpenPassiveAltKey
TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious TCPMigrateReqSuccess TCPMigrateReqFailure
TCPPLBRehash TCPAORequired TCPAOBad TCPAOKeyNotFound TCPAOGood TCPAODroppedIcmps
"""
_IP_EXT_2007: Final = "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts"
_IP_EXT_NOW: Final = """
InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets OutMcastOctets
InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps
"""
_IP: Final = """
Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests
OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates
"""
_TCP: Final = """
RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs
OutRsts
"""
_UDP: Final = "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors"
_UDP_NOW: Final = f"{_UDP} InCsumErrors IgnoredMulti MemErrors"

SNMP: Final = {
    False: {"Ip": _IP, "Tcp": _TCP, "Udp": _UDP, "UdpLite": _UDP},
    True: {"Ip": f"{_IP} OutTransmits", "Tcp": f"{_TCP} InCsumErrors", "Udp": _UDP_NOW, "UdpLite": _UDP_NOW},
}
"""The lines of net/snmp, and their fields; by whether the kernel is 6.11's kind (else 2.6.22's)."""
NETSTAT: Final = {
    False: {"TcpExt": _TCP_2007, "IpExt": _IP_EXT_2007},
    True: {"TcpExt": _TCP_NOW, "IpExt": _IP_EXT_NOW},
}
"""The lines of net/netstat, and their fields; by the same key as `SNMP`."""

_STATE_2007: Final = """
nr_free_pages nr_inactive nr_active nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback nr_slab_reclaimable
nr_slab_unreclaimable nr_page_table_pages nr_unstable nr_bounce nr_vmscan_write
"""
_EVENTS_2007: Final = """
pgpgin pgpgout pswpin pswpout pgalloc_normal pgfree pgactivate pgdeactivate pgfault pgmajfault pgrefill_normal pgsteal_normal
pgscan_kswapd_normal pgscan_direct_normal pginodesteal slabs_scanned kswapd_steal kswapd_inodesteal pageoutrun allocstall
pgrotated
"""
_ZONE_NOW: Final = """
nr_free_pages nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable
nr_zone_write_pending nr_mlock nr_bounce nr_zspages nr_free_cma
"""
_NODE_NOW: Final = """
nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable
nr_isolated_anon nr_isolated_file workingset_nodes workingset_refault_anon workingset_refault_file workingset_activate_anon
workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped
nr_file_pages nr_dirty nr_writeback nr_writeback_temp nr_shmem nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied
nr_written nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_kernel_stack
nr_page_table_pages nr_sec_page_table_pages nr_swapcached
"""
ZONE_NOW: Final = _ZONE_NOW.split()
NODE_NOW: Final = _NODE_NOW.split()
STATE_2007: Final = _STATE_2007.split()
_EVENTS_NOW: Final = """
nr_dirty_threshold nr_dirty_background_threshold pgpgin pgpgout pswpin pswpout pgalloc_normal pgalloc_movable allocstall_normal
allocstall_movable pgskip_normal pgskip_movable pgfree pgactivate pgdeactivate pglazyfree pgfault pgmajfault pglazyfreed pgrefill
pgreuse pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_direct_throttle
pgscan_anon pgscan_file pgsteal_anon pgsteal_file pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly
kswapd_high_wmark_hit_quickly pageoutrun pgrotated drop_pagecache drop_slab oom_kill unevictable_pgs_culled
unevictable_pgs_scanned unevictable_pgs_rescued unevictable_pgs_mlocked unevictable_pgs_munlocked unevictable_pgs_cleared
unevictable_pgs_stranded swap_ra swap_ra_hit nr_unstable
"""
VMSTAT: Final = {
    False: [*STATE_2007, *_EVENTS_2007.split()],
    True: [*ZONE_NOW, *NODE_NOW, *_EVENTS_NOW.split()],
}
"""The lines of vmstat."""
_MEMORY_2007: Final = """
MemTotal MemFree Buffers Cached SwapCached Active Inactive SwapTotal SwapFree Dirty Writeback AnonPages Mapped Slab
SReclaimable SUnreclaim PageTables NFS_Unstable Bounce CommitLimit Committed_AS VmallocTotal VmallocUsed VmallocChunk
"""
_MEMORY_NOW: Final = """
MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Active(anon) Inactive(anon) Active(file)
Inactive(file) Unevictable Mlocked SwapTotal SwapFree Dirty Writeback AnonPages Mapped Shmem KReclaimable Slab SReclaimable
SUnreclaim KernelStack PageTables SecPageTables NFS_Unstable Bounce WritebackTmp CommitLimit Committed_AS VmallocTotal
VmallocUsed VmallocChunk Percpu
"""
MEMINFO: Final = {False: _MEMORY_2007.split(), True: _MEMORY_NOW.split()}
"""The lines of meminfo."""
