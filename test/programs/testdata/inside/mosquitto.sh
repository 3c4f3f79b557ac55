# mosquitto, its subscriber and its publisher; a retained message, and a large one.
. "${0%/*}/lib.sh"
printf 'listener %s\nallow_anonymous true\npersistence false\nlog_dest stderr\nuser %s\n' "$p1" "$(id -un)" >mosquitto.conf
serve mosquitto /usr/sbin/mosquitto -c mosquitto.conf
publish() { mosquitto_pub -p "$p1" "$@"; }
eventually publish -h 127.0.0.1 -t kept -r -m retained
mosquitto_sub -h ::1 -p "$p1" -t kept -C 1
publish -h 127.0.0.1 -t ready -r -m ready
mosquitto_sub -h 127.0.0.1 -p "$p1" -q 2 -t 'many/#' -t ready -C 101 >got &
subscriber=$!
eventually grep ready got
seq 100 | publish -h ::1 -q 2 -t many/lines -l
wait $subscriber
grep -v ready got | sort -n | sum
seq 100 | sum
sample large 1000000
mosquitto_sub -h 127.0.0.1 -p "$p1" -t large -N -C 1 | sum &
reader=$!
publish -h 127.0.0.1 -q 1 -t large -r -f large
wait $reader
sum <large
