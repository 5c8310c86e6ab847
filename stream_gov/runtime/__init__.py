"""The only code that knows Kafka: embedded broker, topics, catalogue, ingest worker, detector app, supervisor, replay."""

from __future__ import annotations

__all__: list[str] = []  # its modules are imported one by one: Faust alone takes longer to load than most commands run
