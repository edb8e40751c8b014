"""A request's body as the fast parser reads it, and as Python's does: the same values to the bit, the same refusals."""

from __future__ import annotations

import json
import random
import re
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.serving import requests
from mlbridge.serving.requests import RefusedError, json_of

ROW = {"carrier": "AA", "at": "2013-04-04T14:09:00Z", "delay": 1.5, "seats": None, "late": True, "n": -3}
# A body is JSON, or nearly: written with spaces or without, and with one byte more, fewer or another.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)
PIECES = st.sampled_from(
    [b'"', b":", b'":', b'" :', b",", b"{", b"}", b"[", b"]", b"\\", b"\\u", b"d800", b" ", b"\n", b"0", b"-", b".",
     b"e9", b"1e999", b"NaN", b"\xff", b"\xed\xa0\x80", b"\x00", b'"a":1', b'"a":1,', b'"rows":[{"a":1,"a":2}]']
)  # fmt: skip


def outcome(read: Any, body: bytes) -> Any:
    """Give what a body is read as, written so that each double has a text of its own, or how it is refused."""
    try:
        return re.sub(r"<\S*NoJson object at \w+>", "NoJson", repr(read(body)))
    except RefusedError as error:
        return error.status, error.reason, error.message


@settings(max_examples=400, deadline=None)
@given(VALUES, st.sampled_from([None, 1]), st.booleans(), PIECES, st.integers(0, 2**16), st.integers(0, 2))
def test_a_body_is_read_as_pythons_parser_reads_it(
    value: Any, indent: int | None, is_ascii: bool, piece: bytes, place: int, less: int
) -> None:
    for found in (value, {"rows": [value]}):
        body = json.dumps(found, indent=indent, ensure_ascii=is_ascii).encode(errors="surrogatepass")
        at = place % (len(body) + 1)
        for each in (body, body[:at] + piece + body[at + less :]):
            assert outcome(json_of, each) == outcome(requests._read_by_python, each)


def test_numbers_are_the_same_doubles() -> None:
    """Doubles of any bits, with 17 digits and with more, halfway between two, and with exponents beyond the range."""
    drawn = random.Random(5)
    texts = ["-0", "-0.0", "5e-324", "2.4703282292062327208e-324", "1.7976931348623157e308", "9007199254740993.0"]
    for _ in range(20_000):
        (value,) = struct.unpack("<d", drawn.randbytes(8))
        if value - value == 0:
            texts += [repr(value), f"{value:.17e}", f"{value:.25g}"]
        texts.append(f"{drawn.randrange(10**20)}.{drawn.randrange(10**20)}e{drawn.randrange(-340, 280)}")
    body = f'{{"data": [{",".join(texts)}]}}'.encode()
    assert requests.READER.decode(body)["data"] == json_of(body)["data"]
    expected = json.loads(body)["data"]
    assert [struct.pack("<d", each) for each in json_of(body)["data"]] == [struct.pack("<d", each) for each in expected]


@pytest.mark.parametrize("whole", [2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40])
def test_whole_numbers_keep_all_digits(whole: int) -> None:
    found = json_of(b'{"keys": [{"id": %d}]}' % whole)
    assert found == {"keys": [{"id": whole}]}
    assert type(found["keys"][0]["id"]) is int


@pytest.mark.parametrize("body", [{"rows": [ROW] * 3}, {"keys": [{"id": 1}], "rows": [ROW], "explain": True}])
@pytest.mark.parametrize("written", [{}, {"indent": 2}, {"separators": (",", ":")}, {"separators": (" ,\t", " :\r\n")}])
def test_usual_bodies_take_the_fast_parser(body: Any, written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(requests, "_read_by_python")
    assert json_of(json.dumps(body, **written).encode()) == body


@pytest.mark.parametrize("space", ["", " ", "\n", "\t", "\r"])
@pytest.mark.parametrize(
    "text",
    [
        '{"rows"~: [], "rows": []}',
        '{"rows": [{"a": ":", "a"~: 1}]}',
        '{"rows": [{"a": "12:30", "a"~: 1}]}',
        '{"rows": [{"a\\"": "\\":", "a\\""~: 1}]}',
        '{"rows": [{"a"~: 1, "\\u0061": 2}]}',
        '{"rows": [{"a": {"b": 1, "b"~: 2}}]}',
        '{"parameters": {"b"~: 1, "b": 2}}',
        '[{"b"~: 1, "b": 2}]',
    ],
)
def test_a_name_that_is_there_twice_is_refused(text: str, space: str) -> None:
    with pytest.raises(RefusedError, match="an object of the body has a name twice") as raised:
        json_of(text.replace("~", space).encode())
    assert raised.value.status == 422


def test_a_text_that_looks_like_a_name_is_none() -> None:
    body = {"rows": [{"a": '": "', "b": ": 5", '"': '\\":'}]}
    assert json_of(json.dumps(body).encode()) == body
