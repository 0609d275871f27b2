#!/usr/bin/env bash
# Pyroscope 0.37, built from Go modules: the last line under the Apache licence; later ones are under the AGPL and are no
# part of what the tests are built from. Profiles come by `POST /ingest`, as to later ones. Needs Go, a C compiler and
# Python; the first build takes some minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$1
server=$home/pyroscope

if [ ! -x "$server" ] || [ "$here/go.mod" -nt "$server" ]; then
    echo 'services: building pyroscope, some minutes' >&2
    (cd "$here" && GOFLAGS=-mod=readonly CGO_ENABLED=1 \
        go build -p 2 -o "$server" github.com/pyroscope-io/pyroscope/cmd/pyroscope)
    touch "$server"
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# It asks the internet for a newer version; this proxy is none.
HTTPS_PROXY=http://127.0.0.1:9 setsid "$server" server -api-bind-addr "127.0.0.1:$port" -storage-path "$home/data" -analytics-opt-out \
    -no-self-profiling -log-level warn >"$home/log" 2>&1 </dev/null &
echo $! >"$home/pid"
for _ in $(seq 300); do
    if curl -sf "http://127.0.0.1:$port/healthz" >/dev/null; then
        echo "$port" >"$home/port"
        exit 0
    fi
    kill -0 "$(cat "$home/pid")"
    sleep 0.1
done
echo "pyroscope does not answer; see $home/log" >&2
exit 1
