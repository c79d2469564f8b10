"""Upkeep of the encrypted content: verification, rotation of the wrapping key, what belongs to nobody."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time

from harness import DATASETS, MAGIKA, ROOT, Test, make_token, nameless_files, prepared

CANARY = b"CANARY-OF-THE-WEIGHTS/"


def files_below(*folders):
    return [path for folder in folders for path in pathlib.Path(folder).rglob("*") if path.is_file()]


class Store(Test):
    def test_a_flipped_bit_and_a_missing_blob_are_named(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("store", "verify"))
        blob = next((place.data / "blobs").rglob("*.floe"))
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 1
        blob.chmod(0o600)
        blob.write_bytes(content)
        found = self.expect(place.hauberk("store", "verify"), 1)
        self.assertIn("magika@1 model.onnx", found.out + found.err)
        blob.unlink()
        self.expect(place.hauberk("store", "verify"), 1)

    def test_a_rotated_key_wraps_everything_and_the_old_one_may_go(self):
        place = self.make(copy_of=prepared())
        blob = next((place.data / "blobs").rglob("*.floe"))
        before, content = blob.stat().st_mtime_ns, blob.read_bytes()
        for environment in ("dev", "production"):
            done = self.expect(place.hauberk("store", "rotate", "-e", environment, "--json")).json()
            self.assertEqual(done["rewrapped"], 1)
            shutil.rmtree(place.data / "keys" / environment / "retired")
        self.assertEqual((blob.stat().st_mtime_ns, blob.read_bytes()), (before, content))
        self.expect(place.hauberk("store", "verify"))
        self.expect(place.hauberk("model", "export", "magika", "out", "-e", "production"))
        self.assertEqual((place.folder / "out/files/model.onnx").read_bytes(), MAGIKA.read_bytes())
        self.assertIn('"kind":"key.rotate"', self.expect(place.hauberk("ledger", "export", "-e", "production")).out)

    def test_rotated_signing_keys_leave_everything_that_they_signed_good(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("ledger", "checkpoint", "-e", "production", "-o", "kept"))
        for purpose in ("evidence", "ledger", "model"):
            self.expect(place.hauberk("key", "rotate", "-e", "production", "--purpose", purpose))
        self.expect(place.hauberk("key", "rotate", "-e", "dev", "--purpose", "evidence"))
        self.expect(place.hauberk("ledger", "verify", "--checkpoint", "kept"))
        self.expect(place.hauberk("model", "attest", "magika", "-e", "production"))
        self.expect(place.hauberk("model", "export", "magika", "out", "-e", "production"))
        # Without the public half of the key before, its evidence is nobody's.
        shutil.rmtree(place.data / "keys" / "dev" / "trusted")
        self.expect(place.hauberk("model", "attest", "magika", "-e", "production"), 1)

    def test_a_rotated_token_key_ends_its_tokens_when_it_is_removed(self):
        place = self.make(copy_of=prepared())
        old = make_token(place, "ci", "dev", "read:*")
        listed = lambda token: place.hauberk("model", "list", token=token)
        self.expect(listed(old))
        done = self.expect(place.hauberk("key", "rotate", "-e", "dev", "--purpose", "token"))
        new = make_token(place, "ci", "dev", "read:*")
        self.expect(listed(old))
        self.expect(listed(new))
        retired = re.search(r"retired/token-[0-9a-f]{16}\.key", done.err)
        self.assertIsNotNone(retired, done)
        (place.data / "keys/dev" / retired[0]).unlink()
        self.assertIn("not valid here", self.expect(listed(old), 1).err)
        self.expect(listed(new))
        self.assertEqual([key["state"] for key in self.expect(place.hauberk("key", "list", "-e", "dev", "--json")).json() if key["purpose"] == "token"], ["active"])

    def at_once(self, place, *commands):
        """Runs them side by side, and says how each ended."""
        running = [subprocess.Popen(place.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place.folder) for words in commands]
        return [process.wait(timeout=120) for process in running]

    def test_rotations_at_once_lose_no_key(self):
        place = self.make(copy_of=prepared())
        for purpose in ("evidence", "ledger", "model", "token"):
            for _ in range(4):
                rotate = ("key", "rotate", "-e", "dev", "--purpose", purpose)
                self.assertEqual(self.at_once(place, rotate, rotate), [0, 0])
        for _ in range(6):
            rotate = ("store", "rotate", "-e", "dev")
            self.assertEqual(self.at_once(place, rotate, rotate), [0, 0])
            self.expect(place.hauberk("store", "verify"))
        self.expect(place.hauberk("ledger", "verify"))
        recorded = {event["target"] for event in map(json.loads, self.expect(place.hauberk("ledger", "export", "-e", "dev")).out.splitlines())
                    if event.get("kind") == "key.rotate"}
        there = {key["id"] for key in self.expect(place.hauberk("key", "list", "-e", "dev", "--json")).json()}
        self.assertLessEqual(recorded, there)

    def test_imports_of_the_same_content_at_once_keep_its_key(self):
        place = self.make(copy_of=prepared())
        for turn in range(8):
            (place.folder / "config.json").write_text(json.dumps({"turn": turn}))
            self.assertEqual(set(self.at_once(place, *(("model", "import", "config.json", "--name", f"m{turn}-{one}") for one in range(4)))), {0})
            self.expect(place.hauberk("store", "verify"))

    def test_data_keys_of_every_environment_are_checked(self):
        for statement in ("UPDATE wrapped_keys SET wrapped = zeroblob(length(wrapped)) WHERE environment = 'production'",
                          "DELETE FROM wrapped_keys WHERE environment = 'production'",
                          "UPDATE wrapped_keys SET wrapped = zeroblob(length(wrapped)) WHERE environment = 'staging'"):
            with self.subTest(statement):
                place = self.make(copy_of=prepared())
                self.expect(place.hauberk("store", "verify"))
                with contextlib.closing(sqlite3.connect(place.data / "catalog.db")) as catalog, catalog:
                    self.assertGreater(catalog.execute(statement).rowcount, 0)
                found = self.expect(place.hauberk("store", "verify"), 1)
                self.assertIn("staging" if "staging" in statement else "production", found.out + found.err)

    def test_what_belongs_to_nobody_goes_when_it_is_old(self):
        place = self.make(copy_of=prepared())
        blob = next((place.data / "blobs").rglob("*.floe"))
        orphan = place.data / "blobs/tenants/default/00" / ("00" * 32 + ".floe")
        orphan.parent.mkdir(exist_ok=True)
        shutil.copy(blob, orphan)
        self.assertIn("younger", self.expect(place.hauberk("store", "gc", "--remove")).out)
        self.assertTrue(orphan.exists())
        old = time.time() - 3 * 86400
        os.utime(orphan, (old, old))
        self.expect(place.hauberk("store", "gc"))
        self.assertTrue(orphan.exists())
        self.expect(place.hauberk("store", "gc", "--remove"))
        self.assertFalse(orphan.exists())
        self.expect(place.hauberk("store", "verify"))

    def test_names_on_the_disk_say_nothing_and_the_key_of_the_names_is_missed(self):
        place = self.make(copy_of=prepared())
        digest = hashlib.sha256(MAGIKA.read_bytes()).hexdigest()
        for path in (place.data / "blobs").rglob("*"):
            self.assertNotIn(digest[:8], str(path))
            if path.is_file():
                self.assertNotIn(digest.encode(), path.read_bytes())
        key = place.data / "keys/store/address.key"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        content = key.read_bytes()
        key.unlink()
        failed = self.expect(place.hauberk("store", "gc", "--remove", "--age", "0s"), 3)
        self.assertIn("address.key", failed.err)
        self.assertIn("backup", failed.err)
        self.assertFalse(key.exists())
        other = self.make()
        self.expect(other.hauberk("init"))
        shutil.copy(other.data / "keys/store/address.key", key)
        self.expect(place.hauberk("store", "gc", "--remove", "--age", "0s"), 3)
        key.write_bytes(content)
        self.expect(place.hauberk("store", "verify"))
        self.assertEqual(len(files_below(place.data / "blobs/tenants")), 1)

    def test_a_store_whose_names_are_digests_gets_the_new_names(self):
        place = self.make(copy_of=prepared())
        blobs = place.data / "blobs"
        digest = hashlib.sha256(MAGIKA.read_bytes()).hexdigest()
        (blobs / digest[:2]).mkdir()
        next(blobs.rglob("*.floe")).rename(blobs / digest[:2] / f"{digest}.floe")
        shutil.rmtree(blobs / "tenants")
        (blobs / "address-key").unlink()
        shutil.rmtree(place.data / "keys/store")
        self.expect(place.hauberk("store", "verify"))
        self.assertFalse((blobs / digest[:2]).exists())
        self.assertEqual([path for path in blobs.rglob("*") if digest in str(path)], [])
        self.expect(place.hauberk("model", "export", "magika", "out", "-e", "production"))
        self.assertEqual((place.folder / "out/files/model.onnx").read_bytes(), MAGIKA.read_bytes())

    def test_the_document_of_evidence_names_every_type_and_every_member(self):
        place = self.make(copy_of=prepared())
        token = make_token(place, "vera", "dev", "approve:*")
        for file in ("mul_1.onnx", "sigmoid.onnx"):
            shutil.copy(DATASETS / file, place.folder / "m.onnx")
            for words in (("model", "import", "m.onnx", "--name", "m"), ("model", "approve", "m", "--comment", "fine"), ("model", "promote", "m", "--to", "staging"), ("model", "promote", "m", "--to", "production")):
                self.expect(place.hauberk(*words, token=token if words[1] == "approve" else None))
        self.expect(place.hauberk("model", "rollback", "m", "-e", "production", "--reason", "slow"))
        self.expect(place.hauberk("model", "revoke", "m", "--reason", "bad"))
        self.expect(place.hauberk("revocation", "add", "-e", "dev", "--key", "ed25519:0123456789abcdef", "-m", "lost"))
        self.expect(place.hauberk("revocation", "issue", "-e", "dev", "-o", "revocations.json"))
        with contextlib.closing(sqlite3.connect(place.data / "catalog.db")) as catalog:
            envelopes = [row[0] for row in catalog.execute("SELECT envelope FROM evidence")]
        envelopes += [(place.folder / "revocations.json").read_text()]
        document = (ROOT / "docs/formats/evidence.md").read_text()
        common, *parts = document.split("\n## ")
        sections = {part.split("\n", 1)[0]: part for part in parts}
        seen = set()
        for envelope in envelopes:
            statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
            kind = statement["predicateType"]
            seen.add(kind)
            for member in statement["predicate"]:
                self.assertIn(f"`{member}`", sections[kind] + common, f"{kind} has a member that the document does not name")
        self.assertLessEqual({f"https://hauberk.dev/{kind}/v1" for kind in ("import", "scan", "approval", "promotion", "rollback", "revocation", "revocations")}, seen)

    def test_exported_evidence_is_kept_encrypted_like_a_model(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("model", "attest", "magika", "-e", "production", "-o", "vsa.json"))
        self.expect(place.hauberk("ledger", "export", "-e", "dev", "-o", "ledger.jsonl"))
        for name, file in (("magika-vsa", "vsa.json"), ("audit", "ledger.jsonl")):
            self.assertEqual(self.expect(place.hauberk("model", "import", file, "--name", name, "--kind", "evidence", "--json")).json()["kind"], "evidence")
            content = (place.folder / file).read_bytes()
            for blob in (place.data / "blobs").rglob("*.floe"):
                self.assertNotIn(content[:64], blob.read_bytes())
            self.expect(place.hauberk("model", "export", name, f"{name}-again", "-e", "dev"))
            self.assertEqual((place.folder / f"{name}-again/files" / file).read_bytes(), content)
        reader = make_token(place, "audrey", "dev", "read:evidence/*")
        self.assertEqual({row["name"] for row in self.expect(place.hauberk("model", "list", "--json", token=reader)).json()}, {"audit", "magika-vsa"})

    def test_no_plaintext_on_the_disk_while_a_model_is_imported_and_scanned_and_after_a_kill(self):
        place = self.make()
        self.expect(place.hauberk("init"))
        scratch = place.folder / "tmp"
        scratch.mkdir()
        # Imported through a pipe into a folder that is watched: the program stands still in the middle of the file.
        offered = place.folder / "offered"
        offered.mkdir()
        weights = offered / "weights.bin"
        size = 40_000_000
        weights.write_bytes((CANARY * (size // len(CANARY) + 1))[:size])
        environment = {"TMPDIR": str(scratch)}
        seen_nameless = 0
        for _ in range(3):
            process = subprocess.Popen(place.command("model", "import", offered, "--name", "canary"), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, cwd=place.folder, env=os.environ | environment)
            deadline = time.monotonic() + 20
            while process.poll() is None and time.monotonic() < deadline:
                os.kill(process.pid, signal.SIGSTOP)
                for link in nameless_files(process.pid):
                    with contextlib.suppress(OSError):
                        content = link.read_bytes()
                        seen_nameless += len(content) > 0
                        self.assertNotIn(CANARY, content)
                for path in files_below(place.data, scratch):
                    with contextlib.suppress(FileNotFoundError):
                        self.assertNotIn(CANARY, path.read_bytes(), path)
                if seen_nameless:
                    break
                os.kill(process.pid, signal.SIGCONT)
                time.sleep(0.003)
            process.kill()
            process.wait()
            if seen_nameless:
                break
        self.assertTrue(seen_nameless, "the file was never seen on its way")
        self.assertEqual(files_below(place.data / "blobs/tenants", place.data / "blobs/tmp", scratch), [], "a killed import leaves nothing")
        # Unknown content is never clean: the status says so, and that is not what is looked at here.
        place.hauberk("model", "import", str(offered), "--name", "canary", env=environment)
        place.hauberk("scan", "--model", "canary", env=environment)
        place.hauberk("model", "rescan", "canary", env=environment)
        self.expect(place.hauberk("store", "verify", env=environment))
        self.assertTrue(files_below(place.data / "blobs/tenants"))
        for path in files_below(place.data, scratch):
            self.assertNotIn(CANARY, path.read_bytes(), path)
        self.assertEqual(files_below(scratch), [])
