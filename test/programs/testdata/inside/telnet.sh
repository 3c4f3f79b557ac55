# telnet, whose socket is to have out-of-band data in line.
. "${0%/*}/lib.sh"
serve echo socat "TCP-LISTEN:$p1,bind=127.0.0.1,fork,reuseaddr" EXEC:cat
eventually listening "$p1"
converse typed typed telnet 127.0.0.1 "$p1"
telnet 127.0.0.1 "$p2" 2>&1 </dev/null || echo "refused: $?"
