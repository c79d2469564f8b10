"""HTTP/1.1 on the wire, byte by byte: what is refused, what is kept alive, what is bounded in time and size."""
import contextlib
import json
import socket
import threading
import time

from harness import ROOT, Gateway, Place, Test, magika_request, prepared

PYTHON = (ROOT / "demo/example.py").read_bytes()


class Http(Test):
    @classmethod
    def setUpClass(cls):
        cls.place = Place(copy_of=prepared())
        cls.place.config["limits"] = {"head_timeout": "1s", "body_timeout": "1s", "idle_timeout": "2s", "body_bytes": 1 << 20}
        cls.gateway = Gateway(cls.place)
        cls.token = cls.place.tokens["client"]

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.place.remove()

    def exchange(self, sent: bytes, seconds: float = 5) -> bytes:
        """Sends the bytes, returns all that comes back until the end, a reset or a pause of 0.5 s."""
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=seconds) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(sent)
            return drain(connection)

    def status(self, sent: bytes) -> int | None:
        answer = self.exchange(sent)
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None

    def head(self, *lines: str, first: str = "GET /v2/health/live HTTP/1.1") -> bytes:
        return "\r\n".join([first, "Host: x", f"Authorization: Bearer {self.token}", *lines, "", ""]).encode("latin-1")

    def test_a_plain_request_is_answered(self):
        self.assertEqual(self.status(self.head()), 200)

    def test_what_is_ambiguous_is_refused(self):
        post = "POST /v2/models/magika/infer HTTP/1.1"
        auth = f"Authorization: Bearer {self.token}"
        cases = {
            "bare LF": self.head().replace(b"\r\n", b"\n"),
            "bare CR": self.head().replace(b"Host: x\r\n", b"Host: x\r"),
            "obs-fold": self.head("X-A: 1", " folded"),
            "space before colon": self.head("X-A : 1"),
            "no colon": self.head("nonsense"),
            "empty name": self.head(": value"),
            "NUL in value": self.head("X-A: a\0b"),
            "CR in value": self.head("X-A: a\rb"),
            "no host": f"GET /v2/health/live HTTP/1.1\r\n{auth}\r\n\r\n".encode(),
            "two hosts": self.head("Host: y"),
            "two lengths": self.head("Content-Length: 2", "Content-Length: 3", first=post) + b"{}x",
            "two equal lengths": self.head("Content-Length: 2", "Content-Length: 2", first=post) + b"{}",
            "length list": self.head("Content-Length: 2, 2", first=post) + b"{}",
            "signed length": self.head("Content-Length: +2", first=post) + b"{}",
            "hexadecimal length": self.head("Content-Length: 0x2", first=post) + b"{}",
            "enormous length": self.head("Content-Length: 99999999999999999999999", first=post),
            "length and chunks": self.head("Content-Length: 2", "Transfer-Encoding: chunked", first=post) + b"0\r\n\r\n",
            "unknown coding": self.head("Transfer-Encoding: gzip, chunked", first=post) + b"0\r\n\r\n",
            "chunked twice": self.head("Transfer-Encoding: chunked, chunked", first=post) + b"0\r\n\r\n",
            "coding with tab": self.head("Transfer-Encoding:\x0bchunked", first=post) + b"0\r\n\r\n",
            "bad chunk size": self.head("Transfer-Encoding: chunked", first=post) + b"zz\r\n\r\n",
            "negative chunk size": self.head("Transfer-Encoding: chunked", first=post) + b"-1\r\n\r\n",
            "overflowing chunk size": self.head("Transfer-Encoding: chunked", first=post) + b"ffffffffffffffffff\r\n",
            "chunk without its end": self.head("Transfer-Encoding: chunked", first=post) + b"2\r\n{}xx0\r\n\r\n",
            "bare LF in chunks": self.head("Transfer-Encoding: chunked", first=post) + b"2\n{}\n0\n\n",
            "unknown version": self.head(first="GET /v2/health/live HTTP/1.7"),
            "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "two spaces": self.head(first="GET  /v2/health/live HTTP/1.1"),
            "tab in the request line": self.head(first="GET\t/v2/health/live HTTP/1.1"),
            "control character in target": self.head(first="GET /v2/\x01 HTTP/1.1"),
            "no slash": self.head(first="GET v2 HTTP/1.1"),
            "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
        }
        for name, sent in cases.items():
            with self.subTest(name):
                answer = self.exchange(sent)
                self.assertRegex(answer[:16] or b"HTTP/1.1 400 (closed)", rb"^HTTP/1\.1 (400|413|431|501|505) ", answer[:200])
                self.assertEqual(answer.count(b"\r\n\r\n"), 1 if answer else 0, answer)
        self.assertEqual(self.status(self.head()), 200)

    def test_heads_are_bounded(self):
        for name, sent in {
                "long line": self.head(first="GET /" + "a" * 100_000 + " HTTP/1.1"), "long value": self.head("X-A: " + "a" * 100_000),
                "many fields": self.head(*[f"X-{i}: 1" for i in range(5000)])}.items():
            with self.subTest(name):
                self.assertRegex(self.exchange(sent)[:13] or b"HTTP/1.1 431 ", rb"^HTTP/1\.1 (400|414|431) ")

    def test_bodies_are_bounded(self):
        first = "POST /v2/models/magika/infer HTTP/1.1"
        self.assertEqual(self.status(self.head("Content-Length: 9000000000", first=first)), 413)
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        answer = self.exchange(self.head("Transfer-Encoding: chunked", first=first) + chunk * 2000, 20)
        self.assertRegex(answer[:13] or b"HTTP/1.1 413 ", rb"^HTTP/1\.1 413 ")

    def test_a_connection_is_kept_and_requests_may_queue_up(self):
        answer = self.exchange(self.head() * 5 + self.head("Connection: close"))
        self.assertEqual(answer.count(b"HTTP/1.1 200 "), 6)

    def test_a_body_may_come_in_chunks_and_in_drops(self):
        body = json.dumps(magika_request(PYTHON)).encode()
        head = self.head("Transfer-Encoding: chunked", "Content-Type: application/json", "Connection: close", first="POST /v2/models/magika/infer HTTP/1.1")
        sent = head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:1], body[1:500], body[500:])) + b"0\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10) as connection:
            for at in range(0, len(sent), 997):
                connection.sendall(sent[at : at + 997])
                time.sleep(0.002)
            self.assertTrue(drain(connection, 10).startswith(b"HTTP/1.1 200 "))

    def test_expect_100_continue_is_answered(self):
        body = json.dumps(magika_request(PYTHON)).encode()
        head = self.head(f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close", first="POST /v2/models/magika/infer HTTP/1.1")
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10) as connection:
            connection.sendall(head)
            first = connection.recv(1000)
            self.assertTrue(first.startswith(b"HTTP/1.1 100 "), first)
            connection.sendall(body)
            self.assertIn(b"HTTP/1.1 200 ", first + drain(connection, 10))

    def test_slow_heads_slow_bodies_and_idle_connections_end(self):
        first = self.head("Content-Length: 100", first="POST /v2/models/magika/infer HTTP/1.1")
        for name, sent in {"half a head": self.head()[:30], "half a body": first + b"x" * 10, "nothing": b""}.items():
            with self.subTest(name):
                began = time.monotonic()
                with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=15) as connection:
                    connection.sendall(sent)
                    with contextlib.suppress(ConnectionResetError):
                        while connection.recv(4096):
                            pass
                self.assertLess(time.monotonic() - began, 8)

    def test_a_hundred_idle_connections_do_not_starve_others(self):
        idle = [socket.create_connection(("127.0.0.1", self.gateway.port)) for _ in range(100)]
        try:
            self.assertEqual(self.status(self.head()), 200)
        finally:
            for one in idle:
                one.close()

    def test_the_gateway_lives_on_after_random_bytes(self):
        import random
        source = random.Random(7)
        for _ in range(50):
            self.exchange_quickly(bytes(source.randrange(256) for _ in range(source.randrange(1, 400))))
        self.assertEqual(self.status(self.head()), 200)

    def exchange_quickly(self, sent: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=5) as connection, contextlib.suppress(OSError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)


class Drain(Test):
    def test_sigterm_lets_requests_in_flight_end_and_refuses_new_ones(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        body = json.dumps(magika_request(PYTHON)).encode()
        connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
        self.addCleanup(connection.close)
        head = (f"POST /v2/models/magika/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {place.tokens['client']}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        connection.sendall(head + body[:100])
        time.sleep(0.2)
        stopped = []
        stopper = threading.Thread(target=lambda: stopped.append(gateway.stop()))
        stopper.start()
        time.sleep(0.3)
        connection.sendall(body[100:])
        answer = drain(connection, 10)
        stopper.join()
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer[:300])
        self.assertIn(b"connection: close", answer.lower())
        self.assertEqual(stopped, [0])
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", gateway.port), timeout=1)
        self.expect(place.hauberk("ledger", "verify"))


def drain(connection: socket.socket, seconds: float = 3) -> bytes:
    """Everything that comes until the peer closes, or nothing came for a while after something did."""
    received, deadline = b"", time.monotonic() + seconds
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline:
            connection.settimeout(0.5 if received else max(0.01, deadline - time.monotonic()))
            part = connection.recv(65536)
            if not part:
                break
            received += part
    return received

