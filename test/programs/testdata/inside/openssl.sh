# openssl s_server and s_client: sessions, client certificates, DTLS.
. "${0%/*}/lib.sh"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null
serve tls openssl s_server -accept "127.0.0.1:$p1" -key key.pem -cert cert.pem -Verify 1 -CAfile cert.pem -www
serve reverse openssl s_server -accept "[::1]:$p2" -key key.pem -cert cert.pem -rev
client() { openssl s_client -CAfile cert.pem -verify_return_error "$@"; }
eventually listening "$p1"
eventually grep ACCEPT reverse.log
printf 'GET / HTTP/1.0\r\n\r\n' | client -connect "127.0.0.1:$p1" -cert cert.pem -key key.pem -quiet 2>/dev/null | tr -d '\r' | head -n 1
client -connect "127.0.0.1:$p1" -tls1_2 </dev/null >none.txt 2>&1 || echo 'refused without a certificate'
client -connect "127.0.0.1:$p1" -tls1_2 -cert cert.pem -key key.pem -reconnect </dev/null 2>/dev/null | grep -c '^Reused'
converse straight thgiarts client -connect "[::1]:$p2" -quiet -no_ign_eof | grep thg

# A line each way in datagrams: server and client speak what they read.
mkfifo server-says client-says
exec 3<>server-says 4<>client-says
openssl s_server -dtls -4 -accept "$p3" -key key.pem -cert cert.pem <&3 >server-hears 2>dtls.log &
started="$started $!"
eventually grep ACCEPT server-hears
# Not client: a function in the background is a shell's child, and outlives its kill.
openssl s_client -CAfile cert.pem -verify_return_error -dtls -4 -quiet -connect "127.0.0.1:$p3" <&4 >client-hears 2>client.log &
started="$started $!"
echo 'to the server' >&4
eventually grep 'to the server' server-hears
echo 'to the client' >&3
eventually grep 'to the client' client-hears
cat server-hears client-hears | grep "to the"
