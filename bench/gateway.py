#!/usr/bin/env python3
"""What the gateway costs per request, beside nginx and HAProxy as plain proxies before the same upstream.

usage: bench/gateway.py [--seconds N] [--rounds N] [--quick]

All three forward POST /v1/chat/completions over kept connections to one nginx that answers at once. Hauberk does what it is for: the
token is checked (authn, authz), the body is parsed and checked (shape), the rate limit is counted, the body is written anew, the answer is
read and renamed, and the ledger records the request. nginx writes a buffered access log; HAProxy logs nothing. Each has one thread.

CPU per request: user and system time of all of the proxy's processes over the load of wrk (32 connections), medians of the rounds, taken in turns.
Instructions: callgrind's count of 1,200 requests less that of 200, over 1,000. System calls: strace's count over 2,000 requests.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402

ANSWER = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "bench", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "An answer of a usual length, as short as answers come. " * 4}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 30, "completion_tokens": 48, "total_tokens": 78}})
BODY = json.dumps({"model": "bench", "messages": [{"role": "system", "content": "You are a helpful assistant."},
                                                  {"role": "user", "content": "What is chain mail, and who wears it? " * 6}], "temperature": 0.5})
NGINX = """
daemon off; %(master)s worker_processes 1; pid %(folder)s/pid; error_log %(folder)s/error.log;
events { worker_connections 1024; }
http {
  client_body_temp_path %(folder)s/1; proxy_temp_path %(folder)s/2; fastcgi_temp_path %(folder)s/3; uwsgi_temp_path %(folder)s/4; scgi_temp_path %(folder)s/5;
  keepalive_requests 100000000; keepalive_timeout 600s; default_type application/json; access_log %(log)s;
  %(inside)s
}
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend all
  bind 127.0.0.1:%(port)d
  default_backend upstream
backend upstream
  server one 127.0.0.1:%(upstream)d
"""


def free_port() -> int:
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen, seconds: float = 60) -> None:
    import socket
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"{process.args[0]} did not start")


class Server:
    """A process that listens on `port`; `tool` goes before its command line."""

    def __init__(self, name: str, command: list, port: int, tool: list = []):
        self.name, self.port = name, port
        self.process = subprocess.Popen([*tool, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(port, self.process)

    def pids(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Bench:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.upstream_port = free_port()
        inside = "server { listen 127.0.0.1:%d; location / { return 200 '%s'; } }" % (self.upstream_port, ANSWER)
        self.upstream = Server("upstream", ["nginx", "-e", folder / "upstream.log", "-c", self.nginx("upstream", inside, "off")], self.upstream_port)
        self.place = harness.Place({"guards": harness.GUARDS, "workers": 1, "log": {"level": "error"}, "environment": "dev"})
        harness.must(self.place.hauberk("init"))
        harness.deployment(self.place, "bench", upstream={"url": f"http://127.0.0.1:{self.upstream_port}"}, rate_limit={"per_minute": 1_000_000, "burst": 1_000_000})
        self.place.write_config()
        self.token = harness.make_token(self.place, "bench", "dev", "infer:bench")
        self.script = folder / "post.lua"
        self.script.write_text(f'wrk.method = "POST"\nwrk.path = "/v1/chat/completions"\nwrk.body = [[{BODY}]]\n'
                               f'wrk.headers["Content-Type"] = "application/json"\nwrk.headers["Authorization"] = "Bearer {self.token}"\n')

    def nginx(self, name: str, inside: str, log: str, master: str = "") -> pathlib.Path:
        place = self.folder / name
        place.mkdir(exist_ok=True)
        file = place / "nginx.conf"
        file.write_text(NGINX % {"folder": place, "inside": inside, "log": log, "master": master})
        return file

    def start(self, name: str, tool: list = []) -> Server:
        port = free_port()
        if name == "nginx":
            inside = (f"upstream u {{ server 127.0.0.1:{self.upstream_port}; keepalive 64; keepalive_requests 100000000; }} "
                      f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}")
            file = self.nginx("proxy", inside, f"{self.folder}/access.log combined buffer=64k", "master_process off;" if tool else "")
            return Server(name, ["nginx", "-e", self.folder / "proxy.log", "-c", file], port, tool)
        if name == "haproxy":
            file = self.folder / "haproxy.cfg"
            file.write_text(HAPROXY % {"port": port, "upstream": self.upstream_port})
            return Server(name, ["haproxy", "-db", "-f", file], port, tool)
        self.place.config |= {"listen": f"127.0.0.1:{port}", "admin": {"listen": "127.0.0.1:0"}}
        self.place.write_config()
        command = self.place.command("serve")
        if tool:  # Debian 12's valgrind cannot read clang's debug information
            command[0] = str(self.folder / "hauberk")
            subprocess.run(["strip", "-g", "-o", command[0], harness.BINARY], check=True)
        return Server(name, command, port, tool)

    def ask(self, port: int, count: int) -> None:
        """`count` requests over one connection; every answer must be a good one."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count):
            connection.request("POST", "/v1/chat/completions", BODY, {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or json.loads(body)["model"] != "bench":
                raise SystemExit(f"{answer.status}: {body[:300]!r}")
        connection.close()

    def load(self, server: Server, seconds: int, pause: int = 0) -> tuple[float, float, str]:
        """(CPU microseconds per request, requests per second, the 99th percentile) under wrk; each of the 32 connections rests
        for `pause` milliseconds after an answer."""
        self.ask(server.port, 50)
        before = server.cpu()
        script = self.script
        if pause:
            script = self.folder / "paused.lua"
            script.write_text(self.script.read_text() + f"function delay() return {pause} end\n")
        out = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", "-s", script, f"http://127.0.0.1:{server.port}"],
                             capture_output=True, text=True, check=True).stdout
        used = server.cpu() - before
        if "Non-2xx" in out or "Socket errors" in out:
            raise SystemExit(f"{server.name}:\n{out}")
        count = int(re.search(r"(\d+) requests in", out)[1])
        return used / count * 1e6, float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1]), re.search(r"99%\s+(\S+)", out)[1]

    def instructions(self, name: str) -> float | None:
        """User instructions per request."""
        if not shutil.which("valgrind"):
            return None
        counts = []
        for requests in (200, 1200):
            out = self.folder / f"callgrind.{name}.{requests}"
            server = self.start(name, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
            self.ask(server.port, requests)
            server.stop()
            counts.append(int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1]))
        return (counts[1] - counts[0]) / 1000

    def system_calls(self, name: str) -> float | None:
        if not shutil.which("strace"):
            return None
        server = self.start(name)
        self.ask(server.port, 50)
        out = self.folder / f"strace.{name}"
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", out, *[part for pid in server.pids() for part in ("-p", str(pid))]], stderr=subprocess.DEVNULL)
        time.sleep(1)
        self.ask(server.port, 2000)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        server.stop()
        return int(re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)", out.read_text(), re.M)[1]) / 2000

    def close(self) -> None:
        self.upstream.stop()
        self.place.remove()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="CPU time only")
    arguments = parser.parse_args()
    names = ("nginx", "haproxy", "hauberk")
    os.environ["PATH"] += ":/usr/sbin"
    with tempfile.TemporaryDirectory(prefix="hauberk-bench-") as folder:
        bench = Bench(pathlib.Path(folder))
        servers = {name: bench.start(name) for name in names}
        rounds = {name: [] for name in names}
        for _ in range(arguments.rounds):
            for name, server in servers.items():
                rounds[name].append(bench.load(server, arguments.seconds))
        for server in servers.values():
            server.stop()
        print("| proxy | CPU us a request | against nginx | requests/s | p99 | instructions a request | system calls a request |\n|---|---|---|---|---|---|---|")
        base = statistics.median(one[0] for one in rounds["nginx"])
        for name in names:
            cpu = statistics.median(one[0] for one in rounds[name])
            speed = statistics.median(one[1] for one in rounds[name])
            late = sorted(one[2] for one in rounds[name])[len(rounds[name]) // 2]
            instructions, calls = (None, None) if arguments.quick else (bench.instructions(name), bench.system_calls(name))
            print(f"| {name} | {cpu:.1f} | {cpu / base:.2f} x | {speed:.0f} | {late} | {f'{instructions:.0f}' if instructions else ''} | {f'{calls:.1f}' if calls else ''} |", flush=True)
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
