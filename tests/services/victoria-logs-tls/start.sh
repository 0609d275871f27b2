#!/usr/bin/env bash
# nginx before VictoriaLogs at Loki's path: TLS, and only clients with a certificate of its authority. Leaves ca.pem,
# client.pem and client.key in its home. Needs nginx and openssl.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$1
"$here/../run.sh" start victoria-logs
behind=$(cat "$home/../victoria-logs/port")

cd "$home"
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$1" "${@:2}" 2>>openssl.log; }
if ! openssl x509 -checkend 86400 -noout -in ca.pem >/dev/null 2>&1; then
    new authority -x509 -keyout ca.key -out ca.pem
    for name in server client; do
        new "$name" -x509 -CA ca.pem -CAkey ca.key -keyout "$name.key" -out "$name.pem" \
            -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE
    done
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >nginx.conf <<CONF
pid $home/nginx.pid;
error_log $home/error.log;
worker_processes 1;
daemon off;
events {}
http {
    access_log off;
    client_max_body_size 8m;
    client_body_temp_path $home/body;
    proxy_temp_path $home/proxy;
    fastcgi_temp_path $home/fastcgi;
    uwsgi_temp_path $home/uwsgi;
    scgi_temp_path $home/scgi;
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $home/server.pem;
        ssl_certificate_key $home/server.key;
        ssl_client_certificate $home/ca.pem;
        ssl_verify_client on;
        location /loki/ { proxy_pass http://127.0.0.1:$behind/insert/loki/; }
    }
}
CONF
setsid nginx -e "$home/error.log" -c "$home/nginx.conf" >"$home/log" 2>&1 </dev/null &
echo $! >pid
for _ in $(seq 100); do
    if curl -s --cacert ca.pem "https://127.0.0.1:$port/" >/dev/null; then
        echo "$port" >port
        exit 0
    fi
    kill -0 "$(cat pid)"
    sleep 0.1
done
echo "nginx does not answer; see $home/error.log" >&2
exit 1
