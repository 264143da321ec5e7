"""Where pages go: which storage a log names, over which network or to which process, and which of it is a disk of the machine.

Names are those of the modules' functions, of kernel threads, of devices and of daemons.
"""

import re
from collections.abc import Iterable
from typing import Final

from netswap.cluster.match.events import Event
from netswap.cluster.match.stacks import Stack

NETWORK: Final[dict[str, re.Pattern[str]]] = {
    name: re.compile(rf"^(?:{pattern})")
    for name, pattern in {
        "nbd": r"_*nbd_|sock_xmit|__sock_xmit|do_nbd_request",
        "nfs": r"nfs\d?_|nfs[34]|_nfs|__nfs|rpc_|__rpc_|xs_|xprt_|_rpc|rpciod",
        "iscsi": r"iscsi_(?!target)|cxgbi_|iser_|__iscsi",
        "ceph": r"rbd_|ceph_|__ceph|libceph|_rbd|__rbd",
        "fuse": r"fuse_|__fuse|cuse_",
        "drbd": r"drbd_|_drbd|__drbd",
        "cifs": r"cifs_|_?cifs|smb2_|SMB2_|smb_|smbd_|compound_send_recv|cifs",
        "9p": r"p9_|v9fs_",
        "nvme over fabrics": r"nvme_tcp_|nvme_rdma_|nvmf_|nvme_fc_",
        "aoe": r"aoe|_aoe",
        "lustre": r"ptlrpc_|ll_|osc_|lov_|cl_io|mdc_|lustre",
        "ocfs2 or gfs2": r"ocfs2_|o2net_|gfs2_|dlm_",
        "a process (ublk)": r"ublk_",
        "a process (tcmu)": r"tcmu_",
        "moosefs": r"mfs_",
    }.items()
}
"""Functions of storage that another machine, or a process, has to answer."""

LOCAL: Final = re.compile(
    r"^(?:_|__)?(?:jbd2?_|ext[234]_|xfs_|xlog_|_xfs|btrfs_|f2fs_|nvme_(?!tcp|rdma|fc)|nvme_pci|ata_|"
    r"ahci_|sd_|scsi_|mmc_|mmcblk|dm_|md_|raid\d|zfs_|zvol_|"
    r"zio_|zil_|txg_|dmu_|dbuf_|dnode_|arc_|spa_|vdev_|bch2?_|cached_dev|loop_|lo_|virtblk|megasas|"
    r"mpt\dsas|reiserfs|jfs_|ntfs3?_|hfs|ubifs_|"
    r"start_this_handle|kjournald|wait_on_buffer|sync_dirty_buffer|crypt_|dmcrypt|thin_|cv_wait|"
    r"z_erofs|squashfs|overlay_|kcryptd)"
)
"""Functions of a disk of the machine, or of a file system on one."""

_RECLAIM: Final = frozenset(
    (
        "try_to_free_pages",
        "do_try_to_free_pages",
        "try_to_free_mem_cgroup_pages",
        "__alloc_pages_direct_reclaim",
        "balance_pgdat",
        "__alloc_pages_direct_compact",
        "kcompactd",
    )
)
"""Where reclaim and compaction begin: mm/vmscan.c, mm/compaction.c."""
_QUEUE_RUNS: Final = re.compile(r"(?:_request|_request_fn|_queue_rqs?|_make_request|_submit_bio|_queuecommand)$")
_NFSD: Final = frozenset(("nfsd", "nfsd_dispatch", "svc_process", "svc_recv"))
_NFS_CLIENT: Final = re.compile(r"nfs_|_nfs|__nfs|rpc_|__rpc_|xs_|xprt_")

_DEVICES: Final = (
    ("nbd", re.compile(r"nbd\d")),
    ("ceph", re.compile(r"\brbd\d")),
    ("drbd", re.compile(r"drbd\d")),
    ("aoe", re.compile(r"etherd|aoe")),
    ("a process (ublk)", re.compile(r"ublkb")),
    ("nfs", re.compile(r"\bnfs\b|/nfs")),
    (
        "local",
        re.compile(
            r"^/?(?:dev/)?(?:[shv]d[a-z]|xvd|nvme|mmcblk|zram|zd\d|md\d|loop|ram\d|dasd|dm-|mapper|"
            r"pmem|zvol|bcache|vda|vg|centos|rhel|disk)"
        ),
    ),
)
_MAJORS: Final = {
    **{"43": "nbd", "147": "drbd", "152": "aoe"},
    **dict.fromkeys(("3", "8", "9", "179", "230", "252", "253", "254", "259"), "local"),
}
"""Major numbers of the devices that writeback threads have in their names: Documentation/admin-guide/devices.txt."""
_QUEUES: Final = (
    ("nfs", re.compile(r"\b(?:rpciod|xprtiod|nfsiod|nfslocaliod)\b")),
    ("nbd", re.compile(r"\bk?nbd\d*(?:-recv|-?recv_workq)?\b|nbd\d+-recv")),
    ("ceph", re.compile(r"\bceph-(?:msgr|watch)|\brbd\d*\b|ceph-inode")),
    ("iscsi", re.compile(r"\biscsi(?:_q_\d+|_wq|_conn|_eh)")),
    ("nvme over fabrics", re.compile(r"nvme_tcp_wq|nvme-tcp")),
    ("cifs", re.compile(r"\bcifs(?:iod|d|oplockd)")),
    ("drbd", re.compile(r"drbd")),
)
_EVENTS: Final = {
    "nbd time-out": "nbd", "nfs time-out": "nfs", "nfs answers": "nfs", "iscsi time-out": "iscsi", "ceph time-out": "ceph",
    "drbd time-out": "drbd", "file server time-out": "cifs",
}  # fmt: skip

DAEMONS: Final = (
    ("nbd", re.compile(r"^(?:nbd-server|nbd-client|qemu-nbd|nbdkit|rbd-nbd|xnbd|nbd\d+$)")),
    ("nfs", re.compile(r"^(?:nfsd|ganesha|unfsd|rpc\.nfsd|rpciod|lockd)")),
    ("iscsi", re.compile(r"^(?:iscsid|tgtd|iscsi_t[rt]x|ietd|istgt|longhorn|tcmu-runner|iscsi_q_)")),
    (
        "ceph",
        re.compile(
            r"^(?:ceph-osd|ceph-mon|ceph-fuse|tp_osd|tp_fstore|filestore|bstore|msgr-worker|rbd-nbd|fn_(?:odsk|jrn))"
        ),
    ),
    (
        "fuse",
        re.compile(
            r"^(?:glusterfs|glfs|gluster|gvfs|sshfs|s3fs|goofys|juicefs|rclone|mfs|mount\.|gcsfuse|"
            r"mount-s3|weed|encfs|gocryptfs|cryfs|"
            r"bindfs|mergerfs|unionfs|fuse|ntfs-3g|lxcfs|zfs-fuse|blobfuse|cvmfs|ceph-fuse|dislocker|"
            r"afuse|curlftpfs|davfs|mount\.davfs|"
            r"virtiofsd|vmhgfs|hdfs|alluxio|ltfs|ossfs|cosfs|lizard|sheepdog|sheep|px-storage|px-|"
            r"io-engine|mayastor|csi|sysbox-fs)"
        ),
    ),
    ("drbd", re.compile(r"^drbd")),
    (
        "proxy",
        re.compile(
            r"^(?:stunnel|openvpn|ssh$|sshd|socat|haproxy|wireguard-go|tailscaled|tinc|spiped|ghostunnel|envoy)"
        ),
    ),
    ("a process (ublk)", re.compile(r"^ublk")),
    ("dm-crypt", re.compile(r"^kcryptd|^dmcrypt_write")),
)
"""Processes and kernel threads that answer for storage, by what they serve; `proxy` relays for others."""


def of_functions(names: Iterable[str]) -> str:
    """The network storage that the innermost such function belongs to; empty if there is none."""
    for name in names:
        for transport, pattern in NETWORK.items():
            if pattern.match(name):
                return transport
    return ""


def asked(stack: Stack) -> list[str]:
    """The functions that say what the task waits for.

    For a task in reclaim they are those that reclaim has called: what called the allocator does not say where the pages go.
    For a server they are not the server's own.
    """
    names = stack.functions()
    end = next((at for at, name in enumerate(names) if name in _RECLAIM), len(names))
    names = names[:end]
    if _NFSD.intersection(stack.functions()) and not any(_NFS_CLIENT.match(name) for name in names):
        names = [name for name in names if not name.startswith(("nfs3", "nfs4"))]
    return names


def queue_of(stack: Stack) -> str:
    """The storage whose queue a task has run before it waited for a request: a network storage, `local`, or empty."""
    ran = [name for name in stack.last_called() if _QUEUE_RUNS.search(name)]
    return of_functions(ran) or ("local" if any(LOCAL.match(name) for name in ran) else "")


def of_stack(stack: Stack) -> str:
    """The network storage that a stack belongs to; its work queue and its device's number count too."""
    found = of_functions(asked(stack))
    if found:
        return found
    if _RECLAIM.intersection(stack.functions()) and not stack.task.startswith(("kworker", "flush-")):
        return ""
    label = f"{stack.workqueue} {stack.task}"
    for transport, pattern in _QUEUES:
        if pattern.search(label):
            return transport
    flush = re.search(r"flush-(?:btrfs|\w*?)?(\d+):\d+", label)
    found = _MAJORS.get(flush[1], "") if flush else ""
    return "" if found == "local" else found


def is_local(stack: Stack) -> bool:
    """Whether a disk of the machine is what it waits for: the innermost storage in it is one."""
    for name in asked(stack):
        if any(pattern.match(name) for pattern in NETWORK.values()):
            return False
        if LOCAL.match(name):
            return True
    flush = re.search(r"flush-(?:btrfs|\w*?)?(\d+):\d+", f"{stack.workqueue} {stack.task}")
    return bool(flush and _MAJORS.get(flush[1]) == "local")


def of_device(device: str) -> str:
    """The storage that a swap device is on: a transport, `local`, or empty for a file or a name that says nothing."""
    for transport, pattern in _DEVICES:
        if pattern.search(device):
            return transport
    return ""


def of_event(event: Event) -> str:
    """The storage that did not answer in time."""
    if event.kind == "file server time-out":
        text = event.line.text
        return "9p" if "9p" in text else "lustre" if "Lustre" in text else "cifs"
    if event.kind == "i/o error":
        found = of_device(event.said.get("device", ""))
        return "" if found == "local" else found
    return _EVENTS.get(event.kind, "")


def served_by(stack: Stack) -> str:
    """What a task serves, if it is a storage daemon or a proxy; empty otherwise."""
    for transport, pattern in DAEMONS:
        if pattern.match(stack.task):
            return transport
    for transport, pattern in _QUEUES:
        if pattern.search(stack.workqueue):
            return transport
    names = set(stack.functions())
    if stack.workqueue.startswith("kcryptd") or names & {"kcryptd_crypt", "dmcrypt_write"}:
        return "dm-crypt"
    if names & {"fuse_dev_do_read", "fuse_dev_do_write", "fuse_dev_write", "fuse_dev_read", "fuse_uring_cmd"}:
        return "fuse"
    if names & {"nfsd", "nfsd_dispatch", "nfsd_vfs_write", "svc_process"}:
        return "nfs"
    if names & {"nbd_start_device_ioctl", "nbd_do_it"}:
        return "nbd"
    if names & {"iscsi_target_rx_thread", "iscsi_target_tx_thread", "iscsit_get_rx_pdu"}:
        return "iscsi"
    return ""
