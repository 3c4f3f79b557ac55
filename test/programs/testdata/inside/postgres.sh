# A PostgreSQL server and its clients: over TCP and its AF_UNIX socket, a
# notification, a copy, pgbench, and a request to cancel.
. "${0%/*}/lib.sh"
for bin in /usr/lib/postgresql/*/bin; do PATH=$bin:$PATH; done
# The server refuses to run as root.
as=
if [ "$(id -u)" = 0 ]; then
	chown 65534:65534 "$dir"
	as='setpriv --reuid=65534 --regid=65534 --clear-groups --'
fi
$as initdb -D "$dir/db" -A trust -U tester --no-sync >initdb.log 2>&1
serve postgres $as postgres -D "$dir/db" -k "$dir" -p "$p1" -c listen_addresses=127.0.0.1,::1 -c fsync=off
query() { psql -h "$1" -p "$p1" -U tester -At postgres; }
eventually query "$dir" </dev/null
for host in 127.0.0.1 ::1; do echo 'select inet_client_addr(), inet_server_addr()' | query "$host"; done
query 127.0.0.1 <<X | sed 's/PID [0-9]*/PID/'
create table t as select i, md5(i::text) from generate_series(1, 20000) i;
select count(*) from t;
\copy t to '$dir/copy'
create table u (like t);
\copy u from '$dir/copy'
select count(*) from t join u using (i, md5);
listen channel;
notify channel, 'payload';
X
pgbench -i -q -h ::1 -p "$p1" -U tester postgres >init.log 2>&1
pgbench -n -h 127.0.0.1 -p "$p1" -U tester -c 4 -j 2 -t 25 postgres 2>&1 | grep 'actually processed'
# An interrupt makes psql ask over a second connection.
psql -h 127.0.0.1 -p "$p1" -U tester postgres -c 'select pg_sleep(100)' >sleep.txt 2>&1 &
sleeper=$!
asleep() { echo "select query from pg_stat_activity where wait_event = 'PgSleep'" | query 127.0.0.1 | grep -q sleep; }
eventually asleep
kill -INT $sleeper
wait $sleeper || cat sleep.txt
