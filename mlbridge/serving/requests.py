"""What a request asks for: its body, within limits, as JSON that holds nothing else than JSON."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field

import msgspec
from starlette.requests import ClientDisconnect, Request

from mlbridge.serving.inputs import NoJson, Problem
from mlbridge.typing import Json

MOST_BYTES, MOST_ROWS, MOST_EXPLAINED = 16 * 2**20, 10_000, 20
BODY_SECONDS = 30.0
# Half of a pair of UTF-16 as an escape; only where there is one a lone half is looked for.
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
READER = msgspec.json.Decoder()


@dataclass
class RefusedError(Exception):
    """A request that is not answered: the status, why in one word for the metrics, and in a sentence."""

    status: int
    reason: str
    message: str
    problems: list[Problem] = field(default_factory=list)


async def body_of(request: Request) -> bytes:
    """Read a request's body; raises RefusedError where it is too large or too slow."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_BYTES:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > MOST_BYTES:
                    raise _too_large()
                parts.append(part)
    except TimeoutError:
        raise RefusedError(408, "too_slow", f"the body did not arrive within {BODY_SECONDS:.0f} seconds.") from None
    except ClientDisconnect:
        raise RefusedError(400, "disconnected", "the client went away.") from None
    return b"".join(parts)


def refuse_binary(request: Request) -> None:
    """Refuse tensors as bytes behind the JSON, an extension of the protocol which clients can do without."""
    if "inference-header-content-length" in request.headers:
        raise RefusedError(400, "binary", "binary tensors are not taken: send each tensor's `data` in the JSON.")


def json_of(body: bytes) -> Json:
    """Parse a body; raises RefusedError where it is no JSON in UTF-8, or has half a character or a name twice.

    A fast parser reads what it takes as Python's does, to the bit. What it refuses, and what may have a name twice,
    Python's reads, which says what is wrong, and keeps NaN and infinities as `NoJson`, to be refused with their place.
    """
    try:
        found = READER.decode(body)
        if _has_each_name_once(body, found):
            return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # Before 0.23 msgspec raises a UnicodeDecodeError for what is not UTF-8.
    return _read_by_python(body)


def _has_each_name_once(body: bytes, found: Json) -> bool:
    """Return whether a body surely has no name twice, of which the parsers keep the last one only.

    Each name is followed by a colon, spaces aside. A text may look like one and add to their number, never take from
    it: where there are no more than the names that were kept, none was dropped. Objects are looked for where requests
    have them, in a list by a name.
    """
    if not isinstance(found, dict):
        return False
    lists = (each for each in found.values() if isinstance(each, list))
    names = len(found) + sum(len(each) for part in lists for each in part if isinstance(each, dict))
    return names == body.count(b":") or names == body.translate(None, b" \t\n\r").count(b'":')


def _read_by_python(body: bytes) -> Json:
    try:
        text = body.decode()
        found = json.loads(text, parse_constant=NoJson, object_pairs_hook=_object)
        if SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "no_json", f"the body is no JSON in UTF-8: {error}.") from None
    return found


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusedError(422, "twice", "an object of the body has a name twice.")
    return found


def _too_large() -> RefusedError:
    return RefusedError(
        413, "too_large", f"the body has more than {MOST_BYTES // 2**20} MiB. Send fewer rows at a time."
    )


def check_count(rows: int) -> None:
    """Refuse a request without rows, or with too many."""
    if rows == 0:
        raise RefusedError(422, "no_rows", "there is no row.")
    if rows > MOST_ROWS:
        raise RefusedError(413, "too_many_rows", f"{rows:,} rows are more than {MOST_ROWS:,}. Send fewer at a time.")
