#!/usr/bin/env bash
# Starts one Cassandra 5 node: start.sh HOME. Its jars come by Maven, once; its data is new with each start unless
# CASSANDRA_KEEP is set. CASSANDRA_PORT asks for a port. User and password are cassandra; tls/ca.pem is its authority.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$1

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
packages=()
java=$(echo /usr/lib/jvm/java-17-openjdk-*/bin/java)
[ -x "$java" ] && [ -x "${java%java}javac" ] || packages+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || packages+=(maven)
if [ ${#packages[@]} -gt 0 ]; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" ca-certificates >&2
fi
JAVA_HOME=$(dirname "$(dirname "$(echo /usr/lib/jvm/java-17-openjdk-*/bin/java)")")
export JAVA_HOME
java=$JAVA_HOME/bin/java

if ! cmp -s "$here/pom.xml" "$home/pom.xml"; then
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$home/lib" -DincludeScope=runtime >&2
    cp "$here/pom.xml" "$home/pom.xml"
fi
"$JAVA_HOME/bin/javac" -nowarn -cp "$home/lib/*" -d "$home/classes" "$here/src/Main.java"

# An authority, and by it a certificate for localhost and 127.0.0.1.
if [ ! -s "$home/tls/ca.pem" ]; then
    mkdir -p "$home/tls"
    cd "$home/tls"
    key() { "$JAVA_HOME/bin/keytool" -storetype PKCS12 -storepass cassandra -keystore "$@" 2>>"$home/tls/log"; }
    rm -f ./*.p12
    key ca.p12 -genkeypair -alias ca -keyalg EC -validity 3650 -dname 'CN=test authority' -ext bc:critical=ca:true
    key server.p12 -genkeypair -alias server -keyalg EC -validity 3650 -dname 'CN=cassandra'
    key server.p12 -certreq -alias server |
        key ca.p12 -gencert -alias ca -rfc -validity 3650 -ext san=dns:localhost,ip:127.0.0.1 >server.pem
    key ca.p12 -exportcert -alias ca -rfc >authority.pem
    key server.p12 -importcert -noprompt -alias ca -file authority.pem
    key server.p12 -importcert -noprompt -alias server -file server.pem
    mv authority.pem ca.pem
fi

[ -n "${CASSANDRA_KEEP:-}" ] || rm -rf "$home/data"
mkdir -p "$home/data"
sed "s|@HOME@|$home|" "$here/cassandra.yaml" >"$home/cassandra.yaml"
rm -f "$home/port"
"$java" "@$here/jvm.options" -Dcassandra.config="file://$home/cassandra.yaml" -Dcassandra.storagedir="$home/data" \
    -Dlogback.configurationFile="file://$here/logback.xml" -cp "$home/classes:$home/lib/*" \
    Main "$home/port" >"$home/out.log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$home/pid"
for _ in $(seq 1200); do
    [ -s "$home/port" ] && exit
    kill -0 "$pid" 2>/dev/null || { tail -n 30 "$home/out.log" >&2; exit 1; }
    sleep 0.1
done
echo "cassandra: no answer in two minutes; see $home" >&2
exit 1
