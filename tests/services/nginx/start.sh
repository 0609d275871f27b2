#!/usr/bin/env bash
# nginx before those services of upstreams/ that run: start.sh HOME. Each file there is named after the service it
# stands before; its own port is in HOME/NAME.port. The user is `writer`, the password `pass:word`.
# HOME/ca.pem signed the server's certificate (127.0.0.1, localhost) and that of a client (client.pem, client.key);
# HOME/other-ca.pem signed none.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$1
cd "$home"

new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$1" "${@:2}" 2>>openssl.log; }
if ! openssl x509 -checkend 86400 -noout -in other-ca.pem >/dev/null 2>&1; then
    new authority -x509 -keyout ca.key -out ca.pem
    for name in server client; do
        new "$name" -keyout "$name.key" -out "$name.csr"
        openssl x509 -req -days 30 -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$name.pem" 2>>openssl.log \
            -extfile <(echo 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    done
    new other -x509 -keyout other-ca.key -out other-ca.pem
fi
echo "writer:$(openssl passwd -apr1 pass:word)" >users

# Below the range from which the kernel serves port 0.
next=$((10000 + $$ % 20000))
free_port() {
    while (: <"/dev/tcp/127.0.0.1/$next") 2>/dev/null; do next=$((next + 1)); done
    port=$next
    next=$((next + 1))
}
rm -rf upstreams ./*.port
mkdir upstreams
first=
for file in "$here"/upstreams/*.conf; do
    name=$(basename "$file" .conf)
    [ -s "../$name/port" ] || continue
    free_port
    sed "s|@PORT@|$port|; s|@HOME@|$home|; s|@UPSTREAM@|$(cat "../$name/port")|" "$file" >"upstreams/$name.conf"
    echo "$port" >"$name.port"
    first=${first:-$port}
done
[ -n "$first" ] || { echo 'nginx: none of the services that it stands before runs' >&2; exit 1; }

sed "s|@HOME@|$home|" "$here/nginx.conf" >nginx.conf
# Workers of root become nobody, who may not read here.
[ "$(id -u)" != 0 ] || echo 'user root;' >>nginx.conf
PATH=$PATH:/usr/sbin
setsid nginx -e "$home/error.log" -c "$home/nginx.conf" >log 2>&1 </dev/null &
echo $! >pid
for _ in $(seq 100); do
    if (: <"/dev/tcp/127.0.0.1/$first") 2>/dev/null; then
        echo "$first" >port
        exit 0
    fi
    kill -0 "$(cat pid)" 2>/dev/null || break
    sleep 0.1
done
cat log error.log >&2
exit 1
