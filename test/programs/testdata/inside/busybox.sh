# busybox, a static program: httpd, wget, nc, nslookup, telnet, ifconfig.
. "${0%/*}/lib.sh"
mkdir root
echo page >root/page.html
sample root/large 2000000
serve httpd busybox httpd -f -vv -p "127.0.0.1:$p1" -h root
eventually busybox wget -q -O - "http://127.0.0.1:$p1/page.html"
busybox wget -q -O - "http://127.0.0.1:$p1/page.html"
busybox wget -q -O - "http://127.0.0.1:$p1/large" | sum
sum <root/large
busybox wget -q -O - "http://127.0.0.1:$p1/none" 2>&1 || echo "none: $?"
serve nc busybox nc -l -p "$p2" -e cat
eventually sh -c 'echo through nc | busybox nc -w 5 127.0.0.1 "$0" >nc.txt; grep through nc.txt' "$p2"
cat nc.txt
busybox nslookup "$far" | grep '^Name:' | sort -u
( echo from telnet; sleep 0.3 ) | busybox telnet 127.0.0.1 "$p3" 2>&1 || :
busybox ifconfig lo | grep -c 'inet addr:127.0.0.1'
