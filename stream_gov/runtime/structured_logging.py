"""Log lines of the workers: for people on a terminal, or one JSON object a line."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

from stream_gov.settings import Settings

__all__ = ["configure_logging", "get_logger"]

_NOISY = ("faust", "mode", "aiokafka", "asyncio", "stream_gov.librdkafka", "stream_gov.runtime.detect_app")
"""Libraries whose chatter below a warning tells an operator nothing that our own lines do not."""


def get_logger(worker: str) -> structlog.stdlib.BoundLogger:
    """Logger of one worker, such as `ingest`; every line names it."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("stream_gov", worker=worker)
    return logger


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send the lines of our code and of the libraries to `stream` (standard error) in the format that the settings name."""
    out = sys.stderr if stream is None else stream
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    render: list[structlog.types.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
            foreign_pre_chain=[*shared, _name_the_library],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _name_the_library(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    record = event.get("_record")
    if record is not None:
        event["library"] = record.name.partition(".")[0]
    return event
