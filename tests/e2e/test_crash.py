"""Bad moments: kill -9 under load, a full disk, a disk that may only be read; and a ledger that somebody changed."""
import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import threading
import time
import pathlib
import shutil

from harness import DATASETS, MAGIKA, ROOT, Test, magika_request, prepared

PYTHON = (ROOT / "demo/example.py").read_bytes()


def events(place, environment="dev"):
    """What the registry's chain has of changes: (kind, operation, target, outcome)."""
    lines = place.hauberk("ledger", "export", "-e", environment).out.splitlines()
    return [tuple(event.get(key, "") for key in ("kind", "operation", "target", "outcome")) for event in map(json.loads, lines) if "kind" in event]


class Record(Test):
    """Nothing is changed that the ledger does not have."""

    CHANGES = (  # what a ledger that cannot be written must stop
        ("token", "create", "-e", "dev", "-s", "eve", "--scope", "read"),
        ("token", "revoke", "TOKEN", "-e", "dev"),
        ("access", "define", "mine", "-e", "dev", "--scope", "read"),
        ("access", "bind", "eve", "viewer", "-e", "dev"),
        ("model", "import", "m.onnx", "--name", "m"),
        ("model", "promote", "magika", "--to", "dev"),
        ("model", "rescan", "magika"),
        ("model", "revoke", "magika", "--reason", "x"),
        ("model", "export", "magika", "out", "-e", "dev"),
        ("revocation", "add", "-e", "dev", "--key", "ed25519:0123456789abcdef", "--reason", "x"),
        ("key", "rotate", "-e", "dev", "--purpose", "evidence"),
        ("key", "rotate", "-e", "dev", "--purpose", "token"),
        ("store", "rotate", "-e", "dev"),
        ("store", "gc", "--remove"),
        ("key", "protect"),
        ("sign", "magika@1", "-e", "dev", "-o", "out"),
        ("model", "attest", "magika", "--as", "provenance", "-o", "out"),
        ("revocation", "issue", "-e", "dev", "-o", "out"),
    )

    def dump(self, place) -> list:
        connection = sqlite3.connect(f"file:{place.data}/catalog.db?mode=ro", uri=True)
        with contextlib.closing(connection):
            return [line for line in connection.iterdump()]

    def test_a_ledger_that_cannot_be_written_stops_every_change(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        token = place.hauberk("token", "list", "-e", "dev", "--json").json()[0]["id"]
        place.hauberk("model", "list")  # the database is opened and its journal emptied
        chain = place.data / "ledger/dev/registry"
        away = chain.with_name("away")
        chain.rename(away)
        chain.write_text("not a folder")
        def files():
            return {path: path.read_bytes() for part in ("keys", "blobs") for path in (place.data / part).rglob("*") if path.is_file()}
        kept = files()
        before = self.dump(place)
        place.config["keys"] = {"passphrase": "env:WORD"}
        place.write_config()
        for words in self.CHANGES:
            with self.subTest(" ".join(words)):
                outcome = place.hauberk(*[token if word == "TOKEN" else word for word in words], env={"WORD": "open sesame"})
                self.expect(outcome, 3)
                self.assertIn("nothing was changed", outcome.err)
                self.assertEqual(self.dump(place), before)
                self.assertEqual(files(), kept)
        self.assertFalse((place.folder / "out").exists())
        chain.unlink()
        away.rename(chain)
        self.expect(place.hauberk(*self.CHANGES[0]))
        self.expect(place.hauberk("ledger", "verify"))

    def test_a_change_is_announced_and_told_and_a_failure_is_told_too(self):
        place = self.make(copy_of=prepared())
        seen = len(events(place))
        made = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "eve", "--scope", "read", "--service", "--json")).json()
        self.expect(place.hauberk("access", "forget", "no-such-role", "-e", "dev"), 2)
        self.assertEqual(events(place)[seen:], [
            ("intent", "token.create", made["id"], "begun"), ("token.create", "", made["id"], "ok"),
            ("intent", "access.forget", "no-such-role", "begun"), ("intent", "access.forget", "no-such-role", "error")])
        told = [json.loads(line) for line in place.hauberk("ledger", "export", "-e", "dev").out.splitlines()]
        created = [event for event in told if event.get("kind") == "token.create"][-1]
        self.assertIn("for eve (service account), until 2", created["reason"])
        self.assertIn("read:*", created["reason"])

    def test_no_verb_leaves_an_intent_without_its_end(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        shutil.copy(DATASETS / "sigmoid.onnx", place.folder / "n.onnx")
        token = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "vera", "--role", "validator", "--json")).json()
        vera = token["token"]
        verbs = [  # (arguments, token)
            (("access", "define", "mine", "-e", "dev", "--scope", "read"), None), (("access", "bind", "eve", "mine", "-e", "dev"), None),
            (("access", "forget", "mine", "-e", "dev"), None), (("access", "unbind", "eve", "mine", "-e", "dev"), None), (("access", "forget", "mine", "-e", "dev"), None),
            (("model", "import", "m.onnx", "--name", "m"), None), (("model", "import", "m.onnx", "--name", "m"), None), (("model", "rescan", "m"), None),
            (("model", "approve", "m"), None), (("model", "approve", "m"), vera), (("model", "promote", "m", "--to", "dev"), None),
            (("model", "promote", "m", "--to", "staging"), None), (("model", "promote", "m", "--to", "staging"), None), (("model", "promote", "m", "--to", "production"), None),
            (("model", "attest", "m", "-e", "staging", "-o", "vsa.json"), None), (("model", "attest", "m", "--as", "provenance"), None), (("model", "export", "m", "out", "-e", "dev"), None),
            (("model", "export", "m", "out", "-e", "dev"), None), (("model", "rollback", "m", "-e", "production", "--reason", "x"), None), (("model", "import", "n.onnx", "--name", "n"), None),
            (("model", "revoke", "n", "--reason", "x"), None), (("model", "revoke", "n", "--reason", "x"), None), (("sign", "m@1", "-e", "dev"), None),
            (("revocation", "add", "-e", "dev", "--key", "ed25519:0123456789abcdef", "-m", "x"), None), (("revocation", "add", "-e", "dev", "--key", "ed25519:0123456789abcdef", "-m", "x"), None),
            (("revocation", "issue", "-e", "dev", "-o", "r.json"), None), (("token", "revoke", token["id"], "-e", "dev"), None), (("token", "create", "-e", "dev", "-s", "x"), None),
            *((("key", "rotate", "-e", "dev", "--purpose", purpose), None) for purpose in ("model", "evidence", "ledger", "token")),
            (("store", "rotate", "-e", "dev"), None), (("store", "gc", "--remove"), None), (("store", "gc", "--remove"), vera)]
        good = 0
        for words, by in verbs:
            outcome = place.hauberk(*words, token=by)
            good += outcome.status == 0
            for environment in ("dev", "staging", "production"):
                self.assertNotEqual(events(place, environment)[-1][3], "begun", str(outcome))
        self.assertGreater(good, 22)
        place.config["deployments"] = [{"name": "up", "upstream": {"url": "http://127.0.0.1:9"}}]
        place.write_config()
        with self.serve(place):
            self.assertEqual(events(place, "production")[-2:], [("intent", "deploy", "up", "begun"), ("deploy", "", "up", "ok")])
        self.expect(place.hauberk("ledger", "compare"))

    def test_kill_9_at_any_moment_leaves_no_change_that_the_ledger_does_not_know(self):
        place = self.make(copy_of=prepared())
        before = {token["id"] for token in place.hauberk("token", "list", "-e", "dev", "--json").json()}
        for attempt in range(24):
            process = subprocess.Popen(place.command("token", "create", "-e", "dev", "-s", f"eve{attempt}", "--scope", "read"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.004 + 0.002 * attempt)
            process.kill()
            process.wait()
        there = {token["id"] for token in place.hauberk("token", "list", "-e", "dev", "--json").json()} - before
        announced = {target for kind, operation, target, _ in events(place) if (kind, operation) == ("intent", "token.create")}
        self.assertLessEqual(there, announced)
        self.expect(place.hauberk("ledger", "compare"))
        self.assertTrue(announced, "no attempt lived long enough to announce anything")
        self.expect(place.hauberk("ledger", "verify"))


class Kill(Test):
    def test_kill_9_of_init_at_any_moment_is_finished_by_the_next(self):
        for attempt in range(12):
            place = self.make()
            process = subprocess.Popen(place.command("init", "--json"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            time.sleep(0.002 + 0.005 * attempt)
            process.kill()
            process.wait()
            process.stdout.close()
            again = place.hauberk("init", "--json")
            self.assertIn(again.status, (0, 2), str(again))
            for environment in ("dev", "staging", "production"):
                good = [token for token in place.hauberk("token", "list", "-e", environment, "--json").json() if token["state"] == "good"]
                self.assertEqual(len(good), 1)
                if again.status == 0:
                    self.expect(place.hauberk("token", "list", "-e", environment, token=again.json()["tokens"][environment]))
            self.expect(place.hauberk("ledger", "verify"))
            self.expect(place.hauberk("ledger", "compare"))

    def load(self, gateway, token: str, stop: threading.Event, counts: list[int]) -> None:
        body = magika_request(PYTHON)
        while not stop.is_set():
            try:
                counts.append(gateway.request("POST", "/v2/models/magika/infer", body, token, timeout=5)[0])
            except OSError:
                return

    def test_kill_9_of_serve_under_load_leaves_a_chain_that_verifies(self):
        place = self.make(copy_of=prepared())
        for _ in range(3):
            gateway = self.serve(place)
            stop, counts = threading.Event(), []
            threads = [threading.Thread(target=self.load, args=(gateway, place.tokens["client"], stop, counts)) for _ in range(4)]
            for thread in threads:
                thread.start()
            gateway.wait_until(lambda: len(counts) > 40, what="40 requests")
            gateway.process.kill()
            gateway.process.wait()
            stop.set()
            for thread in threads:
                thread.join()
            verified = self.expect(place.hauberk("ledger", "verify", "--environment", "production"))
            self.assertTrue(verified.out)
        # Only the last unsynced batch may be missing of what was answered.
        told = self.expect(place.hauberk("ledger", "export", "--environment", "production", "--chain", "gateway")).out
        self.assertGreater(told.count('"request"'), 60)

    def test_kill_9_of_an_import_leaves_nothing_half_done(self):
        place = self.make(copy_of=prepared())
        big = place.folder / "big.safetensors"
        header = json.dumps({"w": {"dtype": "U8", "shape": [64 << 20], "data_offsets": [0, 64 << 20]}}).encode()
        big.write_bytes(len(header).to_bytes(8, "little") + header + os.urandom(1 << 20) * 64)
        for delay in (0.02, 0.05, 0.1, 0.2, 0.3):
            process = subprocess.Popen(place.command("model", "import", big, "--name", "big"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.kill()
            process.wait()
            self.expect(place.hauberk("model", "list"))
            self.expect(place.hauberk("ledger", "verify"))
        self.expect(place.hauberk("ledger", "compare"))
        again = place.hauberk("model", "import", big, "--name", "big2", timeout=120)
        self.expect(again)
        self.expect(place.hauberk("model", "show", "big2"))

    def test_kill_9_of_init_can_be_repeated(self):
        for delay in (0.005, 0.01, 0.02, 0.04):
            place = self.make()
            process = subprocess.Popen(place.command("init"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.kill()
            process.wait()
            again = place.hauberk("init")
            self.assertIn(again.status, (0, 2), str(again))  # done, or it was done already
            self.expect(place.hauberk("model", "list"))


class Ledger(Test):
    """Every change of the files of a ledger is found, and the place is named."""

    def records(self, place) -> list[pathlib.Path]:
        files = [file for file in (place.data / "ledger").rglob("ledger-*.jsonl") if file.stat().st_size > 400]
        self.assertTrue(files)
        return files

    def spoil(self, change) -> None:
        place = self.make(copy_of=prepared())
        file = max(self.records(place), key=lambda one: one.stat().st_size)
        lines = file.read_bytes().split(b"\n")
        self.assertGreater(len(lines), 4)
        file.write_bytes(b"\n".join(change(lines)))
        found = place.hauberk("ledger", "verify", "--json")
        self.assertIn(found.status, (1, 3), str(found))
        self.assertIn(file.name, found.out + found.err)

    def test_a_changed_record_is_found(self):
        self.spoil(lambda lines: lines[:2] + [lines[2].replace(b'"ok"', b'"no"', 1) if b'"ok"' in lines[2] else lines[2][:-3] + b"x" + lines[2][-2:]] + lines[3:])

    def test_a_dropped_record_is_found(self):
        self.spoil(lambda lines: lines[:2] + lines[3:])

    def test_reordered_records_are_found(self):
        self.spoil(lambda lines: lines[:1] + [lines[2], lines[1]] + lines[3:])

    def test_a_repeated_record_is_found(self):
        self.spoil(lambda lines: lines[:2] + [lines[1]] + lines[2:])

    def test_an_inserted_line_is_found(self):
        self.spoil(lambda lines: lines[:2] + [b"{}"] + lines[2:])


class Disk(Test):
    def small_disk(self, place, megabytes: int) -> pathlib.Path | None:
        """A file system of that size at place.data; None where mounting is not allowed."""
        place.data.mkdir(exist_ok=True)
        if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", place.data], capture_output=True).returncode:
            return None
        self.addCleanup(subprocess.run, ["umount", "-l", place.data])
        return place.data

    def test_a_full_disk_stops_an_import_and_loses_nothing(self):
        place = self.make()
        if not self.small_disk(place, 24):
            return self.limited_files()
        self.expect(place.hauberk("init"))
        self.expect(place.hauberk("model", "import", MAGIKA, "--name", "magika"))
        big = place.folder / "big.onnx"
        big.write_bytes(MAGIKA.read_bytes() * 16)
        full = self.expect(place.hauberk("model", "import", big, "--name", "big"), 3)
        self.assertRegex(full.err, "(?i)(space|full)")
        self.expect(place.hauberk("model", "show", "magika"))
        self.expect(place.hauberk("ledger", "verify"))
        self.expect(place.hauberk("model", "import", DATASETS / "mul_1.onnx", "--name", "small"))

    def limited_files(self):
        """The same without the right to mount: files may not grow beyond 4 MB."""
        place = self.make(copy_of=prepared())
        big = place.folder / "big.onnx"
        big.write_bytes(MAGIKA.read_bytes() * 4)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
        self.expect(place.hauberk("model", "import", big, "--name", "big", preexec_fn=limit), 3)
        self.expect(place.hauberk("model", "show", "magika"))
        self.expect(place.hauberk("ledger", "verify"))

    def test_a_gateway_whose_ledger_cannot_be_written_refuses_and_recovers(self):
        place = self.make()
        if not self.small_disk(place, 64):
            self.skipTest("needs the right to mount a file system")
        for item in prepared().data.iterdir():
            (shutil.copytree if item.is_dir() else shutil.copy2)(item, place.data / item.name)
        place.config = json.loads(json.dumps(prepared().config))
        token = prepared().tokens["client"]
        gateway = self.serve(place)
        ask = lambda: gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), token)[0]  # noqa: E731
        self.assertEqual(ask(), 200)
        filler = place.data / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        try:
            gateway.wait_until(lambda: ask() == 503, seconds=20, what="503 while the disk is full")
            self.assertEqual(gateway.admin("/health/ready")[0], 503)
            self.assertEqual(gateway.admin("/health/live")[0], 200)
        finally:
            filler.unlink()
        gateway.wait_until(lambda: ask() == 200, seconds=20, what="200 once there is room again")
        gateway.stop()
        self.expect(place.hauberk("ledger", "verify"))
