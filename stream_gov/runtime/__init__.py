"""The only code that knows Kafka: embedded broker, topics, catalogue, ingest worker, detector app, supervisor, replay."""
