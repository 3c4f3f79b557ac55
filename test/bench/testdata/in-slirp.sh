#!/bin/sh
# in-slirp.sh COMMAND…: runs it in a network namespace of its own, whose tap
# slirp4netns serves.
set -eu
dir=$(mktemp -d)
# A job in the background has no input of its own.
exec 4<&0
mkfifo "$dir/made" "$dir/ready"
unshare --net sh -c 'dir=$1; shift; echo >"$dir/made"; read -r _ <"$dir/ready" || :; exec "$@"' sh "$dir" "$@" <&4 4<&- &
child=$!
read -r _ <"$dir/made"
slirp4netns --configure --mtu=65520 --ready-fd=3 $child tap0 3>"$dir/ready" >"$dir/log" 2>&1 4<&- &
slirp=$!
status=0
wait $child || status=$?
kill $slirp 2>/dev/null || cat "$dir/log" >&2
rm -r "$dir"
exit $status
