#!/usr/bin/env bash
# VictoriaLogs: a log store that takes pushes in Loki's protocol, built from Go modules. Needs Go and Python.
# Loki itself is no part of this: its licence (AGPL) keeps it out of what the tests are built from.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$1
server=$home/victoria-logs

if [ ! -x "$server" ] || [ "$here/go.mod" -nt "$server" ]; then
    echo 'services: building victoria-logs, about a minute' >&2
    (cd "$here" && GOFLAGS=-mod=readonly CGO_ENABLED=0 \
        go build -p 2 -o "$server" github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs)
    touch "$server"
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# A line is kept as it came: its JSON is not taken apart.
setsid "$server" -httpListenAddr="127.0.0.1:$port" -storageDataPath="$home/data" -retentionPeriod=1d \
    -loki.disableMessageParsing -memory.allowedBytes=512MiB >"$home/log" 2>&1 </dev/null &
echo $! >"$home/pid"
for _ in $(seq 300); do
    if curl -sf "http://127.0.0.1:$port/health" >/dev/null; then
        echo "$port" >"$home/port"
        exit 0
    fi
    kill -0 "$(cat "$home/pid")"
    sleep 0.1
done
echo "victoria-logs does not answer; see $home/log" >&2
exit 1
