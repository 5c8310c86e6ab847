#!/usr/bin/env bash
# One Apache Kafka broker without Docker, in the foreground until Ctrl-C: for development and for benches.
#   kafka-broker.sh [PORT] [PROPERTY=VALUE ...]      such as: kafka-broker.sh 9092 log.retention.ms=60000
# Needs Java 17 and Maven. The jars (43 MB) are fetched from Maven's repository once. It listens on 127.0.0.1 only. What it holds is kept
# in KAFKA_DATA, if that is set, and is otherwise gone when it ends.
set -euo pipefail

port=${1:-9092}
[ $# -eq 0 ] || shift
version=${KAFKA_VERSION:-4.1.0}
jars=${XDG_CACHE_HOME:-$HOME/.cache}/stream-gov/kafka-$version

for program in java mvn; do
  command -v "$program" >/dev/null 2>&1 || {
    echo "$program is missing; a Kafka without Docker needs Java 17 and Maven (Debian: openjdk-17-jre-headless maven)" >&2
    exit 1
  }
done
case $port in
'' | *[!0-9]*)
  echo "the first argument is the port, such as 9092; it is $port" >&2
  exit 1
  ;;
esac

if [ ! -f "$jars/complete" ]; then
  echo "Fetching Kafka $version (43 MB, once)" >&2
  rm -rf "$jars"
  mkdir -p "$jars"
  cat >"$jars/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>stream-gov</groupId>
  <artifactId>kafka-for-development</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
  mvn -q -B -f "$jars/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" >&2
  : >"$jars/complete"
fi

run=$(mktemp -d)
data=${KAFKA_DATA:-$run/data}
broker=
end() {
  trap - INT TERM EXIT
  [ -z "$broker" ] || kill "$broker" 2>/dev/null || :
  [ -z "$broker" ] || wait "$broker" 2>/dev/null || :
  rm -rf "$run"
}
trap end EXIT
trap 'end; exit 0' INT TERM

properties=$run/server.properties
{
  cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
PROPERTIES
  for property in "$@"; do printf '%s\n' "$property"; done # of two lines the later holds
} >"$properties"

if [ ! -f "$data/meta.properties" ]; then
  id=$(java -cp "$jars/*" kafka.tools.StorageTool random-uuid)
  java -cp "$jars/*" kafka.tools.StorageTool format -t "$id" -c "$properties" >/dev/null
fi
java -Xmx512m -cp "$jars/*" kafka.Kafka "$properties" >"$run/kafka.log" 2>&1 &
broker=$!
tries=0
until (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null; do
  tries=$((tries + 1))
  if ! kill -0 "$broker" 2>/dev/null || [ "$tries" -gt 300 ]; then
    echo "Kafka did not start:" >&2
    tail -15 "$run/kafka.log" >&2
    exit 1
  fi
  sleep 0.1
done
echo "Kafka $version answers on 127.0.0.1:$port: STREAM_GOV_BOOTSTRAP=127.0.0.1:$port (Ctrl-C ends it)"
wait "$broker"
