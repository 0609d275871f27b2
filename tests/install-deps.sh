#!/usr/bin/env bash
# Installs what the tests need on a Debian machine, as root or with sudo; does nothing where all is there.
# With the word `services` also what tests/services needs to start real services, with `php` what clients/php tests with.
# The prometheus package brings a service on port 9090: it is neither started nor enabled.
set -euo pipefail

packages=()
need() { # need PACKAGE COMMAND...: wants the package unless the command succeeds
    "${@:2}" >/dev/null 2>&1 || packages+=("$1")
}
both_prometheus() { prometheus --version && promtool --version; }
openbsd_nc() { [[ $(nc -h 2>&1) == *OpenBSD* ]]; }
can_link() { echo 'int main(void){return 0;}' | cc -x c -o /dev/null -; }

need prometheus both_prometheus
need php-cli php --version
need netcat-openbsd openbsd_nc
need socat socat -V
need iproute2 ss --version
need gcc can_link
need libc6-dev can_link
command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
command -v cargo >/dev/null || need curl curl --version
if [ "${1:-}" = php ]; then
    need phpunit phpunit --version
    need php-psr-log test -e /usr/share/php/Psr/Log/autoload.php
    need php-fpm compgen -G '/usr/sbin/php-fpm*'
    need nginx-light /usr/sbin/nginx -v
    need php-symfony-framework-bundle test -e /usr/share/php/Symfony/Bundle/FrameworkBundle/autoload.php
    need php-symfony-messenger test -e /usr/share/php/Symfony/Component/Messenger/autoload.php
    need php-laravel-framework test -e /usr/share/php/Illuminate/Foundation
    need php-sqlite3 php -r 'exit((int) !extension_loaded("pdo_sqlite"));'
fi
if [ "${1:-}" = services ]; then
    java_17() { compgen -G '/usr/lib/jvm/java-17-openjdk-*/bin/javac'; }
    need openjdk-17-jdk-headless java_17
    need maven mvn --version
    need nginx-light /usr/sbin/nginx -v
    need openssl openssl version
    need python3 python3 --version
    need curl curl --version
fi

if [ "${1:-}" = services ] && ! command -v go >/dev/null; then
    echo 'install-deps: there is no go; victoria-logs and pyroscope are built with Go 1.26 or newer, which Debian lacks' >&2
    exit 1
fi

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts a service as soon as its package is installed; a policy that says no (101) prevents it.
policy=/usr/sbin/policy-rc.d
install_packages() {
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        trap 'as_root rm -f "$policy"' EXIT
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
    if [[ " $* " == *" prometheus "* && -d /run/systemd/system ]]; then
        as_root systemctl disable --quiet prometheus
    fi
}

if [ ${#packages[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "install-deps: no apt-get here; please install: ${packages[*]}" >&2
        exit 1
    fi
    echo "install-deps: ${packages[*]}" >&2
    install_packages "${packages[@]}" ca-certificates
fi

if ! command -v cargo >/dev/null; then
    echo 'install-deps: Rust, by rustup into ~/.cargo' >&2
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile default --no-modify-path
fi
