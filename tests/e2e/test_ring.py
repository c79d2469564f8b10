"""A model's life through the command line: import, scan, approval, promotion, serving, rollback, revocation, export."""
import hashlib
import json
import os
import shutil

from harness import DATASETS, MAGIKA, MALICIOUS, ROOT, Gateway, Place, Test, magika_label, magika_request, make_token, prepared

PYTHON = (ROOT / "demo/example.py").read_bytes()


class Ring(Test):
    def test_init_makes_a_folder_that_only_its_owner_reads(self):
        place = self.make()
        made = self.expect(place.hauberk("init", "--json")).json()
        self.assertEqual(set(made["tokens"]), {"dev", "staging", "production"})
        for environment, short in (("dev", "dev"), ("staging", "stg"), ("production", "prd")):
            self.assertRegex(made["tokens"][environment], rf"^hbk_{short}_[a-z0-9]{{12}}_[A-Za-z0-9_-]{{43}}_[0-9a-f]{{8}}$")
        for folder, _, files in os.walk(place.data):
            self.assertEqual(os.stat(folder).st_mode & 0o077, 0, folder)
            for name in files:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0, name)

    def test_init_refuses_a_folder_that_is_in_use_and_changes_nothing(self):
        place = self.make(copy_of=prepared())
        before = tree(place.data)
        self.expect(place.hauberk("init"), 2)
        self.assertEqual(tree(place.data), before)

    def test_no_secret_of_a_token_is_kept(self):
        place = self.make(copy_of=prepared())
        secret = place.tokens["client"].split("_", 3)[3].encode()
        for folder, _, files in os.walk(place.data):
            for name in files:
                self.assertNotIn(secret, open(os.path.join(folder, name), "rb").read(), name)

    def test_blobs_are_encrypted(self):
        place = self.make(copy_of=prepared())
        marker = MAGIKA.read_bytes()[1000:1064]
        for folder, _, files in os.walk(place.data):
            for name in files:
                self.assertNotIn(marker, open(os.path.join(folder, name), "rb").read(), name)

    def test_a_real_model_goes_through_the_whole_ring(self):
        place = self.make()
        self.expect(place.hauberk("init"))
        imported = self.expect(place.hauberk("model", "import", MAGIKA, "--name", "magika", "--json")).json()
        self.assertEqual((imported["state"], imported["scan"]["verdict"]), ("scanned", "CLEAN"))
        self.assertEqual(imported["files"][0]["digest"], "sha256:" + hashlib.sha256(MAGIKA.read_bytes()).hexdigest())
        # Nobody approves what they imported themselves, and nothing skips a step.
        self.expect(place.hauberk("model", "approve", "magika"), 1)
        self.expect(place.hauberk("model", "promote", "magika", "--to", "production"), 1)
        self.expect(place.hauberk("model", "promote", "magika", "--to", "staging"), 1)
        reviewer = make_token(place, "reviewer", "dev", "approve:*")
        self.expect(place.hauberk("model", "approve", "magika", "--comment", "looked at it", token=reviewer))
        self.expect(place.hauberk("model", "promote", "magika", "--to", "production"), 1)
        self.expect(place.hauberk("model", "promote", "magika", "--to", "staging"))
        self.expect(place.hauberk("model", "promote", "magika", "--to", "production"))
        shown = self.expect(place.hauberk("model", "show", "magika@1", "--json")).json()
        self.assertEqual(shown["state"], "production")
        kinds = [one["type"].split("/")[-2] for one in shown["evidence"]]
        for kind in ("import", "scan", "approval", "promotion"):
            self.assertIn(kind, kinds)
        self.assertEqual(shown["refused_evidence"], [])

    def test_a_malicious_pickle_stays_in_quarantine(self):
        place = self.make(copy_of=prepared())
        (place.folder / "evil.pkl").write_bytes(MALICIOUS)
        refused = place.hauberk("model", "import", "evil.pkl", "--name", "evil")
        self.expect(refused, 1)
        self.assertRegex(refused.out + refused.err, r"(posix|os)\.system")
        self.assertNotIn("this must never run", refused.err)
        shown = self.expect(place.hauberk("model", "show", "evil", "--json")).json()
        self.assertEqual(shown["state"], "quarantined")
        self.expect(place.hauberk("model", "approve", "evil", token=place.tokens["reviewer"]), 1)
        for environment in ("staging", "production"):
            self.expect(place.hauberk("model", "promote", "evil", "--to", environment), 1)

    def test_a_reviewer_without_the_grant_is_denied(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("model", "import", DATASETS / "mul_1.onnx", "--name", "other"))
        self.expect(place.hauberk("model", "approve", "other", token=make_token(place, "reader", "dev", "read:*")), 1)
        self.expect(place.hauberk("model", "approve", "other", token=make_token(place, "narrow", "dev", "approve:magika")), 1)
        self.expect(place.hauberk("model", "approve", "other", token=place.tokens["client"]), 1)  # of another environment
        self.expect(place.hauberk("model", "approve", "other", token="hbk_dev_aaaaaaaaaaaa_bbbb_cccc"), 1)
        self.expect(place.hauberk("model", "approve", "other", token=place.tokens["reviewer"]))

    def test_rollback_moves_back_and_a_revoked_version_is_refused(self):
        place = self.make(copy_of=prepared())
        client = place.tokens["client"]
        changed = place.folder / "changed.onnx"
        changed.write_bytes(MAGIKA.read_bytes() + b"\x72\x00")  # an empty metadata entry: another digest, the same model
        self.expect(place.hauberk("model", "import", changed, "--name", "magika"))
        self.expect(place.hauberk("model", "approve", "magika@2", token=place.tokens["reviewer"]))
        self.expect(place.hauberk("model", "promote", "magika@2", "--to", "staging"))
        self.expect(place.hauberk("model", "promote", "magika@2", "--to", "production"))
        gateway = self.serve(place)

        def versions():
            status, _, body = gateway.request("GET", "/v2/models/magika", token=client)
            return json.loads(body).get("versions") if status == 200 else status
        self.assertEqual(versions(), ["2"])
        back = self.expect(place.hauberk("model", "rollback", "magika", "--environment", "production", "--reason", "worse", "--json")).json()
        self.assertGreater(back["from"], back["to"])
        gateway.wait_until(lambda: versions() == ["1"], what="the gateway to serve version 1 again")
        status, _, body = gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), client)
        self.assertEqual((status, magika_label(json.loads(body)["outputs"][0]["data"])), (200, "python"))
        self.expect(place.hauberk("model", "revoke", "magika@2", "--reason", "poisoned"))
        self.assertNotEqual(place.hauberk("model", "rollback", "magika", "--environment", "production", "--entry", back["from"]).status, 0)
        self.expect(place.hauberk("model", "promote", "magika@2", "--to", "production"), 1)
        self.assertEqual(versions(), ["1"])
        self.expect(place.hauberk("model", "revoke", "magika@1", "--reason", "also poisoned"))
        gateway.wait_until(lambda: versions() in (403, 404, 503), what="the gateway to drop a revoked version")
        self.assertEqual(gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), client)[0], versions())

    def test_export_gives_back_the_very_bytes_with_their_evidence(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("model", "export", "magika@1", "out"))
        files = [file for file in (place.folder / "out").rglob("*") if file.is_file()]
        self.assertIn(MAGIKA.read_bytes(), [file.read_bytes() for file in files])
        self.assertGreaterEqual(len(files), 2)
        self.expect(place.hauberk("model", "export", "magika@1", "out"), 2)

    def test_a_folder_is_one_artifact(self):
        place = self.make(copy_of=prepared())
        folder = place.folder / "model"
        folder.mkdir()
        shutil.copy(DATASETS / "sigmoid.onnx", folder)
        (folder / "config.json").write_text("{}")
        first = place.hauberk("model", "import", folder, "--name", "pair", "--json")
        self.assertEqual([file["path"] for file in first.json()["files"]], ["config.json", "sigmoid.onnx"], str(first))

    def test_the_same_content_is_not_imported_twice_under_a_name(self):
        place = self.make(copy_of=prepared())
        again = self.expect(place.hauberk("model", "import", MAGIKA, "--name", "magika"), 2)
        self.assertIn("magika@1", again.out + again.err)

    def test_the_ledger_tells_the_story_and_verifies(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("ledger", "verify"))
        told = "".join(self.expect(place.hauberk("ledger", "tail", "--environment", environment, "--json")).out for environment in ("dev", "staging"))
        for kind in ("import", "scan", "approve", "promote"):
            self.assertIn(kind, told)

    def test_evidence_that_was_changed_in_the_catalogue_does_not_count(self):
        import sqlite3
        place = self.make(copy_of=prepared())
        database = sqlite3.connect(place.data / "catalog.db")
        tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
        table = next(name for name in tables if "evidence" in name)
        columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
        column = next(name for name in columns if name in ("envelope", "body", "content"))
        for (trigger,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f"drop trigger {trigger}")
        for rowid, envelope in database.execute(f"select rowid, {column} from {table}").fetchall():
            text = envelope if isinstance(envelope, str) else envelope.decode()
            value = json.loads(text)
            value["payload"] = value["payload"][:-8] + "AAAA" + value["payload"][-4:]
            database.execute(f"update {table} set {column} = ? where rowid = ?", (json.dumps(value), rowid))
        database.commit()
        database.close()
        shown = place.hauberk("model", "show", "magika", "--json")
        if shown.status == 0:
            self.assertEqual(shown.json()["evidence"], [], str(shown))
            self.assertTrue(shown.json()["refused_evidence"])
        gateway = Gateway(place, ready=False)
        self.addCleanup(gateway.__exit__)
        gateway.wait_until(lambda: gateway.process.poll() is not None or ("magika" in gateway.log and gateway.find_ports()), what="serve to speak of magika")
        if gateway.process.poll() is None:
            status = gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), place.tokens["client"])[0]
            self.assertIn(status, (403, 404, 503))


def tree(folder) -> dict[str, str]:
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*")) if file.is_file() and "-wal" not in file.name and "-shm" not in file.name}
