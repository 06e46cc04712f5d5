#!/bin/busybox sh
# The first program of the machine, as root: it puts the system together from what the host shares, starts what becomes
# the daemon, and turns the machine off when that has ended.  What it says, the host shows if the machine does not start.
# The kernel hands it the variables of its command line: TMP_BYTES, SHM_BYTES, RUN_BYTES, PYTHON, KEPT and SHARE, the
# options of each mount.
export PATH=/bin
b=/bin/busybox

off() {
    $b sync
    $b poweroff -f
}

need() {
    "$@" && return
    echo "The machine could not run: $*"
    off
}

need $b mount -t proc proc /proc
for module in /modules/*; do need $b insmod "$module"; done

share="trans=virtio,version=9p2000.L,$SHARE"
need $b mount -t devtmpfs dev /dev
need $b mount -t 9p -o "ro,nosuid,nodev,cache=loose,$share" system /system
cd /system
need $b mount -t tmpfs -o "nosuid,noexec,size=64k,mode=755" dev dev
for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- $node
    need $b mknod -m 666 "dev/$1" c "$2" "$3"
done
need $b mkdir dev/pts dev/shm
for link in "pts/ptmx dev/ptmx" "/proc/self/fd dev/fd" "fd/0 dev/stdin" "fd/1 dev/stdout" "fd/2 dev/stderr"; do
    need $b ln -s $link
done
need $b mount -t devpts -o "nosuid,noexec,newinstance,ptmxmode=0666,mode=620" devpts dev/pts
need $b mount -t tmpfs -o "nosuid,nodev,mode=1777,size=$SHM_BYTES" shm dev/shm
need $b mount -o "remount,ro" dev dev
need $b mount -t tmpfs -o "nosuid,nodev,mode=1777,size=$TMP_BYTES" tmp tmp
need $b mount -t tmpfs -o "nosuid,nodev,mode=755,uid=1000,gid=1000,size=$RUN_BYTES" run run
need $b mount -t 9p -o "nosuid,nodev,cache=mmap,$share" workspace home/agent
if [ -n "$KEPT" ]; then
    need $b mkdir -p home/agent/.workhand
    need $b mount -t 9p -o "ro,nosuid,nodev,cache=none,$share" kept home/agent/.workhand
fi

need $b ip link set lo up
need $b hostname sandbox
echo 0 >/proc/sys/user/max_user_namespaces

wire=none
tries=1000
until [ -c "$wire" ] || [ $tries = 0 ]; do # Its only port is announced when the device is ready.
    $b usleep 5000
    tries=$((tries - 1))
    set -- /dev/vport*
    wire=$1
done
need [ -c "$wire" ]

begin="import sys; sys.path.insert(0, '/opt/workhand'); from inside.guest import main; main()"
# A namespace of processes, so that the daemon is the first of them: nothing in the machine can end it.
$b unshare --pid --fork $b chroot . "$PYTHON" -I -S -B -c "$begin" <>"$wire" >&0
off
