"""What stands behind the gateway: llama.cpp's own server with SmolLM2, and a scripted server of ours for faults."""
import contextlib
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LlamaServer:
    """llama.cpp's server out of the package xllamacpp, in a process of its own."""

    def __init__(self, log: pathlib.Path):
        self.port = free_port()
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen([sys.executable, "-B", HERE / "llama_server.py", str(self.port)], stdout=out, stderr=out)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"llama.cpp's server did not come up:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def chunk(text: str, finish: str | None = None) -> str:
    """One event of a streamed chat completion, without its line ends."""
    return "data: " + json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]})


COMPLETION = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello from the script."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
TEXT_COMPLETION = {
    "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "scripted",
    "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
EMBEDDINGS = {
    "object": "list", "model": "scripted", "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.75]}],
    "usage": {"prompt_tokens": 2, "total_tokens": 2}}


class ScriptedUpstream:
    """An OpenAI-compatible server that misbehaves on request: the last message "script:NAME" chooses how.

    It speaks bytes, not a library's idea of HTTP, so that every fault is on the wire exactly as written here. `requests`
    holds what arrived: (method, path, headers in lower case, body).
    """

    def __init__(self):
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.stopping = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            stream = connection.makefile("rb")
            while request := self._read(stream):
                self.requests.append(request)
                if not self._answer(connection, request):
                    return

    @staticmethod
    def _read(stream):
        line = stream.readline().decode("latin-1").split()
        if len(line) != 3:
            return None
        headers = {}
        while (field := stream.readline().decode("latin-1").strip()):
            name, _, value = field.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(stream.readline().split(b";")[0], 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            body = stream.read(int(headers.get("content-length", "0")))
        return line[0], line[1], headers, body

    def _answer(self, connection: socket.socket, request) -> bool:
        method, path, _, body = request
        if path.endswith("/models"):
            return send_json(connection, 200, {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "script"}]})
        if path.endswith("/embeddings"):
            return send_json(connection, 200, EMBEDDINGS)
        asked = json.loads(body)
        if path.endswith("/chat/completions"):
            said = asked["messages"][-1]["content"]
            if isinstance(said, list):
                said = said[-1].get("text", "")
        else:
            said = asked.get("prompt", "")
        script = said.removeprefix("script:") if isinstance(said, str) and said.startswith("script:") else "fine"
        if hasattr(self, "_play_" + script):
            return getattr(self, "_play_" + script)(connection)
        if asked.get("stream"):
            return self._stream(connection, script)
        return send_json(connection, 200, COMPLETION if "chat" in path else TEXT_COMPLETION)

    # ------------------------------------------------------------------------------------------------------- streams

    def _stream(self, connection: socket.socket, script: str) -> bool:
        """Five words, then the end; `script` says what is odd about it."""
        end = {"crlf": "\r\n", "cr": "\r"}.get(script, "\n")
        events = [chunk(word) for word in ("One ", "two ", "three ", "four ", "five.")] + [chunk("", "stop")]
        if script == "comments":
            events = [piece for event in events for piece in (": keep-alive", event)]
        if script == "drip":
            events = [chunk("drop ")] * 300
        if script != "no_done":
            events.append("data: [DONE]")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, event in enumerate(events):
            payload = (event + end * 2).encode()
            if script == "reset" and number == 2:
                reset(connection)
                return False
            if script == "cut" and number == 2:
                return False  # closed without the last chunk
            if script in ("words", "error") and number == 2:
                event = "data: " + ("no json" if script == "words" else '{"error": {"message": "Traceback: /srv/secret/path.py"}}')
                payload = (event + end * 2).encode()
            if script == "drip" and self.stopping.wait(0.2):
                return False
            if script == "stall" and number == 2:
                self.stopping.wait(60)
                return False
            if script == "slow":
                for byte in payload:
                    connection.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
                    if number < 2:
                        time.sleep(0.002)
                continue
            connection.sendall(b"%x\r\n%s\r\n" % (len(payload), payload))
        connection.sendall(b"0\r\n\r\n")
        return True

    # ------------------------------------------------------------------------------------------------ whole responses

    def _play_hang(self, connection: socket.socket) -> bool:
        self.stopping.wait(60)
        return False

    def _play_close(self, connection: socket.socket) -> bool:
        return False

    def _play_reset_at_once(self, connection: socket.socket) -> bool:
        reset(connection)
        return False

    def _play_not_http(self, connection: socket.socket) -> bool:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        return False

    def _play_not_json(self, connection: socket.socket) -> bool:
        return send(connection, 200, b"<html>it works</html>", "text/html")

    def _play_half_json(self, connection: socket.socket) -> bool:
        return send(connection, 200, b'{"id": "secret",', "application/json")

    def _play_error_as_success(self, connection: socket.socket) -> bool:
        return send_json(connection, 200, {"error": {"message": "Traceback: /srv/secret/path.py line 7"}})

    def _play_both_lengths(self, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
        return False

    def _play_short_body(self, connection: socket.socket) -> bool:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"id":')
        return False

    def _play_huge_head(self, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-Filler-%d: %s\r\n" % (i, b"x" * 1000) for i in range(1000)))
        return False

    def _play_failure(self, connection: socket.socket) -> bool:
        return send_json(connection, 500, {"error": {"message": "Traceback: /srv/secret/path.py line 7", "type": "server_error"}})

    def _play_busy(self, connection: socket.socket) -> bool:
        return send_json(connection, 429, {"error": {"message": "slow down", "type": "rate_limit_error"}}, "Retry-After: 7\r\n")

    def _play_refused(self, connection: socket.socket) -> bool:
        return send_json(connection, 401, {"error": {"message": "Incorrect API key: sk-upstream", "type": "invalid_request_error"}})


def send(connection: socket.socket, status: int, body: bytes, kind: str, more: str = "") -> bool:
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    connection.sendall(head.encode() + body)
    return True


def send_json(connection: socket.socket, status: int, value, more: str = "") -> bool:
    return send(connection, status, json.dumps(value).encode(), "application/json", more)


def reset(connection: socket.socket) -> None:
    """Closes so that the peer sees a reset, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
