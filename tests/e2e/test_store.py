"""Upkeep of the encrypted content: verification, rotation of the wrapping key, what belongs to nobody."""
import shutil
import os
import time

from harness import MAGIKA, Test, prepared


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

    def test_what_belongs_to_nobody_goes_when_it_is_old(self):
        place = self.make(copy_of=prepared())
        blob = next((place.data / "blobs").rglob("*.floe"))
        orphan = place.data / "blobs" / "00" / ("00" * 32 + ".floe")
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
