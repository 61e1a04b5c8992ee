#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# NFS over loopback, for the tests that need one: exports a folder read-only and
# mounts it, without leaving anything behind at the end. Version 3 if not said
# otherwise. With version 4, the folder is the root of what the server shows.
#
#	nfs.sh up EXPORT MOUNTPOINT [3|4]  0, 1 for a failure, 4 when it cannot be had
#	nfs.sh down MOUNTPOINT
#
# Only one at a time. Whatever is said goes to stdout as KTAP diagnostics.

exec > >(sed 's/^/# nfs: /') 2>&1

port=20048
clients=127.0.0.1
options=ro,no_root_squash,no_subtree_check,insecure

need() {
	local prog
	for prog; do
		command -v "$prog" >/dev/null || { echo "no $prog"; exit 4; }
	done
}

# pids FILE: of the daemons that up has started
state=/run/erofs-test-nfs

serve() {
	exportfs -o "$options,fsid=$2" "$clients:$1" || return
	if [ "$3" = 3 ]; then
		rpc.nfsd -N 4 -V 3 --no-udp 2 || return
		rpc.mountd -F -p $port -N 4 -V 3 &
	else
		rpc.nfsd -N 3 -V 4 -G 10 -L 10 --no-udp 2 || return
		rpc.mountd -F -p $port -N 3 -V 4 &
	fi
	echo $! > $state/mountd
	# No client has anything to reclaim, so nobody need wait for it. A kernel
	# that keeps no list of clients itself will not hear of that without a daemon
	# that does: there the first file that is opened waits for the ten seconds.
	[ "$3" = 3 ] || echo Y > /proc/fs/nfsd/v4_end_grace ||
		echo "the server waits for clients of before"
}

up() {
	local export=$1 mountpoint=$2 vers=${3:-3} i from opts
	need rpcbind rpc.nfsd rpc.mountd exportfs mount.nfs
	modprobe -a -q nfsd nfs "nfsv$vers" ||
		{ echo "no nfsd or nfs $vers in this kernel"; exit 4; }
	mkdir -p /var/lib/nfs /run/rpcbind /proc/fs/nfsd $state
	touch /var/lib/nfs/etab /var/lib/nfs/rmtab
	mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd || return 1
	rpcbind -f -w & echo $! > $state/rpcbind
	for ((i = 0; i < 50; i++)); do
		(exec 3<> /dev/tcp/127.0.0.1/111) 2>/dev/null && break
		sleep 0.1
	done
	opts=ro,vers=$vers,proto=tcp,port=2049,soft,timeo=50,retry=0
	if [ "$vers" = 3 ]; then
		serve "$export" 77 3 || return 1
		from=$export
		opts=$opts,mountproto=tcp,mountport=$port,nolock
	else
		serve "$export" 0 4 || return 1
		from=/
	fi
	for ((i = 0; i < 10; i++)); do
		mount -t nfs -o "$opts" "$clients:$from" "$mountpoint" \
			> $state/log 2>&1 && return
		sleep 0.3
	done
	cat $state/log
	return 1
}

down() {
	local rc=0 pid
	[ -z "${1:-}" ] || ! mountpoint -q "$1" || umount "$1" || rc=1
	exportfs -ua
	rpc.nfsd 0 || rc=1
	exportfs -f
	for pid in $state/mountd $state/rpcbind; do
		[ ! -e "$pid" ] || kill "$(cat "$pid")"
	done
	rm -rf $state
	! mountpoint -q /proc/fs/nfsd || umount /proc/fs/nfsd || rc=1
	return $rc
}

case ${1:-} in
up)
	up "$2" "$3" "${4:-3}" && exit
	rc=$?
	down ""
	exit $rc
	;;
down) down "$2" ;;
*) echo "usage: nfs.sh up EXPORT MOUNTPOINT [3|4] | down MOUNTPOINT"; exit 2 ;;
esac
