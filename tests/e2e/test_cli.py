"""The command line: help, exit codes, --json, colours, completion, the scanner as a tool, the configuration's errors."""
import contextlib
import pathlib
import json
import os
import pickle
import pty
import shutil
import sqlite3
import subprocess
import time
import xml.etree.ElementTree
import zipfile

from harness import ANSI, BINARY, DATASETS, MAGIKA, MALICIOUS, Test, make_token, nameless_files, prepared

VERBS = ["init", "scan", "scan explain", "model import", "model list", "model show", "model approve", "model promote", "model rollback", "model revoke", "model export", "model attest", "model evidence",
         "serve", "key list", "key public", "key rotate", "key protect", "key unprotect", "store verify", "store gc", "store rotate", "token create", "token list", "token revoke", "access explain", "access table", "access roles", "access define", "access forget", "access bind", "access unbind", "access bindings", "ledger tail", "ledger verify", "ledger export", "ledger compare",
         "sign", "verify", "exec", "ledger checkpoint", "ledger prove", "ledger check", "ledger witness", "witness",
         "revocation add", "revocation list", "revocation issue", "secret check", "config check", "config schema", "config show", "version", "completion"]


def on_a_terminal(command: list[str], env: dict | None = None) -> str:
    """What the command prints when a person looks on."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=os.environ | {"TERM": "xterm-256color"} | (env or {}))
    os.close(slave)
    out = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    process.wait()
    os.close(master)
    return out.decode(errors="replace")


class ScanInAndOut(Test):
    def test_standard_input_is_scanned_like_a_file(self):
        place = self.make()
        done = subprocess.run([BINARY, "scan", "--json", "-"], input=MALICIOUS, capture_output=True, cwd=place.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        report = json.loads(done.stdout)["files"][0]
        self.assertEqual((report["path"], report["verdict"]), ("stdin", "malicious"))
        self.assertEqual({finding["where"]["file"] for finding in report["findings"]}, {"stdin"})
        self.assertNotIn("/proc/", done.stdout.decode())

    def test_nothing_of_standard_input_lies_readable_on_a_disk(self):
        place = self.make()
        scratch = place.folder / "scratch"
        scratch.mkdir()
        canary = b"this canary must not be found in any file below the folder. "
        process = subprocess.Popen([BINARY, "scan", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=place.folder, env=os.environ | {"TMPDIR": str(scratch)})
        for _ in range(200):
            process.stdin.write(canary * 1000)
        process.stdin.flush()
        deadline = time.monotonic() + 20
        kept = b""
        while len(kept) < 4 << 20:
            self.assertLess(time.monotonic(), deadline, "it is kept nowhere")
            time.sleep(0.02)
            kept = b"".join(link.read_bytes() for link in nameless_files(process.pid))
        self.assertNotIn(b"canary", kept)
        self.assertEqual(list(scratch.iterdir()), [])
        process.kill()
        process.wait()
        process.stdin.close()
        self.assertEqual(list(scratch.iterdir()), [], "a killed process leaves nothing")
        done = subprocess.run([BINARY, "scan", "-"], input=canary, capture_output=True, cwd=place.folder, env=os.environ | {"TMPDIR": str(place.folder / "none")})
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"TMPDIR", done.stderr)

    def test_junit_has_a_case_for_each_file(self):
        place = self.make()
        (place.folder / "bad<1>.pkl").write_bytes(MALICIOUS)
        (place.folder / "good.pkl").write_bytes(pickle.dumps({"a": 1}))
        self.expect(place.hauberk("scan", "--junit", "scan.xml", "bad<1>.pkl", "good.pkl"), 1)
        suite = xml.etree.ElementTree.parse(place.folder / "scan.xml").getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("errors")), ("2", "1", "0"))
        cases = {case.get("name"): case for case in suite}
        self.assertIn("pickle.dangerous-call", cases["bad<1>.pkl"].find("failure").text)
        self.assertEqual(len(cases["good.pkl"]), 0)

    def test_a_rule_is_explained(self):
        place = self.make()
        told = self.expect(place.hauberk("scan", "explain", "pickle.dangerous-call"))
        self.assertIn("CWE-502", told.out)
        self.assertEqual(json.loads(self.expect(place.hauberk("scan", "explain", "--json", "zip.encrypted")).out)["id"], "zip.encrypted")
        self.assertIn("pickle.dangerous-call", self.expect(place.hauberk("scan", "explain", "pickle.dangerous-cal"), 2).err)
        # A file of that name is still a file.
        (place.folder / "explain").write_bytes(MALICIOUS)
        self.expect(place.hauberk("scan", "./explain"), 1)


class Help(Test):
    def test_every_verb_explains_itself(self):
        place = self.make()
        for verb in VERBS:
            with self.subTest(verb):
                told = self.expect(place.hauberk(*verb.split(), "--help"))
                self.assertIn("--json", self.expect(place.hauberk("--help")).out)
                self.assertGreater(len(told.out.splitlines()), 3)

    def test_the_exit_codes_are_in_the_help(self):
        told = self.expect(self.make().hauberk("--help")).out
        for part in ("0 fine", "1 findings or denied", "2 wrong use", "3 could not"):
            self.assertIn(part, told)

    def test_wrong_use_is_2(self):
        place = self.make()
        for arguments in ([], ["frobnicate"], ["scan"], ["scan", "--nonsense", "x"], ["model"], ["model", "import"], ["model", "promote", "x", "--to", "moon"],
                          ["token", "create"], ["completion", "tcsh"]):
            with self.subTest(arguments=arguments):
                self.expect(place.hauberk(*arguments), 2)

    def test_without_data_a_verb_says_how_to_begin(self):
        outcome = self.expect(self.make().hauberk("model", "list"), 2)
        self.assertIn("hauberk init", outcome.err)

    def test_version_is_a_version(self):
        self.assertRegex(self.expect(self.make().hauberk("version")).out, r"\d+\.\d+\.\d+")
        self.assertRegex(self.expect(self.make().hauberk("--version")).out, r"^hauberk \d+\.\d+\.\d+\n$")
        self.assertRegex(self.expect(self.make().hauberk("version", "--json")).json()["version"], r"^\d+\.\d+\.\d+")


class Json(Test):
    def test_every_verb_prints_one_json_value_and_nothing_else(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        subprocess.run("openssl genpkey -algorithm ed25519 -out k.pem && chmod 600 k.pem && openssl pkey -in k.pem -pubout -out k.pub",
                       shell=True, cwd=place.folder, check=True)
        for arguments in (
                "init", "version", "scan m.onnx", "model import m.onnx --name m", "model list", "model list m", "model show m", "model approve m", "model promote m --to staging",
                "model promote m --to dev", "model rollback m --environment dev", "model export m out", "model attest m --as provenance", "model revoke m --reason x", "token create -e dev -s s --scope read:*", "token list",
                "token revoke none -e dev", "access roles", "access explain s read m -e dev", "secret check", "ledger tail", "ledger verify", "ledger export", "ledger checkpoint -e dev", "ledger prove 1 -e dev", "key list", "key public", "store verify", "store gc", "store rotate -e dev", "key rotate -e dev",
                "sign m.onnx --key k.pem", "verify m.onnx --key k.pub", "config check", "config schema", "config show"):
            with self.subTest(arguments):
                outcome = place.hauberk(*arguments.split(), "--json")
                if arguments in ("ledger tail", "ledger export"):
                    for line in outcome.out.splitlines() if not outcome.out.lstrip().startswith("[") else [outcome.out.replace("\n", " ")]:
                        json.loads(line)
                else:
                    json.loads(outcome.out)
                self.assertNotIn(ANSI, outcome.out)

    def test_an_error_is_json_too(self):
        outcome = self.expect(self.make().hauberk("model", "list", "--json"), 2)
        self.assertEqual(outcome.json()["error"]["code"], "not_found")


class Colour(Test):
    def test_people_get_colours_and_pipes_do_not(self):
        place = self.make(copy_of=prepared())
        (place.folder / "evil.pkl").write_bytes(MALICIOUS)
        command = place.command("scan", place.folder / "evil.pkl")
        self.assertIn(ANSI, on_a_terminal(command, {"NO_COLOR": ""}))
        self.assertNotIn("\x1b[3", on_a_terminal(command, {"NO_COLOR": "1"}))
        piped = place.hauberk("scan", "evil.pkl")
        self.assertNotIn(ANSI, piped.out + piped.err)

    def test_control_characters_of_a_file_never_reach_the_terminal(self):
        place = self.make()
        name = "\x1b]0;owned\x07"
        (place.folder / "evil.pkl").write_bytes(b"c" + name.encode() + b"\nsystem\n(tR.")
        with zipfile.ZipFile(place.folder / "z.zip", "w") as archive:
            archive.writestr(f"a{name}.pkl", MALICIOUS)
        for file in ("evil.pkl", "z.zip"):
            outcome = place.hauberk("scan", file)
            self.assertNotIn("\x1b", outcome.out + outcome.err)
            self.assertNotIn("\x07", outcome.out + outcome.err)


class Completion(Test):
    def test_scripts_can_be_read_by_their_shells(self):
        place = self.make()
        for shell in ("bash", "zsh", "fish"):
            script = self.expect(place.hauberk("completion", shell)).out
            self.assertIn("promote", script)
            if shutil.which(shell):
                checked = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
                self.assertEqual((checked.returncode, checked.stderr), (0, ""), shell)

    def completed(self, *words: str) -> set[str]:
        line = " ".join(words)
        script = (f"source <({BINARY} completion bash); COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
                  f"COMP_LINE={line!r}; COMP_POINT={len(line)}; _hauberk; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split())

    def test_bash_completes_verbs_options_and_environments(self):
        self.assertLessEqual({"model", "scan", "serve", "token"}, self.completed("hauberk", ""))
        self.assertLessEqual({"import", "promote", "rollback"}, self.completed("hauberk", "model", ""))
        self.assertEqual(self.completed("hauberk", "model", "promote", "x", "--to", "pro"), {"production"})
        self.assertIn("--name", self.completed("hauberk", "model", "import", "--n"))


class Scan(Test):
    def test_exit_codes_say_clean_found_and_could_not_check(self):
        place = self.make()
        files = place.folder
        (files / "evil.pkl").write_bytes(MALICIOUS)
        (files / "good.pkl").write_bytes(pickle.dumps({"a": [1, 2.5, "x", None]}))
        (files / "cut.pkl").write_bytes(pickle.dumps(list(range(1000)))[:-100])
        (files / "cut.onnx").write_bytes(MAGIKA.read_bytes()[:100_000])
        self.expect(place.hauberk("scan", "good.pkl"))
        self.expect(place.hauberk("scan", MAGIKA))
        found = self.expect(place.hauberk("scan", "evil.pkl"), 1)
        self.assertRegex(found.out, r"(posix|os)\.system")
        self.expect(place.hauberk("scan", "cut.pkl"), 3)
        self.expect(place.hauberk("scan", "cut.onnx"), 3)
        self.expect(place.hauberk("scan", "good.pkl", "evil.pkl"), 1)
        self.expect(place.hauberk("scan", "no-such-file"), 2)

    def test_findings_name_the_byte(self):
        place = self.make()
        (place.folder / "evil.pkl").write_bytes(pickle.dumps([1, 2, 3], protocol=0)[:-1] + b"0" + MALICIOUS)
        report = self.expect(place.hauberk("scan", "evil.pkl", "--json"), 1).json()
        text = json.dumps(report)
        self.assertIn("offset", text)
        self.assertRegex(text, r"(posix|os)\.system")

    def test_nothing_of_a_scanned_file_is_executed(self):
        place = self.make()
        marker = place.folder / "it-ran"
        (place.folder / "evil.pkl").write_bytes(f"cposix\nsystem\n(S'touch {marker}'\ntR.".encode())
        self.expect(place.hauberk("scan", "evil.pkl"), 1)
        self.assertFalse(marker.exists())

    def test_tricks_that_hide_a_pickle(self):
        place = self.make()
        files = place.folder
        with zipfile.ZipFile(files / "model.pt", "w") as archive:
            archive.writestr("archive/data.pkl", MALICIOUS)
            archive.writestr("archive/version", "3\n")
        (files / "picture.png").write_bytes(MALICIOUS)
        (files / "weights.bin").write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.")
        (files / "framed.pkl").write_bytes(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00cposix\nsystem\n(S'true'\ntR.")
        for name in ("model.pt", "picture.png", "weights.bin", "framed.pkl"):
            with self.subTest(name):
                self.assertIn(place.hauberk("scan", name).status, (1, 3))
        self.expect(place.hauberk("scan", "model.pt"), 1)
        self.expect(place.hauberk("scan", "weights.bin"), 1)

    def test_a_folder_is_scanned_whole(self):
        place = self.make()
        folder = place.folder / "model" / "deep"
        folder.mkdir(parents=True)
        shutil.copy(MAGIKA, folder.parent)
        self.expect(place.hauberk("scan", "model"))
        (folder / "a.pkl").write_bytes(MALICIOUS)
        self.expect(place.hauberk("scan", "model"), 1)

    def test_an_unreadable_file_is_no_clean_file(self):
        place = self.make()
        self.assertNotEqual(place.hauberk("scan", "/proc/1/mem").status, 0)
        os.mkfifo(place.folder / "pipe")
        self.assertNotEqual(place.hauberk("scan", "pipe", timeout=20).status, 0)


class Config(Test):
    def test_a_good_file_passes_and_is_shown_with_its_defaults(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("config", "check"))
        self.assertTrue(self.expect(place.hauberk("config", "show")).out)

    def test_the_reference_in_the_documents_is_the_programs_own(self):
        told = self.expect(self.make().hauberk("config", "schema", "--markdown")).out
        kept = pathlib.Path(__file__).parents[2] / "docs/reference/config.md"
        self.assertEqual(kept.read_text(), told, "run: build/release/hauberk config schema --markdown > docs/reference/config.md")

    def test_the_schema_documents_every_key(self):
        schema = self.expect(self.make().hauberk("config", "schema")).out
        for word in ("listen", "rate_limit", "per_minute", "head_timeout", "credential"):
            self.assertIn(word, schema)

    def test_a_wrong_key_is_answered_with_place_caret_and_the_nearest_name(self):
        place = self.make()
        place.write_config("admin:\n  lisen: 127.0.0.1:8080\n")
        outcome = self.expect(place.hauberk("config", "check"), 2)
        self.assertRegex(outcome.err, r"hauberk\.yaml:2:3")
        self.assertIn("^", outcome.err)
        self.assertIn("listen", outcome.err)

    def test_wrong_values_and_broken_yaml_are_answered_with_their_place(self):
        place = self.make()
        for text, where in (("admin:\n  listen: 17\n", "2:"), ("guards: [1, 2\n", ""), ("admin:\n\tlisten: x\n", "2:"), ("- a\n- b\n", "1:"), ("a: &x [*x]\n", ""),
                            ("listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", "2:"), ("guards:\n  - authn\n  - authz\n  - rate_limt\n", "4:"),
                            ("limits: {head_timeout: 10}\n", "1:"), ("workers: -1\n", "1:"), ("listen: 127.0.0.1:99999\n", "1:")):
            with self.subTest(text):
                place.write_config(text)
                outcome = self.expect(place.hauberk("config", "check"), 2)
                self.assertIn("hauberk.yaml:" + where, outcome.err)

    def test_a_secret_in_the_file_is_refused(self):
        place = self.make()
        place.write_config("deployments:\n  - name: a\n    upstream:\n      url: http://127.0.0.1:1\n      credential: sk-literal-secret\n")
        outcome = self.expect(place.hauberk("config", "check"), 2)
        self.assertIn("env:", outcome.err)
        self.assertNotIn("sk-literal-secret", outcome.err)


class Tokens(Test):
    def test_a_token_is_shown_once_and_listed_without_its_secret(self):
        place = self.make(copy_of=prepared())
        token = make_token(place, "web", "production", "infer:*")
        listed = self.expect(place.hauberk("token", "list"))
        self.assertIn("web", listed.out)
        self.assertNotIn(token.split("_", 3)[3], listed.out + self.expect(place.hauberk("token", "list", "--json")).out)

    def test_nobody_grants_what_they_do_not_have(self):
        place = self.make(copy_of=prepared())
        keeper = make_token(place, "keeper", "production", "token:*", "infer:web-*")
        denied = place.hauberk("token", "create", "-e", "production", "-s", "x", "--scope", "admin:*", token=keeper)
        self.expect(denied, 1)
        self.expect(place.hauberk("token", "create", "-e", "production", "-s", "x", "--scope", "infer:*", token=keeper), 1)
        self.expect(place.hauberk("token", "create", "-e", "production", "-s", "x", "--scope", "infer:web-1", token=keeper))

    def test_a_token_that_inherits_is_made_by_who_gives_roles(self):
        place = self.make(copy_of=prepared())
        keeper = make_token(place, "keeper", "dev", "token:*", "read:*")
        made = ("token", "create", "-e", "dev", "-s", "boss", "--inherit")
        self.assertIn("admin:role", self.expect(place.hauberk(*made, token=keeper), 1).err)
        self.expect(place.hauberk(*made, token=make_token(place, "chief", "dev", "token:*", "admin:role")))

    def test_a_token_that_is_empty_or_none_is_refused_and_not_the_local_user(self):
        place = self.make(copy_of=prepared())
        for token in ("", "hbk_garbage", "x" * 4096):
            for verb in (("model", "list"), ("key", "list"), ("key", "public", "-e", "dev"), ("verify", "m", "-e", "dev"), ("token", "list")):
                refused = self.expect(place.hauberk(*verb, env={"HAUBERK_TOKEN": token}), 1)
                self.assertIn("HAUBERK_TOKEN is no valid token", refused.err, verb)

    def test_a_grant_over_one_kind_is_none_over_keys_roles_or_the_store(self):
        place = self.make(copy_of=prepared())
        token = make_token(place, "mona", "dev", "admin:model/*")
        for verb in (("key", "rotate", "-e", "dev", "--purpose", "evidence"), ("store", "gc"), ("token", "create", "-e", "dev", "-s", "y", "--scope", "read:*"),
                     ("access", "define", "t", "-e", "dev", "--scope", "read"), ("ledger", "tail", "-e", "dev"),
                     ("revocation", "add", "-e", "dev", "--key", "ed25519:0123456789abcdef", "-m", "lost")):
            self.expect(place.hauberk(*verb, token=token), 1)
        self.expect(place.hauberk("model", "list", token=token))

    def test_a_role_grants_what_the_table_says_and_explain_tells_why(self):
        place = self.make(copy_of=prepared())
        token = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "vera", "--role", "validator:fraud-*", "--json")).json()
        self.assertEqual(token["scopes"], ["read:fraud-*", "infer:fraud-*", "approve:fraud-*"])
        allowed = self.expect(place.hauberk("access", "explain", "vera", "approve", "fraud-1", "-e", "dev"))
        self.assertIn("approve:fraud-*", allowed.out)
        self.assertIn("vera may approve fraud-1 in dev", allowed.out)
        for who, action, what, environment in (("vera", "import", "fraud-1", "dev"), ("vera", "approve", "other", "dev"), ("vera", "approve", "fraud-1", "staging"), ("nobody", "read", "x", "dev")):
            self.assertFalse(self.expect(place.hauberk("access", "explain", who, action, what, "-e", environment, "--json"), 1).json()["allowed"])
        self.assertTrue(self.expect(place.hauberk("access", "explain", token["id"], "read", "fraud-2", "-e", "dev", "--json")).json()["allowed"])
        self.expect(place.hauberk("token", "revoke", token["id"], "-e", "dev"))
        self.assertIn("is revoked", self.expect(place.hauberk("access", "explain", "vera", "approve", "fraud-1", "-e", "dev"), 1).out)
        self.expect(place.hauberk("access", "explain", "vera", "fly", "x", "-e", "dev"), 2)
        self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "x", "--role", "owner"), 2)
        self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "x"), 2)

    def test_every_refusal_is_in_the_ledger(self):
        place = self.make(copy_of=prepared())
        viewer = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "victor", "--role", "viewer", "--json")).json()["token"]
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m", token=viewer), 1)
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m"))
        nobody = make_token(place, "norma", "dev", "infer:nothing")
        self.expect(place.hauberk("model", "list", "--json", token=nobody), 1)
        other = make_token(place, "olga", "dev", "read:other")
        self.assertEqual(self.expect(place.hauberk("model", "list", "--json", token=other)).json(), [])
        self.expect(place.hauberk("model", "show", "m", token=other), 1)
        self.expect(place.hauberk("scan", "--model", "m", token=other), 1)
        self.expect(place.hauberk("model", "evidence", "m", "no.file", token=make_token(place, "ivan", "dev", "import:*")), 2)
        self.expect(place.hauberk("model", "show", "m", token=viewer))
        self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "x", "--scope", "read:*", token=viewer), 1)
        self.expect(place.hauberk("ledger", "export", "-e", "dev", token=viewer), 1)
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m", token=viewer[:-3] + "abc"), 1)
        lines = [json.loads(line) for line in self.expect(place.hauberk("ledger", "export", "-e", "dev")).out.splitlines()]
        refused = [event for event in (line.get("event", line) for line in lines) if event.get("kind") == "access.denied"]
        self.assertEqual([(event.get("principal", ""), event["operation"], event["reason"]) for event in refused],
                         [("victor", "model import", "no_grant"), ("norma", "model list", "no_grant"), ("olga", "model show", "no_grant"), ("olga", "scan", "no_grant"),
                          ("victor", "token create", "no_grant"), ("victor", "ledger export", "no_grant"), ("", "model import", "unauthenticated")])
        self.assertNotIn(viewer.split("_", 3)[3], json.dumps(lines))

    def test_every_verb_refuses_a_token_without_the_grant_it_asks_for(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m"))
        ledger = ["-e", "dev", "--chain", "registry"]
        arguments = {
            "scan": ["--model", "m"], "sign": ["m@1"], "verify": ["m@1", "-e", "dev", "--signature", "m.onnx"], "exec": ["m.onnx", "true", "-e", "dev", "--signature", "m.onnx"], "serve": ["-e", "dev"],
            "model import": ["m.onnx", "--name", "n"], "model rescan": ["m"], "model list": [], "model show": ["m"], "model approve": ["m"], "model promote": ["m", "--to", "dev"],
            "model rollback": ["m", "-e", "dev"], "model revoke": ["m", "-m", "bad"], "model export": ["m", "out", "-e", "dev"], "model attest": ["m", "--as", "vsa", "-e", "dev"],
            "model evidence": ["m", "m.onnx"], "key list": ["-e", "dev"], "key public": ["-e", "dev"], "key rotate": ["-e", "dev"], "key protect": [], "key unprotect": [],
            "store verify": [], "store gc": [], "store rotate": ["-e", "dev"], "token create": ["-e", "dev", "-s", "x", "--scope", "infer:nothing"], "token list": ["-e", "dev"],
            "token revoke": ["xxxxxxxxxxxx", "-e", "dev"], "access explain": ["m", "read", "m", "-e", "dev"], "access define": ["r", "-e", "dev", "--scope", "infer:nothing"], "access forget": ["r", "-e", "dev"],
            "access bind": ["x", "viewer:nothing", "-e", "dev"], "access unbind": ["x", "viewer:nothing", "-e", "dev"], "access bindings": ["-e", "dev"], "ledger compare": ["-e", "dev"],
            "revocation add": ["-e", "dev", "--key", "ed25519:0123456789abcdef", "-m", "lost"], "revocation issue": ["-e", "dev"], "ledger tail": ledger, "ledger verify": ["-e", "dev"], "ledger export": ledger,
            "ledger checkpoint": ledger, "ledger prove": ["1", *ledger], "ledger witness": ["http://127.0.0.1:9", *ledger]}
        table = {row["name"]: row for row in self.expect(place.hauberk("access", "table", "--json")).json() if row["kind"] == "verb"}
        self.assertEqual(set(table) - set(VERBS) - {"model rescan"}, set())
        weak = make_token(place, "norma", "dev", "infer:nothing")
        for verb, row in table.items():
            with self.subTest(verb):
                self.assertTrue(row["about"])
                if row["asks"] in ("nothing", "any token"):
                    self.assertNotIn(verb, arguments)
                    continue
                refused = place.hauberk(*verb.split(), *arguments[verb], "--json", token=weak, timeout=20)
                self.expect(refused, 1)
                self.assertEqual(json.loads(refused.out)["error"]["code"], "no_grant", refused)
                if verb != "serve":
                    granted = make_token(place, "gert", "dev", "infer:nothing", "read:nothing", *(action + ":*" for action in row["asks"].split(" or ")))
                    self.assertNotIn('"code": "no_grant"', place.hauberk(*verb.split(), *arguments[verb], "--json", token=granted, timeout=20).out)

    def test_the_table_in_the_documents_is_the_programs_own(self):
        told = self.expect(self.make().hauberk("access", "table", "--markdown")).out
        kept = pathlib.Path(__file__).parents[2] / "docs/reference/access.md"
        self.assertEqual(kept.read_text(), told, "run: build/release/hauberk access table --markdown > docs/reference/access.md")

    def test_explain_hides_nothing_behind_an_answer_that_looks_like_none(self):
        place = self.make(copy_of=prepared())
        make_token(place, "web-1", "dev", "read:*")
        keeper = make_token(place, "keeper", "dev", "token:web-*")
        auditor = make_token(place, "audrey", "dev", "read:*", "ledger:*")
        explain = ["access", "explain", "web-1", "read", "m", "-e", "dev"]
        self.expect(place.hauberk(*explain, token=keeper))
        self.expect(place.hauberk(*explain, token=auditor))
        self.assertIn("may not do this", self.expect(place.hauberk("access", "explain", "audrey", "read", "m", "-e", "dev", token=keeper), 1).err)
        self.expect(place.hauberk("access", "explain", "os:root", "read", "m", "-e", "dev"))
        self.expect(place.hauberk("access", "explain", "os:nobody", "read", "m", "-e", "dev"), 1)
        self.expect(place.hauberk("access", "explain", "os:no-such-user", "read", "m", "-e", "dev"), 2)

    def test_two_tokens_of_one_subject_do_not_import_and_approve(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m", token=make_token(place, "ida", "dev", "import:*")))
        refused = self.expect(place.hauberk("model", "approve", "m", token=make_token(place, "ida", "dev", "approve:*")), 1)
        self.assertIn("whoever imported a version does not approve it", refused.out + refused.err)
        self.expect(place.hauberk("model", "approve", "m", token=make_token(place, "vera", "dev", "approve:*")))

    def test_a_token_that_is_empty_and_one_that_may_not_end_anothers_are_in_the_record(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("model", "list", env={"HAUBERK_TOKEN": ""}), 1)
        keeper = make_token(place, "keeper", "dev", "token:bob*")
        other = [one for one in place.hauberk("token", "list", "-e", "dev", "--json").json() if one["subject"] == "admin"][0]["id"]
        self.expect(place.hauberk("token", "revoke", other, "-e", "dev", token=keeper), 1)
        told = [json.loads(line) for line in place.hauberk("ledger", "export", "-e", "dev").out.splitlines()]
        self.assertEqual([(event["operation"], event["reason"]) for event in told if event.get("kind") == "access.denied"][-2:],
                         [("model list", "unauthenticated"), ("token revoke", "no_grant")])

    def test_nobody_invents_a_second_person_to_approve_with(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        alice = make_token(place, "alice", "dev", "import:*", "approve:*", "token:*", "read:*")
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m", token=alice))
        puppet = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "puppet", "--scope", "approve:*", "--scope", "token:*", "--json", token=alice)).json()["token"]
        hand = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "hand", "--scope", "approve:*", "--json", token=puppet)).json()["token"]
        for token in (puppet, hand):
            self.assertIn("was made by the other", self.expect(place.hauberk("model", "approve", "m", token=token), 1).out)
        self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "Alice", "--scope", "approve:*"), 2)
        # The same content under another name, by somebody else: neither approves the other's.
        carol = make_token(place, "carol", "dev", "import:*", "approve:*")
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "twin", token=carol))
        self.assertIn("imported the same content", self.expect(place.hauberk("model", "approve", "m", token=carol), 1).out)
        self.assertIn("imported the same content", self.expect(place.hauberk("model", "approve", "twin", token=alice), 1).out)
        self.expect(place.hauberk("model", "approve", "m", token=make_token(place, "vera", "dev", "approve:*")))

    def test_a_record_of_a_token_that_was_changed_in_the_catalogue_opens_to_nobody(self):
        place = self.make(copy_of=prepared())
        token = make_token(place, "ida", "dev", "read:*")
        self.expect(place.hauberk("model", "list", token=token))
        with contextlib.closing(sqlite3.connect(place.data / "catalog.db")) as catalog, catalog:
            catalog.execute("UPDATE tokens SET scopes = '[\"admin:*\"]' WHERE subject = 'ida'")
        self.assertIn("not valid", self.expect(place.hauberk("model", "list", token=token), 1).err)
        self.assertIn("opens to nobody", self.expect(place.hauberk("access", "explain", "ida", "read", "m", "-e", "dev"), 1).out)
        other = make_token(place, "otto", "dev", "read:*")
        self.expect(place.hauberk("key", "rotate", "-e", "dev", "--purpose", "token"))
        self.expect(place.hauberk("access", "explain", "otto", "read", "m", "-e", "dev"))
        next((place.data / "keys/dev/retired").glob("token-*.key")).unlink()
        self.expect(place.hauberk("access", "explain", "otto", "read", "m", "-e", "dev"), 1)
        self.expect(place.hauberk("model", "list", token=other), 1)
        self.assertEqual({one["state"] for one in place.hauberk("token", "list", "-e", "dev", "--json").json()}, {"void"})

    def test_rows_that_somebody_wrote_into_the_catalogue_grant_nothing(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("access", "define", "tester", "-e", "dev", "--scope", "read"))
        self.expect(place.hauberk("access", "bind", "tess", "tester", "-e", "dev"))
        token = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "tess", "--inherit", "--json")).json()["token"]
        ended = make_token(place, "ida", "dev", "admin:*")
        self.expect(place.hauberk("token", "revoke", ended[8:20], "-e", "dev"))
        self.expect(place.hauberk("model", "list", token=token))
        admin = ["token", "create", "-e", "dev", "-s", "evil", "--scope", "admin:*"]
        for statement in ("INSERT INTO bindings VALUES ('dev', 'tess', 'admin', '*', '')",
                          "INSERT INTO bindings SELECT 'dev', 'tess', 'admin', '*', seal FROM bindings",
                          "UPDATE bindings SET role = 'admin'",
                          "UPDATE roles SET grants = '[\"admin:*\"]'",
                          "UPDATE tokens SET revoked = NULL WHERE subject = 'ida'"):
            with self.subTest(statement):
                changed = self.make(copy_of=place)
                with contextlib.closing(sqlite3.connect(changed.data / "catalog.db")) as catalog, catalog:
                    catalog.execute(statement)
                self.expect(changed.hauberk(*admin, token=token), 1)
                self.expect(changed.hauberk(*admin, token=ended), 1)
        # Keys that signed before the rotation still count.
        self.expect(place.hauberk("key", "rotate", "-e", "dev", "--purpose", "evidence"))
        self.expect(place.hauberk("model", "list", token=token))

    def test_ledger_compare_finds_what_the_catalogue_says_and_the_ledger_does_not(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("access", "define", "tester", "-e", "dev", "--scope", "read"))
        self.expect(place.hauberk("access", "bind", "tess", "tester", "-e", "dev"))
        self.expect(place.hauberk("access", "bind", "gone", "viewer", "-e", "dev"))
        self.expect(place.hauberk("access", "unbind", "gone", "viewer", "-e", "dev"))
        self.expect(place.hauberk("access", "forget", "tester", "-e", "dev"), 1)  # bound: told as a failure
        ended = make_token(place, "ida", "dev", "read:*")
        self.expect(place.hauberk("token", "revoke", ended, "-e", "dev"))
        self.expect(place.hauberk("revocation", "add", "-e", "dev", "--key", "ed25519:0123456789abcdef", "--reason", "lost"))
        self.assertEqual([one["verified"] for one in self.expect(place.hauberk("ledger", "compare", "--json")).json()], [True] * 4)
        for statement, expected in (
            ("UPDATE tokens SET revoked = NULL WHERE subject = 'ida'", "or is revoked there"),
            ("UPDATE tokens SET scopes = '[\"admin:*\"]' WHERE subject = 'ida'", "token"),
            ("UPDATE tokens SET made_by = '[]' WHERE subject = 'ida'", "token"),
            ("DELETE FROM tokens WHERE subject = 'ida'", "is missing in the catalogue"),
            ("UPDATE roles SET grants = '[\"admin:*\"]'", "role tester: is not what the ledger says"),
            ("INSERT INTO roles VALUES ('dev', 'boss', '[\"admin:*\"]', '', '')", "role boss: is in the catalogue, but the ledger knows nothing of it"),
            ("INSERT INTO bindings VALUES ('dev', 'tess', 'admin', '*', '')", "binding tess admin"),
            ("INSERT INTO bindings VALUES ('dev', 'gone', 'viewer', '*', '')", "the ledger says that it is gone"),
            ("DELETE FROM bindings", "binding tess tester: is missing"),
            ("UPDATE bindings SET seal = ''", "role tester of tess: is not signed here"),
            ("UPDATE roles SET seal = ''", "role tester: is not signed here"),
            ("UPDATE tokens SET mark = zeroblob(32) WHERE subject = 'admin'", "does not hold"),
            ("UPDATE tokens SET mac = (SELECT mac FROM tokens WHERE subject = 'ida') WHERE subject = 'admin'", "does not hold"),
            ("DROP TRIGGER revocations_remain; DELETE FROM revocations", "revocation ed25519:0123456789abcdef"),
            ("DROP TRIGGER revocations_stay; UPDATE revocations SET since = since + 10000000000", "revocation ed25519:0123456789abcdef"),
        ):
            with self.subTest(statement):
                changed = self.make(copy_of=place)
                with contextlib.closing(sqlite3.connect(changed.data / "catalog.db")) as catalog, catalog:
                    catalog.executescript(statement)
                found = self.expect(changed.hauberk("ledger", "compare", "-e", "dev", "--json"), 1).json()[0]["differences"]
                self.assertIn(expected, " ".join(found))
        self.expect(place.hauberk("ledger", "compare", token=make_token(place, "x", "dev", "read:*")), 1)

    def test_ledger_compare_finds_versions_and_evidence_that_somebody_changed(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        anna, otto = (make_token(place, who, "dev", "import:*", "approve:*") for who in ("anna", "otto"))
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m1", token=anna))
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m2", token=otto))
        self.expect(place.hauberk("model", "approve", "m2", token=make_token(place, "vera", "dev", "approve:*")))
        self.expect(place.hauberk("model", "promote", "m2", "--to", "staging"))
        self.expect(place.hauberk("model", "rescan", "m2"))
        self.expect(place.hauberk("model", "revoke", "magika", "--reason", "bad"))
        (place.folder / "bad.pkl").write_bytes(MALICIOUS)
        self.expect(place.hauberk("model", "import", "bad.pkl", "--name", "bad"), 1)
        self.expect(place.hauberk("model", "rescan", "bad"), 1)
        self.expect(place.hauberk("ledger", "compare"))
        free = "DROP TRIGGER evidence_remains; DROP TRIGGER evidence_stays;"
        for statement, expected in (
            ("UPDATE versions SET state = 'production' WHERE name = 'magika'", "version magika@1: is production in the catalogue, and revoked by the ledger"),
            (f"{free} DELETE FROM evidence WHERE sequence = (SELECT max(sequence) FROM evidence)", "version bad@1: the evidence"),
            (f"{free} DELETE FROM evidence WHERE artifact = (SELECT artifact FROM versions WHERE name = 'm1')", "version m1@1: the evidence"),
            ("UPDATE versions SET state = 'approved' WHERE name = 'm1'", "version m1@1: is approved in the catalogue, and scanned by the ledger"),
            ("UPDATE versions SET state = 'scanned' WHERE name = 'bad'", "version bad@1: is scanned in the catalogue, and quarantined by the ledger"),
            ("UPDATE versions SET imported_by = 'vera' WHERE name = 'm1'", "version m1@1: was imported by vera in the catalogue, and by anna by the ledger"),
            ("UPDATE versions SET state = 'scanned' WHERE name = 'm2'", "version m2@1: is scanned in the catalogue, and staging by the ledger"),
            ("DELETE FROM versions WHERE name = 'm1'", "version m1@1: is missing in the catalogue"),
            ("INSERT INTO versions SELECT 'm3', 1, state, artifact, 'eve', imported, origin FROM versions WHERE name = 'm1'", "version m3@1: is in the catalogue, but the ledger knows nothing of it"),
        ):
            with self.subTest(statement):
                changed = self.make(copy_of=place)
                with contextlib.closing(sqlite3.connect(changed.data / "catalog.db")) as catalog, catalog:
                    catalog.executescript(statement)
                found = self.expect(changed.hauberk("ledger", "compare", "--json"), 1).json()[-1]["differences"]
                self.assertIn(expected, " ".join(found))

    def test_a_token_that_is_pasted_whole_is_taken_for_its_id_and_shown_nowhere(self):
        place = self.make(copy_of=prepared())
        token = make_token(place, "ida", "dev", "read:*")
        explained = self.expect(place.hauberk("access", "explain", token, "read", "m", "-e", "dev"))
        secret = token[21:64]
        self.assertNotIn(secret, explained.out + explained.err)
        mistaken = token[:-1] + ("0" if token[-1] != "0" else "1")
        for given in (mistaken, token, f"x{token}", f"/tmp/{token}/x"):
            for words in (["token", "revoke", given, "-e", "production"], ["access", "explain", given, "read", "m", "-e", given], ["token", "create", "-e", given, "-s", "x"],
                          ["access", "forget", given, "-e", "dev"], ["model", "import", given, "--name", given], ["access", "unbind", "vera", given, "-e", "dev"],
                          ["revocation", "add", "-e", "dev", "--key", given, "-m", given], ["completion", given], [given], ["model", "show", given], ["secret", "check", f"file:{given}"]):
                refused = place.hauberk(*words, "--json")
                self.assertNotEqual(refused.status, 0, str(refused))
                self.assertNotIn(secret, refused.out + refused.err)
        ended = self.expect(place.hauberk("token", "revoke", token, "-e", "dev"))
        self.assertNotIn(secret, ended.out + ended.err + place.hauberk("ledger", "export", "-e", "dev").out)
        self.assertIn("revoked", self.expect(place.hauberk("model", "list", token=token), 1).err)

    def test_roles_of_ones_own_are_bound_and_followed_by_tokens_that_inherit(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        self.expect(place.hauberk("access", "define", "tester", "-e", "dev", "--scope", "read", "--scope", "import:m", "--summary", "brings m in"))
        self.assertIn("brings m in", self.expect(place.hauberk("access", "roles", "-e", "dev")).out)
        token = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "tess", "--inherit", "--json")).json()["token"]
        run = lambda *arguments, status=0: self.expect(place.hauberk(*arguments, token=token), status)  # noqa: E731
        run("model", "list", status=1)
        self.expect(place.hauberk("access", "bind", "tess", "tester", "-e", "dev"))
        self.expect(place.hauberk("access", "bind", "tess", "tester", "-e", "dev"), 2)
        run("model", "import", "m.onnx", "--name", "m")
        run("model", "import", "m.onnx", "--name", "n", status=1)
        self.assertIn("by the role tester", self.expect(place.hauberk("access", "explain", "tess", "import", "m", "-e", "dev")).out)
        self.expect(place.hauberk("access", "define", "tester", "-e", "dev", "--scope", "read"))
        run("model", "import", "m.onnx", "--name", "m", status=1)
        run("model", "list")
        self.expect(place.hauberk("access", "forget", "tester", "-e", "dev"), 1)
        self.expect(place.hauberk("access", "unbind", "tess", "tester", "-e", "dev"))
        run("model", "list", status=1)
        self.expect(place.hauberk("access", "forget", "tester", "-e", "dev"))
        self.expect(place.hauberk("access", "bind", "tess", "tester", "-e", "dev"), 2)
        lines = [json.loads(line) for line in self.expect(place.hauberk("ledger", "export", "-e", "dev")).out.splitlines()]
        self.assertEqual([(event["kind"], event["target"]) for event in lines if event.get("kind", "").startswith("access.") and event["kind"] != "access.denied"],
                         [("access.define", "tester"), ("access.bind", "tess"), ("access.define", "tester"), ("access.unbind", "tess"), ("access.forget", "tester")])

    def test_nobody_gives_more_by_roles_than_they_have(self):
        place = self.make(copy_of=prepared())
        keeper = make_token(place, "keeper", "dev", "token:*", "read:*", "infer:web-*")
        bind = lambda *arguments, status: self.expect(place.hauberk("access", "bind", *arguments, "-e", "dev", token=keeper), status)  # noqa: E731
        bind("x", "admin", status=1)
        bind("x", "data-scientist", status=1)
        bind("x", "viewer", status=0)
        self.expect(place.hauberk("access", "define", "mine", "-e", "dev", "--scope", "read", token=keeper), 1)
        half = make_token(place, "half", "dev", "admin:role", "token:*")
        self.expect(place.hauberk("access", "define", "mine", "-e", "dev", "--scope", "promote", token=half), 1)
        self.expect(place.hauberk("access", "bind", "big", "admin", "-e", "dev"))
        self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "big", "--inherit", token=keeper), 1)
        self.expect(place.hauberk("access", "define", "viewer", "-e", "dev", "--scope", "read"), 2)

    def test_training_logs_have_grants_of_their_own(self):
        place = self.make(copy_of=prepared())
        (place.folder / "run.log").write_text("epoch 1 loss 0.5\n")
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        general = make_token(place, "gene", "dev", "read:*", "import:*", "approve:*")
        logger = make_token(place, "lola", "dev", "import:run_log/run-*", "read:run_log/*")
        self.expect(place.hauberk("model", "import", "run.log", "--name", "run-1", "--kind", "run_log", token=general), 1)
        self.assertEqual(self.expect(place.hauberk("model", "import", "run.log", "--name", "run-1", "--kind", "run_log", "--json", token=logger)).json()["kind"], "run_log")
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "run-2", token=logger), 1)
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "run-1"), 2)
        for verb in (["model", "show", "run-1"], ["scan", "--model", "run-1"], ["model", "export", "run-1", "out"], ["model", "approve", "run-1"], ["model", "rescan", "run-1"]):
            self.assertIn("run_log/run-1", self.expect(place.hauberk(*verb, token=general), 1).err)
        self.assertEqual([row["name"] for row in self.expect(place.hauberk("model", "list", "--json", token=general)).json()], ["magika"])
        self.assertEqual([row["name"] for row in self.expect(place.hauberk("model", "list", "--json", token=logger)).json()], ["run-1"])
        self.expect(place.hauberk("model", "export", "run-1", "out", token=logger))
        self.assertEqual(next((place.folder / "out").rglob("run.log")).read_text(), "epoch 1 loss 0.5\n")
        self.assertIn("only models", self.expect(place.hauberk("model", "promote", "run-1", "--to", "dev"), 1).err)
        self.expect(place.hauberk("access", "explain", "gene", "read", "run_log/run-1", "-e", "dev"), 1)
        self.expect(place.hauberk("access", "explain", "lola", "read", "run_log/run-1", "-e", "dev"))
        keeper = make_token(place, "keeper", "dev", "token:*", "read:*")
        create = ["token", "create", "-e", "dev", "-s", "x", "--scope"]
        self.expect(place.hauberk(*create, "read:run_log/*", token=keeper), 1)
        self.expect(place.hauberk(*create, "read:*/*", token=keeper), 1)
        self.expect(place.hauberk(*create, "read:dataset/*", token=keeper))

    def test_a_service_account_approves_nothing(self):
        place = self.make(copy_of=prepared())
        shutil.copy(DATASETS / "mul_1.onnx", place.folder / "m.onnx")
        self.expect(place.hauberk("model", "import", "m.onnx", "--name", "m"))
        robot = self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "robot", "--role", "validator", "--service", "--json")).json()
        self.assertTrue(robot["service"])
        self.assertIn("approvals are given by persons", self.expect(place.hauberk("model", "approve", "m", token=robot["token"]), 1).err)
        self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "robot", "--role", "validator"), 2)
        told = json.loads(self.expect(place.hauberk("ledger", "tail", "-e", "dev", "-n", "2", "--json")).out.splitlines()[-1])
        self.assertEqual((told["kind"], told["principal"], told["operation"], told["target"]), ("access.denied", "robot", "model approve", "m"))
        explained = self.expect(place.hauberk("access", "explain", "robot", "approve", "m", "-e", "dev"), 1)
        self.assertIn("is of a service account", explained.out)
        self.expect(place.hauberk("access", "explain", "robot", "infer", "m", "-e", "dev"))
        self.assertIn("robot (service)", self.expect(place.hauberk("token", "list", "-e", "dev")).out)

    def test_bad_scopes_and_lifetimes_are_wrong_use(self):
        place = self.make(copy_of=prepared())
        for extra in (["--scope", "fly:*"], ["--scope", "infer:*", "--expires", "tomorrow"], ["--scope", "infer:*", "--expires", "-1d"]):
            self.expect(place.hauberk("token", "create", "-e", "dev", "-s", "x", *extra), 2)
