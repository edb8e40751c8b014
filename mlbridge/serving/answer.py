"""The answer of the server as JSON."""

from __future__ import annotations

import json

from starlette.responses import Response

from mlbridge.typing import Json


class Answer(Response):
    """A JSON answer; NaN in it is an error, never NaN."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        """Write the content."""
        return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
