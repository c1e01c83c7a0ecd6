#!/bin/bash
# Makes the .gor files here with GoReplay v1.3.2, as root:
#   unshare -n ./make.sh path/to/goreplay
# GoReplay misses some messages on each run; that is part of its files.
set -e
cd "$(dirname "$0")"
goreplay=$1
ip link set lo up mtu 1500
python3 origin.py 8080 2>/dev/null &
origin=$!
sleep 1

record() { # NAME [plain]: what traffic.py sends, into NAME.gor and NAME.gor.gz
	"$goreplay" --input-raw 127.0.0.1:8080 --input-raw-track-response --output-file "$1.gor" --output-file "$1.gor.gz" &
	pid=$!
	sleep 2
	python3 traffic.py $2
	sleep 4
	kill -INT $pid && wait $pid || true
	mv "$1_0.gor" "$1.gor"
	mv "$1.gor_0.gz" "$1.gor.gz"
}

record lookalikes
record plain plain
rm plain.gor.gz
"$goreplay" --input-file plain.gor --output-http http://127.0.0.1:8080 --output-http-track-response --output-file replayed.gor &
pid=$!
sleep 6
kill -INT $pid && wait $pid || true
mv replayed_0.gor replayed.gor
kill $origin
