#!/usr/bin/env bash
# Starts and stops the real services that tests talk to, on loopback ports of the kernel's choice.
#
#   tests/services/run.sh start NAME...    each NAME has a folder here; what runs already is left alone
#   tests/services/run.sh stop [NAME...]   all, without a name
#
# A service's start.sh installs or builds what it needs into its home (its first argument, which is kept), starts it in the
# background, waits until it answers, and leaves there: `pid` and `port`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
homes=${CARGO_TARGET_DIR:-$here/../../target}/services

runs() { [ -s "$homes/$1/pid" ] && [ -s "$homes/$1/port" ] && kill -0 "$(cat "$homes/$1/pid")" 2>/dev/null; }

start() {
    runs "$1" && return
    mkdir -p "$homes/$1"
    rm -f "$homes/$1/pid" "$homes/$1/port"
    echo "services: $1" >&2
    "$here/$1/start.sh" "$(cd "$homes/$1" && pwd)"
    runs "$1" || { echo "services: $1 did not start; see $homes/$1" >&2; exit 1; }
}

stop() {
    if runs "$1"; then
        local pid; pid=$(cat "$homes/$1/pid")
        kill "$pid"
        for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$homes/$1/pid" "$homes/$1/port"
}

action=${1:?start or stop}
shift
if [ "$action" = stop ] && [ $# = 0 ]; then
    for home in "$homes"/*/; do [ -d "$home" ] && set -- "$@" "$(basename "$home")"; done
fi
for name in "$@"; do "$action" "$name"; done
