"""What every end-to-end test stands on: the release binary on a data folder of its own, and a gateway that is ended by its id.

A Place is a temporary folder with a configuration and data; `place.hauberk("model", "list")` runs one verb. A prepared Place
(Magika through the whole ring, tokens made) is built once and copied, so that each test may break what it likes.
"""
import atexit
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("HAUBERK_BINARY", ROOT / "build/release/hauberk"))
SERVE_BINARY = pathlib.Path(os.environ.get("SERVE_BINARY", BINARY))  # another build of the gateway, such as build/tsan/hauberk
SHARED = ROOT.parent / "shared"  # corpora and test vectors; a test skips where it is absent
MAGIKA = ROOT / ".deps/magika/model.onnx"
DATASETS = ROOT / ".deps/onnxruntime/datasets"
# A pickle that calls posix.system when loaded; it is never loaded here.
MALICIOUS = b"cposix\nsystem\n(S'echo this must never run'\ntR."
ANSI = "\x1b["

used: dict[str, str] = {}  # real clients and servers that took part: name -> version; run.py prints them


class Outcome:
    """What one run of the program left: its exit status and what it printed."""

    def __init__(self, arguments, status: int, out: str, err: str):
        self.arguments, self.status, self.out, self.err = arguments, status, out, err

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"hauberk {' '.join(map(str, self.arguments))}\nstatus {self.status}\nout: {self.out}\nerr: {self.err}"


def nameless_files(pid):
    """What a process has open without a name, as far as it can be read."""
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "(deleted)" in os.readlink(link) and "memfd" not in os.readlink(link):
                yield link


class Place:
    def __init__(self, config: dict | None = None, copy_of: "Place | None" = None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hauberk-e2e-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = self.folder / "data"
        self.file = self.folder / "hauberk.yaml"
        self.tokens: dict[str, str] = {}
        self.config: dict = config or {}
        if copy_of:
            shutil.copytree(copy_of.data, self.data, symlinks=True)
            self.tokens = dict(copy_of.tokens)
            self.config = json.loads(json.dumps(copy_of.config)) | self.config
        self.write_config()

    def write_config(self, text: str | None = None) -> None:
        """JSON is YAML; tests about YAML itself give a text."""
        self.file.write_text(text if text is not None else json.dumps(self.config, indent=1) + "\n")

    def command(self, *arguments) -> list[str]:
        return [str(BINARY), "--config", str(self.file), "--data", str(self.data), *map(str, arguments)]

    def hauberk(self, *arguments, token: str | None = None, timeout: float = 60, **options) -> Outcome:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HAUBERK_")}
        environment |= options.pop("env", {})
        if token:
            environment["HAUBERK_TOKEN"] = token
        run = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=timeout, env=environment,
                             cwd=self.folder, **options)
        return Outcome(arguments, run.returncode, run.stdout, run.stderr)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Gateway:
    """`hauberk serve` on loopback until stop(); use it as a context manager."""

    def __init__(self, place: Place, environment: str = "production", ready: bool = True, port: int = 0, **options):
        self.place, self.environment = place, environment
        self.port, self.admin_port = port, 0  # 0: the system chooses; serve says which
        place.config |= {"listen": f"127.0.0.1:{port}", "admin": {"listen": "127.0.0.1:0"}, "environment": environment}
        place.write_config()
        number = len(list(place.folder.glob("serve-*.log")))
        self.out_path, self.log_path = place.folder / f"serve-{number}.out", place.folder / f"serve-{number}.log"
        with self.out_path.open("wb") as out, self.log_path.open("wb") as log:
            self.process = subprocess.Popen([str(SERVE_BINARY), *place.command("serve", "--json")[1:]], stdout=out, stderr=log, stdin=subprocess.DEVNULL, cwd=place.folder, **options)
        if ready:
            self.wait_ready()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_ready(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.log}")
            if self.find_ports():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    if self.admin("/health/ready")[0] == 200:
                        return
            time.sleep(0.02)
        self.stop(signal.SIGKILL)
        raise AssertionError(f"serve did not become ready in {seconds} s:\n{self.log}")

    def find_ports(self) -> bool:
        with contextlib.suppress(ValueError):
            told = json.JSONDecoder().raw_decode(self.out_path.read_text())[0]
            self.port, self.admin_port = (int(told[key].rpartition(":")[2]) for key in ("listen", "admin"))
        return self.admin_port != 0

    def wait_until(self, condition, seconds: float = 10, what: str = "it to happen") -> None:
        deadline = time.monotonic() + seconds
        def met():
            try:
                return condition()
            except ConnectionError:  # not listening yet, or not any more
                return False
        while not met():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s for {what}; log:\n{self.log[-3000:]}")
            time.sleep(0.02)

    def request(self, method: str, path: str, body=None, token: str | None = None, headers: dict | None = None, port: int | None = None,
                timeout: float = 20):
        """(status, headers, body bytes)."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def admin(self, path: str):
        return self.request("GET", path, port=self.admin_port, timeout=5)

    def stop(self, how: int = signal.SIGTERM, seconds: float = 20) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"serve did not end within {seconds} s of signal {how}:\n{self.log[-3000:]}") from None
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL if self.process.poll() is None else 0)


class Test(unittest.TestCase):
    """A test that owns a Place; `make` gives more of them."""

    maxDiff = 4000

    def make(self, config: dict | None = None, copy_of: Place | None = None) -> Place:
        place = Place(config, copy_of)
        self.addCleanup(place.remove)
        return place

    def serve(self, place: Place, **options) -> Gateway:
        gateway = Gateway(place, **options)
        self.addCleanup(gateway.__exit__)
        return gateway

    def expect(self, outcome: Outcome, status: int = 0) -> Outcome:
        self.assertEqual(outcome.status, status, str(outcome))
        return outcome


def go_tool(name: str, *names: str) -> str | None:
    """What `make peers` has built, or what lies in the path under one of the names (or else under its own, if none is given)."""
    built = ROOT / ".deps/go-tools" / name
    return str(built) if built.exists() else next(filter(None, map(shutil.which, names or (name,))), None)


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def version_of(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()


# What the prepared Place serves; each test may change it before it starts a gateway.
GUARDS = ["authn", "authz", {"rate_limit": {"per_minute": 1_000_000, "burst": 1_000_000}}, "shape"]
CONFIG: dict = {"guards": GUARDS}

_prepared: list[Place] = []


def prepared() -> Place:
    """Magika, imported, scanned, approved and promoted to production; tokens admin, reviewer and client. Copy it, do not change it."""
    if not _prepared:
        place = Place(json.loads(json.dumps(CONFIG)))
        must(place.hauberk("init", "--json"))
        must(place.hauberk("model", "import", MAGIKA, "--name", "magika"))
        place.tokens["reviewer"] = make_token(place, "reviewer", "dev", "approve:*")
        must(place.hauberk("model", "approve", "magika", token=place.tokens["reviewer"]))
        must(place.hauberk("model", "promote", "magika", "--to", "staging"))
        must(place.hauberk("model", "promote", "magika", "--to", "production"))
        place.tokens["client"] = make_token(place, "client", "production", "infer:*", "read:*")
        _prepared.append(place)
    return _prepared[0]


def deployment(place: Place, name: str, **section) -> None:
    """Changes the configuration of a deployment; rate_limit={...} is put into its list of guards."""
    if "rate_limit" in section:
        limit = section.pop("rate_limit")
        section["guards"] = [guard if isinstance(guard, str) else {"rate_limit": limit} for guard in GUARDS]
    others = [one for one in place.config.get("deployments", []) if one["name"] != name]
    place.config["deployments"] = others + [{"name": name, **section}]


def make_token(place: Place, subject: str, environment: str, *scopes: str, expires: str = "1d") -> str:
    arguments = [part for scope in scopes for part in ("--scope", scope)]
    return must(place.hauberk("token", "create", "--subject", subject, "--environment", environment, "--expires", expires, "--json", *arguments)).json()["token"]


def must(outcome: Outcome) -> Outcome:
    if outcome.status != 0:
        raise AssertionError(str(outcome))
    return outcome


def magika_request(content: bytes) -> dict:
    """The V2 request that asks Magika what `content` is (as demo/request makes it)."""
    head, tail = list(content[:4096].lstrip()[:1024]), list(content[-4096:].rstrip()[-1024:])
    data = head + [256] * (1024 - len(head)) + [256] * (1024 - len(tail)) + tail
    return {"inputs": [{"name": "bytes", "shape": [1, 2048], "datatype": "INT32", "data": data}]}


def magika_label(scores) -> str:
    labels = json.loads((MAGIKA.parent / "config.min.json").read_text())["target_labels_space"]
    return labels[max(range(len(scores)), key=scores.__getitem__)]
