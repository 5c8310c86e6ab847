"""A whole deployment under a steady stream on a real Kafka: lag, memory of every process, time from a window's close to its alert.

    make broker                    # in another terminal
    python bench/soak.py --bootstrap 127.0.0.1:9092 [--minutes 30] [--rate 30000] [--models 10] [--influx URL]

Runs `stream-gov ingest`, `detect`, `sink store` and, if asked, `sink influx` as processes of their own on topics of their own, and sends
events of 452 bytes at the given rate, their timestamps the time of sending. Windows last one minute; of every model two minutes in four
drift, so alerts open and end all the while. Every ten seconds it notes the lag of both groups and the resident memory of each process.

What it prints: events sent and counted (they must be equal), the largest lag, for each process the memory after the first tenth of the
run, at the end and at most, and its slope by least squares; processor time; and the time from the end of a window on the clock to the
time stamp that Kafka gave its results and alerts. `out_of_orderness` (here one second) and the cut interval (two) are part of that time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_events import CATEGORIES, NUMBERS, events
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from stream_gov.contracts import Monitor
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.runtime.catalog_publisher import CatalogPublisher
from stream_gov.settings import Settings, TopicSettings

MINUTE_MS = 60_000
SAMPLE_S = 10.0
POOL = 5_000
OUT_OF_ORDERNESS = "1s"
MONITOR = """
monitor: {model}
model: {model}
reference: base-{model}
window: {{size: 1m}}
min_events: 200
checks:
  - {{statistic: psi, threshold: 0.2}}
  - {{statistic: missing_share, threshold: 0.5}}
"""


def profile(monitor: Monitor) -> ReferenceProfile:
    random_state = np.random.default_rng(7)
    n = 20_000
    columns: dict[str, object] = {name: random_state.normal(100, 25, n) for name in NUMBERS}
    columns |= {name: random_state.choice(values, n).tolist() for name, values in CATEGORIES.items()}
    rows = RowBatch(columns, n_rows=n)  # type: ignore[arg-type]
    return build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(monitor),
        name=monitor.reference,
        revision=1,
        model=monitor.model,
        source="soak",
        created_ms=0,
        version="2024.06.1",
    )


def pool(model: str, *, drifted: bool) -> list[tuple[bytes, bytes]]:
    """Messages in front of and behind their timestamp."""
    parts = []
    for message in events(POOL, seed=3, model=model):
        if drifted:
            content = json.loads(message)
            content["features"]["loan_amount"] = round(content["features"]["loan_amount"] + 40, 4)
            message = json.dumps(content, separators=(",", ":")).encode()
        head, tail = re.split(rb'(?<="timestamp":)\d+', message)
        parts.append((head, tail))
    return parts


class Stream(threading.Thread):
    """Sends events at a rate until the time is over."""

    def __init__(self, settings: Settings, models: list[str], *, rate: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 500_000,
            }
        )
        self._topic = settings.topics.name("events")
        self._pools = [(pool(m, drifted=False), pool(m, drifted=True)) for m in models]
        self._models = models
        self._rate = rate
        self._seconds = seconds
        self.sent: Counter[tuple[str, int]] = Counter()
        """By model and start of the minute."""
        self.behind_s = 0.0

    def run(self) -> None:
        began, n = time.monotonic(), 0
        n_models = len(self._models)
        while (now := time.monotonic()) < began + self._seconds:
            due = int((now - began) * self._rate)
            self.behind_s = max(self.behind_s, (due - n) / self._rate)
            while n < due:
                now_ms = time.time_ns() // 1_000_000
                minute = now_ms // MINUTE_MS
                for _ in range(min(due - n, 500)):
                    number = n % n_models
                    drifted = (minute + number) % 4 >= 2
                    head, tail = self._pools[number][drifted][n // n_models % POOL]
                    self._produce(head + b"%d" % now_ms + tail, n % 12)
                    self.sent[self._models[number], minute * MINUTE_MS] += 1
                    n += 1
            self._producer.poll(0)
            time.sleep(0.01)
        left = self._producer.flush(60)
        if left:
            sys.exit(f"{left} events could not be sent")

    def _produce(self, value: bytes, partition: int) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value=value, partition=partition)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def close_windows(self) -> None:
        """Send one event of each model into each partition, a window later."""
        now_ms = time.time_ns() // 1_000_000
        for partition in range(12):
            for pools in self._pools:
                head, tail = pools[0][0]
                self._produce(head + b"%d" % now_ms + tail, partition)
        self._producer.flush(60)


def resident_and_cpu(pid: int) -> tuple[float, float]:
    """Megabytes, and seconds of processor time."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return (int(found[1]) / 1024 if found else float("nan")), ticks / os.sysconf("SC_CLK_TCK")


class Lag:
    """How far a group is behind."""

    def __init__(self, settings: Settings, worker: str, role: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": settings.bootstrap, "group.id": f"{settings.group}.{worker}", "log_level": 0}
        )
        self._topic = settings.topics.name(role)

    def read(self) -> int:
        found = self._consumer.committed([TopicPartition(self._topic, p) for p in range(12)], timeout=10)
        lag = 0
        for partition in found:
            low, high = self._consumer.get_watermark_offsets(partition, timeout=10)
            lag += high - max(partition.offset, low)
        return lag


def read_all(settings: Settings, role: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Time stamp and content of all messages of a topic."""
    topic = settings.topics.name(role)
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "soak", "log_level": 0})
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in range(12)}
    consumer.assign([TopicPartition(topic, p, 0) for p, end in ends.items() if end])
    left = sum(ends.values())
    while left:
        for message in consumer.consume(1_000, 1.0):
            left -= 1
            yield message.timestamp()[1], json.loads(message.value() or b"")
    consumer.close()


def quantiles(seconds: list[float]) -> str:
    at = np.quantile(seconds, [0.5, 0.99, 1.0]) if seconds else [float("nan")] * 3
    return f"{len(seconds):6,} messages: p50 {at[0]:.2f} s, p99 {at[1]:.2f} s, largest {at[2]:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True, help="a Kafka, host:port")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=30_000, help="events a second")
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--influx", default="", help="URL; token, org and bucket by STREAM_GOV_INFLUX__TOKEN and so on")
    options = parser.parse_args()
    name = f"soak-{int(time.time())}"
    topics = TopicSettings(prefix=f"{name}.", partitions=12)
    settings = Settings(bootstrap=options.bootstrap, group=name, topics=topics)
    models = [f"model-{i:02}" for i in range(options.models)]
    # Kept for a few minutes only: half an hour would be 20 GB.
    admin = AdminClient({"bootstrap.servers": options.bootstrap})
    short = {"retention.ms": "300000", "segment.ms": "60000", "segment.bytes": "67108864"}
    admin.create_topics([NewTopic(topics.name("events"), 12, config=short)])[topics.name("events")].result()

    workers = ["ingest", "detect", "sink store"]
    environment = {
        "STREAM_GOV_BOOTSTRAP": options.bootstrap,
        "STREAM_GOV_GROUP": name,
        "STREAM_GOV_TOPICS__PREFIX": topics.prefix,
        "STREAM_GOV_TOPICS__PARTITIONS": "12",
        "STREAM_GOV_OUT_OF_ORDERNESS": OUT_OF_ORDERNESS,
        "STREAM_GOV_METRICS_PORT": "0",
    }
    if options.influx:
        workers.append("sink influx")
        environment["STREAM_GOV_INFLUX__URL"] = options.influx
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        environment["STREAM_GOV_STORE_URL"] = f"sqlite:///{folder}/store.sqlite"
        log = Path(folder) / "workers.log"
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            with log.open("wb") as out:
                for worker in workers:
                    processes[worker] = subprocess.Popen(
                        [sys.executable, "-m", "stream_gov.cli.main", *worker.split()],
                        env=os.environ | environment,
                        cwd=folder,
                        stdout=out,
                        stderr=out,
                    )
            soak(options, settings, models, processes)
        except BaseException:
            print(log.read_text()[-3_000:])
            raise
        finally:
            for process in processes.values():
                process.send_signal(signal.SIGTERM)
            for process in processes.values():
                process.wait(30)


def soak(
    options: argparse.Namespace, settings: Settings, models: list[str], processes: dict[str, subprocess.Popen[bytes]]
) -> None:
    time.sleep(8)  # they make the topics
    monitors = [Monitor.from_yaml(MONITOR.format(model=m), source="soak") for m in models]
    with CatalogPublisher(settings) as publisher:
        for monitor in monitors:
            publisher.publish_reference(profile(monitor))
            publisher.publish_monitor(monitor)
    time.sleep(5)
    stream = Stream(settings, models, rate=options.rate, seconds=options.minutes * 60)
    lags = {"ingest": Lag(settings, "ingest", "events"), "detect": Lag(settings, "detect", "summaries")}
    print(f"{options.rate:,} events a second of {len(models)} models for {options.minutes:g} minutes")
    header = " ".join(f"{worker + ' MB':>15}" for worker in processes)
    print(f"{'minute':>7} {'lag ingest':>11} {'lag detect':>11} {header}")
    began = time.monotonic()
    cpu_before = {worker: resident_and_cpu(p.pid)[1] for worker, p in processes.items()}
    stream.start()
    at: list[float] = []
    memory: dict[str, list[float]] = {worker: [] for worker in processes}
    lag: dict[str, list[int]] = {worker: [] for worker in lags}
    while stream.is_alive():
        time.sleep(SAMPLE_S)
        at.append((time.monotonic() - began) / 60)
        for worker, process in processes.items():
            if process.poll() is not None:
                sys.exit(f"{worker} has ended")
            memory[worker].append(resident_and_cpu(process.pid)[0])
        for worker, group in lags.items():
            lag[worker].append(group.read())
        if len(at) % 12 == 0 or not stream.is_alive():
            row = " ".join(f"{values[-1]:15.1f}" for values in memory.values())
            print(f"{at[-1]:7.1f} {lag['ingest'][-1]:11,} {lag['detect'][-1]:11,} {row}", flush=True)
    cpu = {worker: resident_and_cpu(p.pid)[1] - cpu_before[worker] for worker, p in processes.items()}
    seconds = time.monotonic() - began
    time.sleep(MINUTE_MS / 1_000)
    stream.close_windows()
    time.sleep(15)

    results = list(read_all(settings, "metrics"))
    counted = {
        (str(r["model"]), r["window_start_ms"]): r["events"]
        for _, r in results
        if r["statistic"] == "events" and not r["segment"]
    }
    wrong = {place: (n, counted.get(place)) for place, n in stream.sent.items() if counted.get(place) != n}
    n_late = sum(int(str(r["late"])) for _, r in results if r["statistic"] == "events")
    print(
        f"sent {sum(stream.sent.values()):,} (the sender at most {stream.behind_s:.2f} s behind) in {len(stream.sent)} windows, of which "
        f"{len(wrong)} count otherwise {dict(list(wrong.items())[:3])}; {n_late} late"
    )
    for worker, values in lag.items():
        print(f"lag of {worker}: largest {max(values):,}, at the end {values[-1]:,}")
    first = len(at) // 10
    for worker, values in memory.items():
        later, minutes = values[first:], at[first:]
        slope = np.polyfit(minutes, later, 1)[0] * 60 if len(later) > 1 else float("nan")
        print(
            f"{worker}: {later[0]:.1f} MB after {at[first]:.0f} minutes, {values[-1]:.1f} MB at the end, at most {max(values):.1f} MB, slope "
            f"{slope:+.1f} MB/h; {cpu[worker] / seconds:.2f} of a core"
        )
    end_ms = max(start for _, start in stream.sent) + MINUTE_MS
    in_time = [(t, r) for t, r in results if r["statistic"] == "events" and int(str(r["window_end_ms"])) < end_ms]
    print(f"window's end to its result: {quantiles([(t - int(str(r['window_end_ms']))) / 1000 for t, r in in_time])}")
    alerts = [(t, a) for t, a in read_all(settings, "alerts") if int(str(a["window_end_ms"])) < end_ms]
    print(f"window's end to its alert:  {quantiles([(t - int(str(a['window_end_ms']))) / 1000 for t, a in alerts])}")


if __name__ == "__main__":
    main()
