"""Who may ask: what is refused before a request is looked at."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Sequence

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mlbridge.serving.answer import Answer
from mlbridge.serving.metrics import Metrics

LOG = logging.getLogger("mlbridge.serve")
# More requests at a time are answered with 503.
MOST_REQUESTS = 1_000
# What may be asked without a token.
OPEN = ("/v2/health/live", "/v2/health/ready")
# The name in a header `Host`, without its port.
HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")


class Guarded:
    """Asks for a name of this machine, a token and a free place before anything else; health needs only the name."""

    def __init__(self, app: ASGIApp, tokens: Sequence[str], hosts: Sequence[str], metrics: Metrics) -> None:
        """Guard an app: without `tokens` none is asked for, without `hosts` any name is answered."""
        self._app, self._tokens, self._metrics = app, [each.encode() for each in tokens], metrics
        self._hosts = frozenset(each.lower() for each in hosts)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it before its body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        headers, is_open = dict(scope["headers"]), scope["path"] in OPEN
        host = HOST.fullmatch(headers.get(b"host", b"").decode("latin-1").lower())
        if self._hosts and (host is None or host[1] not in self._hosts):
            return self._refused(scope, "host", "this host's name is not served.", 400)
        if self._tokens and not is_open and not self._knows(headers.get(b"authorization", b"")):
            challenge = {"www-authenticate": "Bearer"}
            return self._refused(scope, "token", "a token is needed: `Authorization: Bearer ...`.", 401, challenge)
        if self._running >= MOST_REQUESTS and not is_open:
            return self._refused(scope, "busy", f"{MOST_REQUESTS:,} requests are being answered.", 503)
        return None

    def _refused(
        self, scope: Scope, reason: str, message: str, status: int, headers: dict[str, str] | None = None
    ) -> Response:
        self._metrics.refused.labels(reason).inc()
        LOG.warning("refused", extra={"facts": {"path": scope["path"][:200], "status": status, "reason": reason}})
        return Answer({"error": message}, status, headers)

    def _knows(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        # Each is compared, so that the time tells nothing.
        found = [hmac.compare_digest(token, each) for each in self._tokens]
        return scheme.lower() == b"bearer" and any(found)
