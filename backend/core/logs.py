"""Hides how log lines are written: one JSON object a line, with the trace id of what caused it."""

import logging
import logging.config

import structlog
from structlog.typing import EventDict, WrappedLogger

from backend.core import trace


def _add_trace(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    current = trace.current_or_none()
    if current:
        event["trace_id"] = current.split("-")[1]
    return event


class _NoPath(logging.Filter):
    """Takes the address out of Django's line about an answer of 5xx: it may hold an invitation's secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = "http.failed", ()
        return True


def configure_logging(level: str) -> None:
    """Send structlog's and the standard library's records to stderr as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            "filters": {"no_path": {"()": _NoPath}},
            # Presigned addresses, and socket addresses with tickets, are credentials: their loggers stay silent.
            "loggers": {
                name: {"level": "WARNING"}
                for name in ("botocore", "boto3", "urllib3", "httpx", "httpcore", "uvicorn.access", "uvicorn.error")
            }
            | {"django.request": {"level": "ERROR", "filters": ["no_path"]}},
        }
    )
