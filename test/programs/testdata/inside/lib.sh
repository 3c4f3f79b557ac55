# What the scripts of this folder share. They run as
#     sh -eu NAME.sh FOLDER NAME PORT PORT PORT PORT
# with FOLDER empty and their own, NAME one that the resolver knows, and free
# ports; and print what NAME.out has.
dir=$1 far=$2 p1=$3 p2=$4 p3=$5 p4=$6
cd "$dir"

started=
trap finish EXIT

finish() {
	# Some have ended already.
	for pid in $started; do kill "$pid" 2>/dev/null || :; done
	for pid in $started; do wait "$pid" || :; done
}

# serve NAME COMMAND...: a server in the background; what it says goes to
# NAME.log.
serve() {
	log=$1
	shift
	"$@" >"$log.log" 2>&1 </dev/null &
	started="$started $!"
}

# eventually COMMAND...: until it succeeds; a server is starting.
eventually() {
	for i in $(seq 300); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	echo "never succeeded: $*" >&2
	for log in *.log; do tail -n 20 "$log"; done >&2
	return 1
}

# converse INPUT OUTPUT COMMAND...: one line to a client that ends at the end of
# its input, which comes when OUTPUT has been seen.
converse() {
	input=$1 output=$2
	shift 2
	mkfifo keys
	"$@" <keys >shown.log 2>&1 &
	client=$!
	exec 9>keys
	echo "$input" >&9
	eventually grep "$output" shown.log
	exec 9>&-
	# Some clients tell of the server's end by their exit status.
	wait $client || :
	tr -d '\r' <shown.log
	rm keys
}

# listening PORT: something accepts on 127.0.0.1.
listening() { /usr/bin/python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])))' "$1"; }

# sum: the checksum of standard input.
sum() { sha256sum | cut -c 1-16; }

# sample FILE BYTES: the same content each time.
sample() { seq 1000000 | head -c "$2" >"$1"; }
