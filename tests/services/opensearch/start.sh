#!/usr/bin/env bash
# One OpenSearch 2.19 node on JDK 17: start.sh HOME. The jars come by Maven, once; Node.java starts it. It begins empty.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$1
java=$(compgen -G '/usr/lib/jvm/java-17-openjdk-*/bin/java' | head -n 1) || java=java

if ! cmp -s "$here/pom.xml" "$home/pom.xml"; then
    rm -rf "$home/lib"
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$home/lib" >"$home/maven.log" ||
        { cat "$home/maven.log" >&2; exit 1; }
    cp "$here/pom.xml" "$home/pom.xml"
fi

rm -rf "$home/node"
setsid "$java" -Xms512m -Xmx1g -XX:+UseSerialGC -cp "$home/lib/*" "$here/Node.java" "$home" >"$home/log" 2>&1 </dev/null &
echo $! >"$home/pid"
for _ in $(seq 1200); do
    [ -s "$home/port" ] && exit 0
    kill -0 "$(cat "$home/pid")" 2>/dev/null || break
    sleep 0.1
done
tail -n 30 "$home/log" >&2
exit 1
