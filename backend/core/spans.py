"""The door to OpenTelemetry: sends the spans that `trace` measures to a collector, by OTLP over HTTP.

Nothing of it is imported unless an endpoint is set. Spans wait in a bounded queue and leave in a thread of their own;
what a collector does not take is dropped, counted and said in one line of the log. Its settings are the standard ones:
OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, OTEL_TRACES_SAMPLER and so on.
"""

import atexit
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from backend.core import metrics, trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

log = structlog.get_logger()
EXPORT_S = 3.0  # a collector that answers later is one that is away
GOODBYE_S = 1.5  # at the end of a process, for what still waits


def export_as(service: str) -> None:
    """Record this process's spans as `atelier-{service}`, if an endpoint is set."""
    if not settings.TRACES_ENDPOINT:
        return
    processor = _processor()
    trace.record_with(_recorder(f"atelier-{service}", processor))
    atexit.register(_say_goodbye, processor)
    log.info("trace.exported", service=f"atelier-{service}")


def _processor() -> "BatchSpanProcessor":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a line for each try and each dropped span

    class Exporter(SpanExporter):
        """Says once a batch that it was not taken."""

        def __init__(self) -> None:
            self._inner = OTLPSpanExporter(timeout=EXPORT_S)

        def export(self, spans: "Sequence[ReadableSpan]") -> SpanExportResult:
            try:
                result = self._inner.export(spans)
            except Exception:  # noqa: BLE001 - the edge: an address that is none, a certificate; said as all else
                result = SpanExportResult.FAILURE
            if result is not SpanExportResult.SUCCESS:
                metrics.SPANS_DROPPED.inc(len(spans))
                log.warning("trace.not_exported", spans=len(spans))
            return result

        def shutdown(self) -> None:
            self._inner.shutdown()  # type: ignore[no-untyped-call]  # the package types it not

    return BatchSpanProcessor(Exporter(), schedule_delay_millis=1000)


def _recorder(service: str, processor: "BatchSpanProcessor") -> trace.Recorder:
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
    from opentelemetry.trace import Span as Measured
    from opentelemetry.trace.status import Status, StatusCode

    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("atelier")
    kinds = {kind.name.lower(): kind for kind in SpanKind}

    class Recorded:
        __slots__ = ("_measured", "traceparent")

        def __init__(self, measured: Measured) -> None:
            self._measured, own = measured, measured.get_span_context()
            self.traceparent = f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags & 1:02x}"

        def rename(self, name: str) -> None:
            self._measured.update_name(name)

        def note(self, **attributes: trace.Value) -> None:
            self._measured.set_attributes(attributes)

        def fail(self, error: str) -> None:
            self._measured.set_status(Status(StatusCode.ERROR))
            self._measured.set_attribute("error.type", error)

        def end(self) -> None:
            self._measured.end()

    class Recorder:
        def start(
            self, name: str, parent: str | None, kind: trace.Kind, attributes: dict[str, trace.Value]
        ) -> trace.Span:
            context = Context()
            if parent is not None:
                _version, trace_id, span_id, flags = parent.split("-")
                above = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16) & 1))
                context = set_span_in_context(NonRecordingSpan(above), context)
            return Recorded(tracer.start_span(name, context, kind=kinds[kind], attributes=attributes))

    return Recorder()


def _say_goodbye(processor: "BatchSpanProcessor") -> None:
    """Send what waits; in a thread, for a collector that is away would hold the process back for its time-out."""
    going = threading.Thread(target=processor.shutdown, daemon=True)
    going.start()
    going.join(GOODBYE_S)
