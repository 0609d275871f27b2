#!/usr/bin/env bash
# statsd_exporter, built from Go modules, which StatsD lines are compared with. The tests start processes of their own
# from the program that is built here, since each needs an empty page. Needs Go and Python.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$1
server=$home/statsd_exporter

if [ ! -x "$server" ] || [ "$here/go.mod" -nt "$server" ]; then
    echo 'services: building statsd_exporter, about a minute' >&2
    (cd "$here" && GOFLAGS=-mod=readonly CGO_ENABLED=0 \
        go build -p 2 -o "$server" github.com/prometheus/statsd_exporter)
    touch "$server"
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
setsid "$server" --web.listen-address="127.0.0.1:$port" --statsd.listen-udp= --statsd.listen-tcp=127.0.0.1:0 \
    >"$home/log" 2>&1 </dev/null &
echo $! >"$home/pid"
for _ in $(seq 300); do
    if curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null; then
        echo "$port" >"$home/port"
        exit 0
    fi
    kill -0 "$(cat "$home/pid")"
    sleep 0.1
done
echo "statsd_exporter does not answer; see $home/log" >&2
exit 1
