#!/bin/sh
# in-runsc.sh COMMAND…: runs it in gVisor's sandbox, with its own network stack.
#
# Debian 12's runsc takes every network namespace for the machine's first one
# on a Linux that shows /proc/sys/net/core/rmem_default in all of them, and
# then refuses. Under a mount of our own, it does not see the file.
set -eu
exec unshare --mount sh -c '
	mount -t tmpfs none /proc/sys/net
	mkdir /proc/sys/net/ipv4
	echo 1 >/proc/sys/net/ipv4/ip_forward
	exec runsc --platform=ptrace do "$@"' sh "$@"
