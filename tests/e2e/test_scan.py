"""What surrounds a scan: patterns, exclusion, baselines, the cache, versions of the registry, files beside a model."""
import json
import pickle

import sarif_pydantic

from harness import MALICIOUS, Test, prepared


def unknown_class() -> bytes:
    return b"\x80\x02csomebody.package\nThing\n)\x81}b."


class ScanInputs(Test):
    def setUp(self):
        super().setUp()
        self.place = self.make()
        for name, content in {"models/a.pkl": pickle.dumps([1]), "models/deep/b.pkl": MALICIOUS, "tests/c.pkl": MALICIOUS,
                              "models/notes.txt": b"words\n"}.items():
            path = self.place.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def files(self, *arguments) -> dict[str, str]:
        done = self.place.hauberk("scan", "--json", *arguments)
        return {file["path"]: file["verdict"] for file in done.json()["files"]}

    def test_patterns_name_files_where_no_shell_did(self):
        self.assertEqual(self.files("models/**/*.pkl"), {"models/a.pkl": "clean", "models/deep/b.pkl": "malicious"})
        self.assertEqual(self.files("models/*.pkl"), {"models/a.pkl": "clean"})
        self.assertIn("nothing matches", self.expect(self.place.hauberk("scan", "*.onnx"), 2).err)

    def test_only_the_caller_says_what_is_left_out(self):
        (self.place.folder / "models/.hauberkignore").write_text("*.pkl\n")
        self.assertEqual(self.files("models")["models/deep/b.pkl"], "malicious")
        self.assertEqual(set(self.files("-x", "deep", "-x", ".*", "models")), {"models/a.pkl", "models/notes.txt"})
        (self.place.folder / "ignored").write_text("# not ours\ntests/**\n\nmodels/deep/\n")
        self.assertEqual(set(self.files("--ignore-file", "ignored", "models/a.pkl", "models/deep", "tests")), {"models/a.pkl"})
        self.assertIn("3 files and folders were excluded", self.place.hauberk("scan", "-x", "*.pkl", "models", "tests").err)

    def test_a_version_of_the_registry(self):
        place = self.make(copy_of=prepared())
        found = place.hauberk("scan", "--json", "--model", "magika").json()["files"]
        self.assertEqual([file["verdict"] for file in found], ["clean"])
        self.assertEqual(self.expect(place.hauberk("model", "rescan", "--stale")).out.strip().splitlines()[-1].strip(" ✓"),
                         "every scan was made with the present rules")
        self.assertEqual(json.loads(self.expect(place.hauberk("model", "rescan", "magika", "--json")).out)["name"], "magika")


class Baselines(Test):
    def setUp(self):
        super().setUp()
        self.place = self.make()
        (self.place.folder / "own.pkl").write_bytes(unknown_class())

    def write(self, **changes) -> None:
        entry = {"rule": "pickle.unknown-import", "file": "*.pkl", "reason": "our own class", "expires": "2199-01-01"} | changes
        entry = {key: value for key, value in entry.items() if value is not None}
        (self.place.folder / "baseline.json").write_text(json.dumps({"version": 1, "accept": [entry]}))

    def scan(self, *arguments):
        return self.place.hauberk("scan", "--json", "--baseline", "baseline.json", *(arguments or ["own.pkl"]))

    def test_what_is_accepted_passes_and_says_so(self):
        self.expect(self.place.hauberk("scan", "own.pkl"), 1)
        self.write()
        done = self.expect(self.scan()).json()["files"][0]
        self.assertEqual(done["verdict"], "clean")
        self.assertIn("accepted until 2199-01-01: our own class", done["findings"][0]["message"])

    def test_nothing_else_is(self):
        for change in ({"rule": "pickle.dangerous-call"}, {"file": "other.pkl"}, {"sha256": "0" * 64}, {"expires": "2020-01-01"}):
            with self.subTest(change):
                self.write(**change)
                self.expect(self.scan(), 1)
        self.assertIn("no longer accepted", self.scan().err)
        self.write()
        (self.place.folder / "new.pkl").write_bytes(MALICIOUS)
        (self.place.folder / "cut.pkl").write_bytes(unknown_class()[:-2])
        found = {file["path"]: file["verdict"] for file in self.expect(self.scan("."), 1).json()["files"]}
        self.assertEqual((found["./own.pkl"], found["./new.pkl"], found["./cut.pkl"]), ("clean", "malicious", "malformed"))

    def test_each_entry_says_why_and_until_when(self):
        for change, what in (({"reason": ""}, "say why"), ({"expires": "soon"}, "last day"), ({"rule": None}, "name the rule"),
                             ({"until": "x"}, "no such member"), ({"sha256": "x"}, "64 hexadecimal")):
            with self.subTest(change):
                self.write(**change)
                done = self.scan()
                self.assertEqual(done.status, 2, done)
                self.assertIn(what, done.err)

    def test_one_is_written_from_what_was_found(self):
        self.assertIn("--reason", self.expect(self.place.hauberk("scan", "own.pkl", "--write-baseline", "baseline.json"), 2).err)
        self.expect(self.place.hauberk("scan", "--hash", "own.pkl", "--write-baseline", "baseline.json", "--reason", "ours"), 1)
        self.expect(self.scan())
        (self.place.folder / "own.pkl").write_bytes(unknown_class().replace(b"Thing", b"Other"))
        self.expect(self.scan(), 1)


class Cache(Test):
    def test_what_did_not_change_is_not_looked_at_again(self):
        place = self.make()
        (place.folder / "a.pkl").write_bytes(MALICIOUS)
        (place.folder / "b.pkl").write_bytes(pickle.dumps({"a": 1}))
        (place.folder / "odd").write_bytes(b"\x00\x01\x02\x03\x04\x05")
        first = self.expect(place.hauberk("scan", "--json", "--cache", "kept", "a.pkl", "b.pkl", "odd"), 1).json()["files"]
        self.assertEqual(len(list((place.folder / "kept").glob("*.report.json"))), 2)  # nothing inconclusive
        (place.folder / "c.pkl").write_bytes(MALICIOUS)
        (place.folder / "sub").mkdir()
        (place.folder / "sub/a.pkl").write_bytes(MALICIOUS)
        again = self.expect(place.hauberk("scan", "--json", "--cache", "kept", "a.pkl", "b.pkl", "sub/a.pkl"), 1).json()["files"]
        self.assertEqual(again[:2], first[:2])
        self.assertEqual({finding["where"]["file"] for finding in again[2]["findings"]}, {"sub/a.pkl"})
        kept = next(path for path in (place.folder / "kept").glob("*.report.json") if b'"clean"' in path.read_bytes())
        kept.write_bytes(kept.read_bytes().replace(b'"clean"', b'"review"'))  # to see that it is read
        self.expect(place.hauberk("scan", "--cache", "kept", "b.pkl"), 1)
        (place.folder / "b.pkl").write_bytes(pickle.dumps({"a": 2}))
        self.expect(place.hauberk("scan", "--cache", "kept", "b.pkl"))


class Companions(Test):
    def test_weights_beside_a_model_must_be_there(self):
        place = self.make()
        # ModelProto{ir 8, graph{initializer{name, external_data{location: w.bin}, data_location: EXTERNAL}}}
        external = b"\x0a\x08location\x12\x05w.bin"
        tensor = b"\x08\x04\x10\x01\x42\x01t" + b"\x6a" + bytes([len(external)]) + external + b"\x70\x01"
        graph = b"\x2a" + bytes([len(tensor)]) + tensor
        (place.folder / "m.onnx").write_bytes(b"\x08\x08\x3a" + bytes([len(graph)]) + graph)
        self.expect(place.hauberk("scan", "m.onnx"), 1)
        (place.folder / "w.bin").write_bytes(bytes(16))
        self.expect(place.hauberk("scan", "m.onnx"))
        self.expect(place.hauberk("scan", "."))


class Sarif(Test):
    def test_other_readers_of_sarif_take_it(self):
        place = self.make()
        (place.folder / "a b.pkl").write_bytes(MALICIOUS)
        (place.folder / "torn.safetensors").write_bytes(b"\xff" * 20)
        self.expect(place.hauberk("scan", "--sarif", "out.sarif", "."), 1)
        log = sarif_pydantic.Sarif.model_validate_json((place.folder / "out.sarif").read_text())
        run = log.runs[0]
        rules = {rule.id for rule in run.tool.driver.rules}
        self.assertEqual(run.tool.driver.name, "Hauberk")
        self.assertGreaterEqual(len(run.results), 2)
        for result in run.results:
            self.assertIn(result.rule_id, rules)
            self.assertTrue(result.locations[0].physical_location.artifact_location.uri)
        with self.assertRaises(ValueError):  # it does refuse what is no SARIF
            sarif_pydantic.Sarif.model_validate({"version": "2.1.0", "runs": [{"results": [{}]}]})
