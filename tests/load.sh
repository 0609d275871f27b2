#!/usr/bin/env bash
# Loads a server of its own for 10 s over UDP and closes the books: as many messages counted, rejected and dropped
# as were sent. Further arguments go to loadgen and win, for example: tests/load.sh -rate 200000 -per-datagram 10
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --workspace --locked
udp=127.0.0.1:${LOAD_UDP_PORT:-19999}
http=127.0.0.1:${LOAD_HTTP_PORT:-19099}
"${CARGO_TARGET_DIR:-target}"/release/metrics-server -udp "$udp" -socket "$http" -uds '' &
server=$!
trap 'kill $server && wait $server' EXIT

# bash itself asks, so that no curl is needed.
answers() { (exec 3<>"/dev/tcp/${http/://}") 2>/dev/null; }
until answers; do
    kill -0 $server # a server that could not start has said why
    sleep 0.1
done

"${CARGO_TARGET_DIR:-target}"/release/loadgen -udp "$udp" -http "$http" -pid $server -seconds 10 "$@"
