"""What Prometheus reads of a server at `/metrics`."""

from __future__ import annotations

from datetime import UTC

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mlbridge.serving.online import Online
from mlbridge.serving.served import Served
from mlbridge.serving.state import Versions

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MODELS = ("model", "version")


class Metrics:
    """The counts and times of one server."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "mlbridge_requests", "Requests for predictions that were answered.", MODELS, registry=self.registry
        )
        self.rows = Counter("mlbridge_rows", "Rows that were scored.", MODELS, registry=self.registry)
        self.seconds = Histogram(
            "mlbridge_request_seconds", "From the head of a request to its answer.", MODELS, buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.refused = Counter("mlbridge_refused", "Requests that were refused.", ("reason",), registry=self.registry)
        self.not_found = Counter(
            "mlbridge_online_not_found", "Keys of which an online table had no row that counts.", ("view",),
            registry=self.registry,
        )  # fmt: skip
        self.failed = Counter("mlbridge_failed", "Requests that failed.", registry=self.registry)
        self.lost = Counter(
            "mlbridge_requests_lost", "Rows of requests that were not recorded.", registry=self.registry
        )
        self.shadow_rows = Counter(
            "mlbridge_shadow_rows", "Rows that a challenger has scored in shadow.", MODELS, registry=self.registry
        )
        self.shadow_dropped = Counter(
            "mlbridge_shadow_dropped", "Rows that were not scored in shadow.", registry=self.registry
        )
        self.canary = Gauge(
            "mlbridge_canary_share", "The share of the entities that the challenger answers.", MODELS,
            registry=self.registry,
        )  # fmt: skip
        self.version = Gauge("mlbridge_version", "The version in use.", ("model",), registry=self.registry)
        self.known = Gauge(
            "mlbridge_online_known_at_seconds", "When the newest row of an online table became known, since 1970.",
            ("view",), registry=self.registry,
        )  # fmt: skip
        self.published = Gauge(
            "mlbridge_online_published_at_seconds", "When a build has published an online table, since 1970.",
            ("view",), registry=self.registry,
        )  # fmt: skip
        self.current = Gauge(
            "mlbridge_is_newest", "1 if what is served is what the newest build has published, else 0.", ("model",),
            registry=self.registry,
        )  # fmt: skip

    def _online(self, online: Online) -> None:
        self.known.clear()
        self.published.clear()
        for table in online.tables.values():
            if table.known_at is not None:
                self.known.labels(table.name).set(table.known_at / 1e6)
            self.published.labels(table.name).set(online.published_at.replace(tzinfo=UTC).timestamp())

    def state(self, versions: Versions) -> None:
        """Tell what is served, of these models only."""
        self.version.clear()
        self.current.clear()
        self.canary.clear()
        state = versions.state
        self._online(state.online)
        for name, each in state.beside.items():
            self.canary.labels(name, str(each.served.version)).set(each.canary)
        for name, served in state.models.items():
            self.version.labels(name).set(served.version)
        for name in {*state.models, *state.problems, *versions.lacking}:
            is_newest = name in state.models and name not in state.problems and versions.problem is None
            self.current.labels(name).set(is_newest)

    def answered(self, model: str, version: int, rows: int, seconds: float) -> None:
        """Count an answer."""
        labels = model, str(version)
        self.requests.labels(*labels).inc()
        self.rows.labels(*labels).inc(rows)
        self.seconds.labels(*labels).observe(seconds)

    def scored_in_shadow(self, served: Served, rows: int) -> None:
        """Count rows that a challenger has scored in shadow."""
        self.shadow_rows.labels(served.model, str(served.version)).inc(rows)

    def written(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self.registry)
