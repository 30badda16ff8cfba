"""The bytes of HTTP itself, which only the live server meets: what no client should send is a problem, never a 5xx."""

import re
import socket
from urllib.parse import urlsplit

import pytest

from tests.conftest import Stack

END = b"\r\nConnection: close\r\n\r\n"
GET = b"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1"
RAW: dict[str, bytes] = {
    "another host": b"GET /docs/errors HTTP/1.1\r\nHost: elsewhere.invalid" + END,
    "no host": b"GET /docs/errors HTTP/1.1" + END,
    "two hosts": b"GET /docs/errors HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: elsewhere.invalid" + END,
    "a host that is none": b"GET /docs/errors HTTP/1.1\r\nHost: a b\x80/" + END,
    "an address of another host": b"GET http://elsewhere.invalid/api/v1/me HTTP/1.1\r\nHost: elsewhere.invalid" + END,
    "a small method": b"get /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1" + END,
    "a cut escape": b"GET /api/v1/% HTTP/1.1\r\nHost: 127.0.0.1" + END,
    "a NUL in the address": b"GET /api/v1/projects/%00 HTTP/1.1\r\nHost: 127.0.0.1" + END,
    "bytes in the address": b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1" + END,
    "steps up": b"GET /api/v1/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1" + END,
    "an escaped slash": b"GET /api/v1/projects%2fx HTTP/1.1\r\nHost: 127.0.0.1" + END,
    "a cookie of bytes": GET + b'\r\nCookie: sessionid=\xff\xfe; csrftoken="' + END,
    "a cookie of 10 kB": GET + b"\r\nCookie: sessionid=" + b"a" * 10_000 + END,
    "a NUL in a cookie": GET + b"\r\nCookie: sessionid=a%00b" + END,
    "many cookies": GET + b"\r\nCookie: " + b"; ".join(b"c%d=1" % n for n in range(2000)) + END,
    "headers of 100 kB": GET + b"\r\nX-Long: " + b"a" * 100_000 + END,
    "a token of bytes": GET + b"\r\nAuthorization: Bearer \xff\xfe\x80" + END,
    "two tokens": GET + b"\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b" + END,
    "two lengths": b"POST /api/v1/me/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3"
    + END,
    "a length that is none": b"POST /api/v1/me/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1" + END,
    "a length and chunks": b"POST /api/v1/me/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked" + END + b"0\r\n\r\n",
    "chunks that are none": b"POST /api/v1/me/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked"
    + END
    + b"zz\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
}


@pytest.mark.parametrize("kind", RAW)
def test_bytes_that_no_client_should_send(stack: Stack, kind: str) -> None:
    """A problem of 4xx each time, also where it was no HTTP at all."""
    address = urlsplit(stack.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(RAW[kind])
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    head = said.partition(b"\r\n\r\n")[0]
    assert re.match(rb"HTTP/1.1 4\d\d ", head), said[:300]
    assert b"application/problem+json" in head.lower()
