"""The ledger as a transparency log: its tiles by a reader of our own, checkpoints, proofs, witnesses, histories written anew."""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from harness import BINARY, Gateway, MAGIKA, Test, go_tool, prepared, used

FSCK = os.environ.get("TILES_FSCK") or go_tool("fsck", "fsck-tiles")  # tessera's


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def entries(bundle: bytes) -> list[bytes]:
    found = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        found.append(bundle[2:2 + length])
        bundle = bundle[2 + length:]
    return found


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as there:
            there.bind(("::1", 0))
        return True
    except OSError:
        return False


class Log(Test):
    def folder(self, place, environment: str = "dev") -> pathlib.Path:
        return place.data / "ledger" / environment / "registry"

    def more_records(self, place, count: int) -> None:
        for number in range(count):
            self.expect(place.hauberk("token", "create", "-e", "dev", "-s", f"s{number}", "--scope", "read:*"))

    def checkpoint(self, place) -> dict:
        return self.expect(place.hauberk("ledger", "checkpoint", "-e", "dev", "--json")).json()

    def test_tiles_entries_and_checkpoint_agree_for_a_reader_of_the_specification(self):
        place = self.make(copy_of=prepared())
        self.more_records(place, 5)
        folder = self.folder(place)
        origin, size, encoded = (folder / "checkpoint").read_text().split("\n")[:3]
        size = int(size)
        self.assertLess(size, 256)
        found = entries((folder / "tile/entries/000.p" / str(size)).read_bytes())
        records = self.expect(place.hauberk("ledger", "export", "-e", "dev")).out.splitlines()[:size]
        self.assertEqual([one.decode() for one in found], records)
        hashes = (folder / "tile/0/000.p" / str(size)).read_bytes()
        self.assertEqual(hashes, b"".join(leaf(one) for one in found))
        self.assertEqual(root([leaf(one) for one in found]), base64.b64decode(encoded))
        self.assertEqual(self.checkpoint(place)["origin"], origin)

    def test_a_ledger_that_was_removed_is_missed(self):
        place = self.make(copy_of=prepared())
        shutil.rmtree(self.folder(place))
        self.assertIn("the ledger was removed", self.expect(place.hauberk("ledger", "verify"), 1).out)
        self.assertFalse(self.expect(place.hauberk("ledger", "verify", "-e", "dev", "--json"), 1).json()[0]["verified"])
        self.expect(place.hauberk("ledger", "verify", "-e", "production"))

    def test_a_proof_is_checked_without_the_machine_that_made_it(self):
        place = self.make(copy_of=prepared())
        self.more_records(place, 3)
        key = self.checkpoint(place)["key"]
        records = self.expect(place.hauberk("ledger", "export", "-e", "dev")).out.splitlines()
        for number in (1, 2, 3, 4):
            self.expect(place.hauberk("ledger", "prove", number, "-e", "dev", "-o", f"{number}.proof"))
            (place.folder / f"{number}.json").write_text(records[number - 1] + "\n")
        away = self.make()
        for number in (1, 2, 3, 4):
            for end in ("proof", "json"):
                shutil.copy(place.folder / f"{number}.{end}", away.folder)
        told = self.expect(away.hauberk("ledger", "check", "3.proof", "--record", "3.json", "--key", key, "--json")).json()
        self.assertEqual(told["record"], 3)
        self.expect(away.hauberk("ledger", "check", "3.proof", "--record", "2.json", "--key", key), 1)
        text = (away.folder / "3.proof").read_text()
        for old, new in (("index 2", "index 1"), ("index 2\n", "index 2\n" + base64.b64encode(bytes(32)).decode() + "\n")):
            (away.folder / "bad.proof").write_text(text.replace(old, new))
            self.expect(away.hauberk("ledger", "check", "bad.proof", "--record", "3.json", "--key", key), 1)
        stranger = self.checkpoint(self.fresh())["key"]
        self.expect(away.hauberk("ledger", "check", "3.proof", "--record", "3.json", "--key", stranger), 1)
        self.expect(away.hauberk("ledger", "check", "3.proof", "--record", "3.json", "--key", key[:-4] + "AAAA"), 2)
        self.expect(place.hauberk("ledger", "prove", 10**6, "-e", "dev"), 1)

    def fresh(self):
        place = self.make()
        self.expect(place.hauberk("init"))
        return place

    def test_a_chain_without_records_verifies_after_the_key_was_rotated(self):
        place = self.make(copy_of=prepared())
        for _ in range(2):
            with Gateway(place):
                pass
            self.expect(place.hauberk("ledger", "verify"))
            self.expect(place.hauberk("key", "rotate", "-e", "production", "--purpose", "ledger"))
            self.expect(place.hauberk("ledger", "verify"))

    def test_whoever_kept_a_checkpoint_finds_a_history_that_was_written_anew(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("ledger", "checkpoint", "-e", "dev", "-o", "kept"))
        self.more_records(place, 2)
        self.expect(place.hauberk("ledger", "verify", "--checkpoint", "kept"))
        kept = (place.folder / "kept").read_text()
        self.expect(place.hauberk("key", "rotate", "-e", "dev", "--purpose", "ledger"))
        self.expect(place.hauberk("ledger", "verify", "--checkpoint", "kept"))  # by the key of before
        at = kept.rindex(" ") + 20
        (place.folder / "forged").write_text(kept[:at] + ("A" if kept[at] != "A" else "B") + kept[at + 1:])
        forged = self.expect(place.hauberk("ledger", "verify", "--checkpoint", "forged", "--json"), 1)
        self.assertIn("signed by no key", forged.json()[0]["problem"]["message"])
        self.expect(place.hauberk("ledger", "prove", "--since", "kept", "-e", "dev"))
        shutil.rmtree(self.folder(place) / "tile/0")
        self.assertIn("the next writer makes it anew", self.expect(place.hauberk("ledger", "prove", "1", "-e", "dev"), 3).err)
        self.more_records(place, 1)
        self.expect(place.hauberk("ledger", "prove", "1", "-e", "dev"))
        # Somebody with the keys and the disk begins anew: the ledger itself is flawless.
        shutil.rmtree(self.folder(place))
        self.more_records(place, 6)
        self.expect(place.hauberk("ledger", "verify"))
        found = self.expect(place.hauberk("ledger", "verify", "--checkpoint", "kept"), 1)
        self.assertIn("no ledger called", found.out + found.err)

    def test_a_witness_cosigns_one_history_only(self):
        place = self.make(copy_of=prepared())
        key = self.checkpoint(place)["key"]
        subprocess.run("openssl genpkey -algorithm ed25519 -out w.pem && chmod 600 w.pem", shell=True, cwd=place.folder, check=True,
                       capture_output=True)
        command = ["witness", "--key", "w.pem", "--state", "seen", "--log", key, "--name", "witness.example", "--listen"]
        for wrong in ("127.0.0.1", ":8470", "::1:8470", "127.0.0.1:99999"):
            self.assertIn("expected an address and a port", self.expect(place.hauberk(*command, wrong), 2).err, wrong)
        # As the gateway writes addresses.
        host = "[::1]" if has_ipv6() else "127.0.0.1"
        witness = subprocess.Popen([BINARY, *command, f"{host}:0"], cwd=place.folder, stdout=subprocess.PIPE, text=True)
        self.addCleanup(witness.stdout.close)
        self.addCleanup(witness.wait)
        self.addCleanup(witness.send_signal, signal.SIGTERM)
        url = "http://" + witness.stdout.readline().split()[-1]
        witness_key = witness.stdout.readline().split()[-1]
        ask = ["ledger", "witness", url, "-e", "dev", "--key", witness_key]
        self.expect(place.hauberk(*ask))
        old = shutil.copytree(self.folder(place), place.folder / "old")
        self.more_records(place, 3)
        self.expect(place.hauberk(*ask))
        self.expect(place.hauberk("ledger", "verify"))
        self.expect(place.hauberk("ledger", "prove", 2, "-e", "dev", "-o", "proof"))
        (place.folder / "record").write_text(self.expect(place.hauberk("ledger", "export", "-e", "dev")).out.splitlines()[1])
        check = ["ledger", "check", "proof", "--record", "record", "--key", key, "--witness"]
        self.expect(place.hauberk(*check, witness_key))
        self.expect(place.hauberk(*check, witness_key.replace("witness.example", "other.example")), 2)
        self.expect(place.hauberk("ledger", "verify", "--checkpoint", old / "checkpoint"))
        # Back to the older state, and on from there in another way: two histories.
        shutil.rmtree(self.folder(place))
        shutil.copytree(old, self.folder(place))
        self.more_records(place, 4)
        self.expect(place.hauberk("ledger", "verify"))
        denied = self.expect(place.hauberk(*ask), 1)
        self.assertIn("another history", denied.err)

    def test_another_tool_reads_the_log(self):
        if not FSCK:
            self.skipTest("no fsck of tiles: make peers")
        place = self.make(copy_of=prepared())
        self.more_records(place, 5)
        facts = self.checkpoint(place)
        (place.folder / "key").write_text(facts["key"])
        run = subprocess.run([FSCK, "--storage_url", f"file://{self.folder(place)}/", "--public_key", "key", "--origin", facts["origin"],
                              "--ui=false"], capture_output=True, text=True, cwd=place.folder)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        used["tessera fsck"] = "1.0.4"
