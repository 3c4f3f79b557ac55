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
eventually sh -c 'busybox nc -l -p "$0" -e cat & echo through nc | busybox nc -w 20 127.0.0.1 "$0" >nc.txt; grep through nc.txt' "$p2"
cat nc.txt
busybox nslookup "$far" | grep '^Name:' | sort -u | sed "s/$far/its name/"
busybox telnet 127.0.0.1 "$p3" 2>&1 </dev/null || :
busybox ifconfig lo | grep -c 'inet addr:127.0.0.1'
