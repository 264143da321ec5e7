#!/bin/sh
# Collects what netswap wants to know of this machine, into one file to be looked at and sent: sh collect.sh [OUT.tar.gz]
#
# It only reads text files of /proc and /sys, asks ethtool for the ring, and ss for sizes of buffers. It changes nothing, needs
# no rights (run it as root if some files cannot be read), and sends nothing. It leaves out names of hosts, users, programs and
# cards, addresses (other machines are 192.0.2.2 or 2001:db8::2, loopback stays), serial numbers, and the environment. Any POSIX
# shell runs it, also busybox. A second argument names another root, for a machine that is mounted somewhere.
set -u
umask 077
out=${1:-netswap-host.tar.gz}
root=${2:-}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
host=$dir/host
mkdir "$host" || exit 1

# put PATH: keep standard input under this path, unless it is empty.
put() {
    case $1 in */*) mkdir -p "$host/${1%/*}" ;; esac
    cat >"$host/$1"
    [ -s "$host/$1" ] || rm -f "$host/$1"
}

# copy PATH...: keep files as they are.
copy() {
    for path in "$@"; do
        [ -r "$root/$path" ] && cat "$root/$path" 2>/dev/null | put "$path"
    done
}

# --- memory and settings: numbers only
copy proc/meminfo proc/zoneinfo proc/buddyinfo proc/net/sockstat proc/net/sockstat6 proc/sys/kernel/osrelease
for name in min_free_kbytes watermark_scale_factor watermark_boost_factor swappiness page-cluster dirty_ratio \
    dirty_background_ratio dirty_bytes dirty_background_bytes dirty_expire_centisecs dirty_writeback_centisecs lowmem_reserve_ratio \
    overcommit_memory; do
    copy "proc/sys/vm/$name"
done
for name in rmem_default rmem_max wmem_default netdev_max_backlog high_order_alloc_disable; do
    copy "proc/sys/net/core/$name"
done
for name in tcp_mem tcp_rmem tcp_wmem udp_mem udp_rmem_min tcp_moderate_rcvbuf tcp_retries2 ipfrag_high_thresh \
    ipfrag_low_thresh ipfrag_time; do
    copy "proc/sys/net/ipv4/$name"
done
copy proc/sys/sunrpc/tcp_slot_table_entries proc/sys/sunrpc/udp_slot_table_entries
copy sys/kernel/mm/transparent_hugepage/enabled sys/module/zswap/parameters/enabled

# --- the kernel: its version without who built it, of its command line only words about memory and the root
sed 's/ (.*//' "$root/proc/version" 2>/dev/null | put proc/version
sed -n 's/^\(cpu[0-9]*\) .*/\1 0/p' "$root/proc/stat" 2>/dev/null | grep '^cpu[0-9]' | put proc/stat
tr ' ' '\n' <"$root/proc/cmdline" 2>/dev/null | sed -n \
    -e 's/^nfsroot=.*/nfsroot/p' -e 's/^nbdroot=.*/nbdroot/p' -e '/^root=\/dev\/n[bf][ds]/p' \
    -e '/^\(transparent_hugepage\|cma\|mem\|hugepages\|hugepagesz\|default_hugepagesz\|kernelcore\|movablecore\)=/p' |
    tr '\n' ' ' | put proc/cmdline
[ -z "$root" ] && getconf PAGESIZE 2>/dev/null | put pagesize

# --- sockets: ports and states; of addresses only whether they are all, loopback, this machine's or another's
for table in udp udp6 tcp tcp6; do
    [ -r "$root/proc/net/$table" ] && awk '
        function kind(address) {
            if (address ~ /^0*$/) return "any"
            if (address ~ /^......7F$/ || address == "00000000000000000000000001000000") return "loop"
            if (address ~ /^0000000000000000FFFF0000......7F$/) return "loop"
            return "other"
        }
        function plain(address, last) {
            if (kind(address) == "any") return address
            if (length(address) == 8) return kind(address) == "loop" ? "0100007F" : "0" last "0200C0"
            return kind(address) == "loop" ? "00000000000000000000000001000000" : "B80D012000000000000000000" last "000000"
        }
        NR == 1 { print "  sl  local_address rem_address   st tx_queue rx_queue"; next }
        {
            split($2, here, ":"); split($3, there, ":")
            same = here[1] == there[1] && kind(here[1]) == "other"
            loop = length(here[1]) == 8 ? "0100007F" : "00000000000000000000000001000000"
            print $1, (same ? loop : plain(here[1], 1)) ":" here[2], (same ? loop : plain(there[1], 2)) ":" there[2], $4, $5
        }' "$root/proc/net/$table" | put "proc/net/$table"
done

# --- receive buffers of single sockets, where ss is there: of its lines states, ports and sizes
for option in t u; do
    [ -z "$root" ] && command -v ss >/dev/null || continue
    ss -anm -$option 2>/dev/null | awk '
        function address(end) { sub(/:[^:]*$/, "", end); return end }
        function plain(end, last, inside,    name) {
            name = address(end)
            if (inside || name ~ /^(127\.|\[::1\]|::1|\[::ffff:127\.)/) name = "127.0.0.1"
            else if (name !~ /^(\*|0\.0\.0\.0|\[::\]|::)$/) name = "192.0.2." last
            return name substr(end, length(address(end)) + 1)
        }
        NR == 1 { print; next }
        $2 ~ /^[0-9]+$/ && NF >= 5 {
            same = address($4) == address($5) && address($4) ~ /[1-9a-f]/
            print $1, $2, $3, plain($4, 1, same), plain($5, 2, same)
        }
        match($0, /skmem:\([a-z0-9,]*\)/) { print "\t " substr($0, RSTART, RLENGTH) }
    ' | put "ss-anm-$option.txt"
done

# --- where pages go: kinds of file systems and devices, mount points by numbers, of options only those of NFS
loops=$dir/loops
for file in "$root"/sys/block/loop*/loop/backing_file; do
    [ -r "$file" ] && printf '%s %s\n' "${file#"$root"/}" "$(sed 's/ /\\040/g' "$file")"
done >"$loops"
mkdir -p "$host/proc"
awk -v host="$host/proc" '
    function device(name) {
        if (name ~ /^\/dev\/(nbd|sd|vd|xvd|hd|nvme|mmcblk|loop|dm-|md|zram|ram|rbd|drbd|ublkb)[0-9a-z]*$/) return name
        if (name ~ /^\/dev\/etherd\//) return "/dev/etherd/e0.0"
        if (name ~ /^\/dev\//) return "/dev/mapper/disk"
        if (name ~ /^(127\.|localhost:|\[::1\])/) return "localhost:/export"
        return name ~ /:\// ? "server:/export" : "none"
    }
    function options(all,    words, count, at, kept) {
        count = split(all, words, ",")
        kept = words[1]
        for (at = 2; at <= count; at++) {
            if (words[at] ~ /^(vers|proto|rsize|wsize|timeo|retrans)=|^(hard|soft|tcp|udp)$/) kept = kept "," words[at]
            if (words[at] ~ /^addr=(127\.|::1)/) kept = kept ",addr=127.0.0.1"
        }
        return kept
    }
    function below(path,    at, best, where) {
        best = 0; where = ""
        for (at = 1; at <= mounted; at++)
            if ((point[at] == "/" || index(path, point[at] "/") == 1) && length(point[at]) >= best) {
                best = length(point[at]); where = point[at] == "/" ? "" : "/mount" at
            }
        return where "/file"
    }
    FILENAME ~ /mounts$/ {
        point[++mounted] = $2
        print device($1), ($2 == "/" ? "/" : "/mount" mounted), $3, options($4), 0, 0 > (host "/mounts")
        next
    }
    FILENAME ~ /swaps$/ {
        if (FNR > 1) $1 = $(NF - 3) == "file" ? below($1) : device($1)
        print > (host "/swaps")
        next
    }
    { print $1, below($2) }
' "$root/proc/mounts" "$root/proc/swaps" "$loops" 2>/dev/null | while read -r file backing; do
    echo "$backing" | put "$file"
done

# --- block devices: their queues, their drivers, and whether they hang on an iSCSI session
for block in "$root"/sys/block/*; do
    name=${block##*/}
    copy "sys/block/$name/queue/nr_requests" "sys/block/$name/queue/max_sectors_kb" "sys/block/$name/queue/read_ahead_kb"
    case $(readlink "$block") in */session[0-9]*) echo iscsi | put "sys/block/$name/transport" ;; esac
    driver=$(readlink "$block/device/driver") && echo "${driver##*/}" | put "sys/block/$name/driver"
    for below in "$block"/slaves/*; do
        [ -e "$below" ] && echo slave | put "sys/block/$name/slaves/${below##*/}"
    done
    case $(cat "$block/dm/uuid" 2>/dev/null) in CRYPT-*) echo CRYPT- | put "sys/block/$name/dm/uuid" ;; esac
done

# --- cards, by numbers: rate, MTU, driver, ring
number=0
for card in "$root"/sys/class/net/*; do
    [ -e "$card/device" ] || continue
    for what in speed mtu operstate; do
        cat "$card/$what" 2>/dev/null | put "sys/class/net/card$number/$what"
    done
    driver=$(readlink "$card/device/driver") && echo "${driver##*/}" | put "sys/class/net/card$number/driver"
    if [ -z "$root" ] && command -v ethtool >/dev/null; then
        ethtool -g "${card##*/}" 2>/dev/null | sed '1s/ for .*/:/' | put "ethtool-g_card$number.txt"
    fi
    number=$((number + 1))
done

# --- the least memory limit of the control groups above this shell, without their names
limit() { # BASE GROUP NAME
    least=9223372036854775807
    group=$2
    while :; do
        value=$(cat "$root/$1$group/$3" 2>/dev/null) || value=
        case $value in '' | *[!0-9]*) ;; *) [ "$value" -lt "$least" ] && least=$value ;; esac
        case $group in */*) group=${group%/*} ;; *) break ;; esac
    done
    [ "$least" -lt 4611686018427387904 ] && echo "$least" | put "$1/$3"
}
while IFS=: read -r _ controllers group; do
    case ,$controllers, in
    ,,) limit sys/fs/cgroup "${group%/}" memory.max ;;
    *,memory,*) limit sys/fs/cgroup/memory "${group%/}" memory.limit_in_bytes ;;
    esac
done 2>/dev/null <"$root/proc/self/cgroup"

# --- one file, owned by nobody in particular where tar can do that
(cd "$dir" && { tar --owner=0 --group=0 --numeric-owner -cf host.tar host 2>/dev/null || tar -cf host.tar host; }) || exit 1
gzip -c "$dir/host.tar" >"$out" || exit 1
echo "written: $out. Look into it with tar tzf, and then: netswap from-host $out" >&2
