"""OpenSSF Model Signing: the conformance suite's cases, bundles of earlier signers, and Sigstore's own cases.

The cases lie in the shared data folder; every one is run by the adapter or by the binary itself, and judged by its exit
status as the suites want it.
"""
import base64
import contextlib
import http.server
import json
import mmap
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import harness

DATA = harness.SHARED / "data" / "registry"
SUITE = DATA / "open" / "oms-conformance" / "test"
ADAPTER = harness.ROOT / "ci" / "oms-conformance"
TRUSTED_ROOT = DATA / "vectors" / "trusted_root.json"


def run_adapter(*words: str) -> subprocess.CompletedProcess:
    environment = dict(os.environ, HAUBERK=str(harness.BINARY), OMS_TRUSTED_ROOT=str(TRUSTED_ROOT))
    return subprocess.run([str(ADAPTER), *words], capture_output=True, text=True, env=environment, timeout=60)


@unittest.skipUnless(SUITE.is_dir(), f"no {SUITE}: the conformance suite is part of the shared data")
class Conformance(unittest.TestCase):
    def model_of(self, case: pathlib.Path, config: dict, folder: pathlib.Path) -> pathlib.Path:
        at = case if config.get("model_relative_to") == "test_dir" else SUITE / "assets"
        source, model = at / config["model"], folder / "model"
        if source.is_file():
            model = folder / source.name
            shutil.copy(source, model)
        elif source.is_dir():
            shutil.copytree(source, model, symlinks=True)
        else:
            model.mkdir()  # git keeps no empty folders
        changes = config.get("model_modifications", {})
        for name, text in {**changes.get("tamper", {}), **changes.get("inject", {})}.items():
            (model / name).parent.mkdir(parents=True, exist_ok=True)
            (model / name).write_text(text)
        for name in changes.get("delete", []):
            (model / name).unlink(missing_ok=True)
        for name, target in changes.get("symlinks", {}).items():
            (model / name).symlink_to(target)
        return model

    def asset(self, name: str) -> str:
        return str(SUITE / "assets" / name)

    def sign(self, config: dict, model: pathlib.Path, bundle: pathlib.Path) -> subprocess.CompletedProcess:
        how = config["sign"]
        words = ["sign-model", "--method", config["method"], "--model-path", str(model), "--output-bundle", str(bundle)]
        words += ["--private-key", self.asset(how["private_key"])]
        if "signing_cert" in how:
            words += ["--signing-cert", self.asset(how["signing_cert"])]
        for name in how.get("cert_chain", []):
            words += ["--cert-chain", self.asset(name)]
        for name in config["verify"].get("ignore_paths", []):
            words += ["--ignore-paths", str(model / name)]
        return run_adapter(*words)

    def verify(self, config: dict, model: pathlib.Path, bundle: pathlib.Path) -> subprocess.CompletedProcess:
        how = config["verify"]
        words = ["verify-model", "--method", config["method"], "--model-path", str(model), "--bundle", str(bundle)]
        if "public_key" in how:
            words += ["--public-key", self.asset(how["public_key"])]
        for name in how.get("cert_chain", []):
            words += ["--cert-chain", self.asset(name)]
        for name in how.get("ignore_paths", []):
            words += ["--ignore-paths", str(model / name)]
        if how.get("ignore_unsigned_files"):
            words.append("--ignore-unsigned-files")
        if "identity" in how:
            words += ["--identity", how["identity"], "--identity-provider", how["identity_provider"]]
        return run_adapter(*words)

    def check_signed_files(self, config: dict, bundle: pathlib.Path) -> None:
        if "expected_signed_files" not in config:
            return
        payload = json.loads(base64.b64decode(json.loads(bundle.read_text())["dsseEnvelope"]["payload"]))
        names = [one["name"] for one in payload["predicate"]["resources"]]
        self.assertEqual(sorted(names), sorted(config["expected_signed_files"]))

    def run_case(self, case: pathlib.Path) -> None:
        config = json.loads((case / "config.json").read_text())
        fails = config.get("expect") == "fail"
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            model = self.model_of(case, config, folder)
            if "sign" in config:
                inside = config.get("sig_inside_model")
                bundle = model / "model.sig" if inside else folder / "bundle.sig"
                signed = self.sign(config, model, bundle)
                if fails and signed.returncode != 0:
                    self.assertIn(signed.returncode, (1, 2, 3), signed.stderr)
                    return
                self.assertEqual(signed.returncode, 0, signed.stderr)
                self.check_signed_files(config, bundle)
            else:
                bundle = case / "bundle.sig"
            verified = self.verify(config, model, bundle)
            if fails:
                self.assertIn(verified.returncode, (1, 2, 3), verified.stdout + verified.stderr)
                self.assertNotIn("verified ", verified.stdout)
            else:
                self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_every_case(self):
        cases = sorted(path.parent for path in SUITE.glob("test-cases/**/config.json"))
        self.assertGreater(len(cases), 60)
        for case in cases:
            config = json.loads((case / "config.json").read_text())
            if config["method"] == "sigstore" and "sign" in config:
                continue  # signing needs Sigstore's services
            with self.subTest(str(case.relative_to(SUITE / "test-cases"))):
                self.run_case(case)


@unittest.skipUnless(TRUSTED_ROOT.is_file(), f"no {TRUSTED_ROOT}: it is part of the shared data")
class Sigstore(unittest.TestCase):
    CASES = DATA / "open" / "sigstore-conformance" / "test" / "assets"
    IDENTITY = ("https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
                "extremely-dangerous-oidc-beacon.yml@refs/heads/main")
    ISSUER = "https://token.actions.githubusercontent.com"

    def test_bundles_over_files(self):
        cases = [path.parent for path in sorted(self.CASES.glob("bundle-verify/*/bundle.sigstore.json"))]
        self.assertGreater(len(cases), 35)
        for case in cases:
            bundle = case / "bundle.sigstore.json"
            with self.subTest(case.name):
                own = case / "trusted_root.json"
                words = ["verify", str(case / "artifact" if (case / "artifact").exists() else self.CASES / "a.txt")]
                words += ["--signature", str(bundle), "--trusted-root", str(own if own.exists() else TRUSTED_ROOT)]
                if (case / "key.pub").exists():
                    words += ["--key", str(case / "key.pub")]
                else:
                    words += ["--identity", self.IDENTITY, "--issuer", self.ISSUER]
                result = subprocess.run([harness.BINARY, *words], capture_output=True, text=True, timeout=60)
                if case.name.endswith("_fail") or "dsseEnvelope" in json.loads(bundle.read_text()):
                    # A statement that is no model signature proves nothing about a model, however well it is signed.
                    self.assertIn(result.returncode, (1, 2, 3), result.stdout)
                else:
                    self.assertEqual(result.returncode, 0, result.stderr)


COSIGN = harness.go_tool("cosign")
TIMESTAMPS = harness.go_tool("timestamp-server")
PEER = harness.ROOT / ".deps/venv/bin/model_signing"


class Tool:
    """A folder with a model and keys, the binary, and the reference implementation beside it."""

    def __init__(self, case: unittest.TestCase):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hauberk-oms-"))
        case.addCleanup(shutil.rmtree, self.folder)
        self.model = self.folder / "model"
        (self.model / "sub").mkdir(parents=True)
        (self.model / "config.json").write_text('{"a": 1}')
        (self.model / "sub" / "weights.bin").write_bytes(bytes(range(256)) * 5000)
        (self.model / "empty").write_bytes(b"")
        (self.model / ".gitignore").write_text("*.tmp")

    def openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)

    def make_key(self, curve: str, name: str = "key") -> None:
        if curve == "ed25519":
            self.openssl("genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem")
        else:
            self.openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", f"{name}.pem")
        self.openssl("pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub")

    def make_authority(self) -> None:
        """ca.crt signs inter.crt signs leaf.crt of key.pem."""
        self.make_key("prime256v1", "ca")
        self.make_key("prime256v1", "inter")
        self.openssl("req", "-x509", "-new", "-key", "ca.pem", "-subj", "/CN=root", "-days", "30", "-out", "ca.crt",
                     "-addext", "keyUsage=critical,keyCertSign")
        self.issue("inter", "ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")
        self.issue("key", "inter", "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning")

    def issue(self, name: str, by: str, extensions: str, days: str = "30") -> None:
        (self.folder / f"{name}.ext").write_text(extensions + "\n")
        self.openssl("req", "-new", "-key", f"{name}.pem", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.crt", "-CAkey", f"{by}.pem", "-CAcreateserial",
                     "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.crt")

    def hauberk(self, *words, env: dict | None = None) -> subprocess.CompletedProcess:
        return subprocess.run([str(harness.BINARY), *map(str, words)], capture_output=True, text=True, timeout=60,
                              cwd=self.folder, env=dict(os.environ, **(env or {})))

    def sign_again(self, key: str, change) -> None:
        """model.sig with another content under a good signature."""
        bundle = json.loads((self.model / "model.sig").read_text())
        envelope = bundle["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"]))
        change(statement)
        payload = json.dumps(statement).encode()
        kind = envelope["payloadType"].encode()
        (self.folder / "pae").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
        self.openssl("dgst", "-sha256", "-sign", key, "-out", "pae.sig", "pae")
        envelope["payload"] = base64.b64encode(payload).decode()
        envelope["signatures"][0]["sig"] = base64.b64encode((self.folder / "pae.sig").read_bytes()).decode()
        (self.model / "model.sig").write_text(json.dumps(bundle))

    def peer(self, *words) -> subprocess.CompletedProcess:
        return subprocess.run([str(PEER), *map(str, words)], capture_output=True, text=True, timeout=60, cwd=self.folder)


class TimestampServer:
    """A timestamp authority on loopback: OpenSSL's, behind a small HTTP server."""

    CONFIG = """
[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
signer_cert = tsa.crt
certs = tsa-ca.crt
signer_key = tsa.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""

    def __init__(self, tool: Tool):
        self.tool, self.way = tool, ""
        tool.make_key("prime256v1", "tsa-ca")
        tool.make_key("prime256v1", "tsa")
        tool.openssl("req", "-x509", "-new", "-key", "tsa-ca.pem", "-subj", "/CN=tsa-root", "-days", "30", "-out", "tsa-ca.crt",
                     "-addext", "keyUsage=critical,keyCertSign")
        tool.issue("tsa", "tsa-ca", "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping")
        (tool.folder / "tsa-chain.pem").write_text((tool.folder / "tsa.crt").read_text() + (tool.folder / "tsa-ca.crt").read_text())
        (tool.folder / "tsa.cnf").write_text(self.CONFIG)
        (tool.folder / "serial").write_text("01")
        self.first = self.reply(self.query(b"of long ago"))
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                body = {"old reply": authority.first, "garbage": b"not a timestamp", "long": b"x" * (2 << 20),
                        "refuse": bytes.fromhex("300530030201 02".replace(" ", ""))}.get(authority.way) or authority.reply(query)
                self.send_response(500 if authority.way == "status" else 200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def query(self, content: bytes) -> bytes:
        (self.tool.folder / "content").write_bytes(content)
        self.tool.openssl("ts", "-query", "-data", "content", "-sha256", "-cert", "-out", "query")
        return (self.tool.folder / "query").read_bytes()

    def reply(self, query: bytes) -> bytes:
        (self.tool.folder / "query").write_bytes(query)
        self.tool.openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply")
        return (self.tool.folder / "reply").read_bytes()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Signing(unittest.TestCase):
    def setUp(self):
        self.tool = Tool(self)

    def ok(self, result: subprocess.CompletedProcess) -> None:
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def denied(self, result: subprocess.CompletedProcess, words: str = "") -> None:
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn(words, result.stdout + result.stderr)

    @unittest.skipUnless(PEER.exists(), f"no {PEER}: tools/setup --tests installs it")
    def test_the_reference_implementation_agrees_both_ways(self):
        harness.used["model-signing"] = self.tool.peer("--version").stdout.split()[-1]
        tool = self.tool
        for curve in ("prime256v1", "secp384r1", "secp521r1"):
            with self.subTest(curve):
                tool.make_key(curve)
                self.ok(tool.hauberk("sign", "model", "--key", "key.pem", "-o", "ours.sig"))
                self.ok(tool.peer("verify", "key", "--signature", "ours.sig", "--public_key", "key.pub", "model"))
                self.ok(tool.peer("sign", "key", "--signature", "theirs.sig", "--private_key", "key.pem", "model"))
                self.ok(tool.hauberk("verify", "model", "--key", "key.pub", "--signature", "theirs.sig"))
        tool.make_authority()
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem", "--certificate", "key.crt", "--certificate-chain",
                             "inter.crt", "-o", "ours.sig"))
        self.ok(tool.peer("verify", "certificate", "--signature", "ours.sig", "--certificate_chain", "ca.crt", "model"))
        self.ok(tool.peer("sign", "certificate", "--signature", "theirs.sig", "--private_key", "key.pem",
                          "--signing_certificate", "key.crt", "--certificate_chain", "inter.crt", "model"))
        self.ok(tool.hauberk("verify", "model", "--certificate-authority", "ca.crt", "--signature", "theirs.sig"))

    @unittest.skipUnless(PEER.exists(), "no model_signing: pip install model-signing")
    def test_the_reference_implementation_reads_shards_and_single_files_that_are_spelled_for_it(self):
        tool = self.tool
        tool.make_key("prime256v1")
        (tool.model / "empty").unlink()  # which has no shard
        one = pathlib.Path("model/sub/weights.bin")
        script = ("import sys; from model_signing import hashing, verifying;"
                  "config = hashing.Config().use_shard_serialization(hashing_algorithm='sha256', shard_size=1000000);"
                  "verifying.Config().use_elliptic_key_verifier(public_key='key.pub').set_hashing_config(config).verify(sys.argv[1], sys.argv[2])")
        for what, shards in (("model", False), (one, False), ("model", True), (one, True)):
            with self.subTest(what=what, shards=shards):
                words = ["--shard-size", "1MB"] if shards else []
                self.ok(tool.hauberk("sign", what, "--key", "key.pem", "-o", "one.sig", "--for-model-signing", *words))
                self.ok(tool.hauberk("verify", what, "--key", "key.pub", "--signature", "one.sig"))
                if shards:
                    self.ok(subprocess.run([PEER.parent / "python", "-c", script, what, "one.sig"], capture_output=True, text=True, cwd=tool.folder))
                else:
                    self.ok(tool.peer("verify", "key", "--public_key", "key.pub", "--signature", "one.sig", what))

    @unittest.skipUnless(COSIGN, "no cosign: make peers")
    def test_cosign_agrees_both_ways(self):
        tool = self.tool
        told = subprocess.run([COSIGN, "version", "--json"], capture_output=True, text=True, check=True).stdout
        harness.used["cosign"] = json.loads(told)["gitVersion"]
        tool.make_key("prime256v1")
        for how in ((), ("--shard-size", "300KB")):
            self.ok(tool.hauberk("sign", "model", "--key", "key.pem", *how))
            bundle = json.loads((tool.model / "model.sig").read_text())
            statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
            # To cosign the model is a file whose SHA-256 is the root digest.
            (tool.folder / "digests").write_bytes(b"".join(bytes.fromhex(one["digest"]) for one in statement["predicate"]["resources"]))
            command = [COSIGN, "verify-blob-attestation", "--key", "key.pub", "--bundle", "model/model.sig", "--new-bundle-format",
                       "--insecure-ignore-tlog", "--private-infrastructure", "--trusted-root", str(TRUSTED_ROOT),
                       "--type", "https://model_signing/signature/v1.0", "digests"]
            run = subprocess.run(command, capture_output=True, text=True, cwd=tool.folder)
            self.assertEqual(run.returncode, 0, run.stderr)
        theirs = dict(os.environ, COSIGN_PASSWORD="")
        subprocess.run([COSIGN, "generate-key-pair", "--output-key-prefix", "cs"], cwd=tool.folder, env=theirs, check=True, capture_output=True)
        subprocess.run([COSIGN, "sign-blob", "--yes", "--tlog-upload=false", "--new-bundle-format", "--key", "cs.key", "--bundle",
                        "blob.json", "digests"], cwd=tool.folder, env=theirs, check=True, capture_output=True)
        self.ok(tool.hauberk("verify", "digests", "--signature", "blob.json", "--key", "cs.pub"))
        (tool.folder / "digests").write_bytes(b"changed")
        self.denied(tool.hauberk("verify", "digests", "--signature", "blob.json", "--key", "cs.pub"), "another file")

    def test_every_kind_of_key_signs_and_verifies(self):
        for curve in ("prime256v1", "secp384r1", "secp521r1", "ed25519"):
            with self.subTest(curve):
                self.tool.make_key(curve)
                self.ok(self.tool.hauberk("sign", "model", "--key", "key.pem"))
                self.ok(self.tool.hauberk("verify", "model", "--key", "key.pub"))
                self.tool.make_key(curve, "other")
                self.denied(self.tool.hauberk("verify", "model", "--key", "other.pub"), "does not hold")

    def test_what_a_signature_says_in_an_unknown_way_could_not_be_checked(self):
        tool = self.tool
        tool.make_key("prime256v1")
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem"))
        for change, status in (({}, 0), ({"hash_type": "sha3"}, 3), ({"method": "trees"}, 3), ({"allow_symlinks": "no"}, 3)):
            with self.subTest(change):
                tool.sign_again("key.pem", lambda statement: statement["predicate"]["serialization"].update(change))
                self.assertEqual(tool.hauberk("verify", "model", "--key", "key.pub").returncode, status)

    def test_the_signature_is_for_everybody_and_the_key_is_not(self):
        tool = self.tool
        tool.make_key("prime256v1")
        (tool.folder / "key.pem").chmod(0o644)
        signed = tool.hauberk("sign", "model", "--key", "key.pem")
        self.ok(signed)
        self.assertIn("chmod 600", signed.stderr)
        self.assertEqual((tool.model / "model.sig").stat().st_mode & 0o777, 0o644)

    def test_a_passphrase_comes_by_reference_only(self):
        tool = self.tool
        tool.make_key("prime256v1")
        tool.openssl("pkcs8", "-topk8", "-in", "key.pem", "-passout", "pass:open sesame", "-out", "sealed.pem")
        self.denied(tool.hauberk("sign", "model", "--key", "sealed.pem"), "--passphrase")
        self.ok(tool.hauberk("sign", "model", "--key", "sealed.pem", "--passphrase", "env:WORD", env={"WORD": "open sesame"}))
        self.denied(tool.hauberk("sign", "model", "--key", "sealed.pem", "--passphrase", "env:WORD", env={"WORD": "guess"}),
                    "passphrase is wrong")
        literal = tool.hauberk("sign", "model", "--key", "sealed.pem", "--passphrase", "open sesame")
        self.assertEqual(literal.returncode, 2)
        self.assertNotIn("open sesame", literal.stderr)

    def test_differences_are_named_for_people_and_programs(self):
        tool = self.tool
        tool.make_key("prime256v1")
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem", "--ignore", "empty"))
        (tool.model / "config.json").write_text("{}")
        (tool.model / "sub" / "extra\x1b[31m").write_text("!")
        result = tool.hauberk("verify", "model", "--key", "key.pub")
        self.denied(result, "changed    config.json")
        self.assertNotIn("\x1b", result.stdout)
        facts = json.loads(tool.hauberk("verify", "model", "--key", "key.pub", "--json").stdout)
        self.assertEqual((facts["verified"], facts["changed"], facts["unsigned"], facts["ignored"]),
                         (False, ["config.json"], ["sub/extra\x1b[31m"], [".gitignore", "empty"]))
        part = tool.hauberk("verify", "model", "--key", "key.pub", "--only", "sub/weights.bin", "--json")
        self.ok(part)
        self.assertTrue(json.loads(part.stdout)["partial"])
        self.denied(tool.hauberk("verify", "model", "--key", "key.pub", "--only", "sub/weights.bin", "--no-ignored-present"))

    def test_certificates_must_be_valid_now_and_for_signing(self):
        tool = self.tool
        tool.make_key("prime256v1")
        tool.make_authority()
        sign = ["sign", "model", "--key", "key.pem", "--certificate", "key.crt", "--certificate-chain", "inter.crt"]
        verify = ["verify", "model", "--certificate-authority", "ca.crt"]
        self.ok(tool.hauberk(*sign))
        self.ok(tool.hauberk(*verify))
        # An intermediate alone may be named as the authority, too.
        self.ok(tool.hauberk("verify", "model", "--certificate-authority", "inter.crt"))
        self.denied(tool.hauberk("verify", "model", "--key", "key.pub"), "signed with a certificate chain")
        tool.issue("key", "inter", "keyUsage=critical,keyAgreement")
        self.denied(tool.hauberk(*sign), "keyUsage")
        tool.issue("key", "inter", "extendedKeyUsage=serverAuth")
        self.denied(tool.hauberk(*sign), "extendedKeyUsage")
        tool.make_key("prime256v1", "other")
        wrong = tool.hauberk("sign", "model", "--key", "other.pem", "--certificate", "key.crt")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("not of this key", wrong.stderr)

    def test_two_of_three_signers_suffice_if_the_verifier_says_so(self):
        tool = self.tool
        for name in ("anna", "ben", "cleo"):
            tool.make_key("prime256v1", name)
        keys = ["--key", "anna.pub", "--key", "ben.pub", "--key", "cleo.pub"]
        self.ok(tool.hauberk("sign", "model", "--key", "anna.pem", "-o", "anna.sig"))
        self.ok(tool.hauberk("sign", "model", "--key", "ben.pem", "-o", "ben.sig"))
        both = ["--signature", "anna.sig", "--signature", "ben.sig"]
        self.denied(tool.hauberk("verify", "model", *keys, *both), "2 of 3 signers")
        result = tool.hauberk("verify", "model", *keys, *both, "--threshold", "2", "--json")
        self.ok(result)
        self.assertEqual(len(json.loads(result.stdout)["signers"]), 2)
        self.denied(tool.hauberk("verify", "model", *keys, "--signature", "anna.sig", "--signature", "anna.sig",
                                 "--threshold", "2"), "signed once already")
        self.assertEqual(tool.hauberk("verify", "model", *keys, *both, "--threshold", "3").returncode, 2)

    def test_a_key_is_one_key_however_it_is_spelled(self):
        tool = self.tool
        tool.make_key("prime256v1")
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem"))
        tool.openssl("ec", "-in", "key.pem", "-pubout", "-conv_form", "compressed", "-out", "compressed.pub")
        tool.openssl("ec", "-in", "key.pem", "-pubout", "-param_enc", "explicit", "-out", "explicit.pub")
        ids = set()
        for public in ("key.pub", "compressed.pub", "explicit.pub"):
            result = tool.hauberk("verify", "model", "--key", public, "--json")
            self.ok(result)
            ids.add(json.loads(result.stdout)["signers"][0]["name"])
        self.assertEqual(len(ids), 1, ids)
        shutil.copy(tool.model / "model.sig", tool.folder / "again.sig")
        self.denied(tool.hauberk("verify", "model", "--key", "key.pub", "--key", "compressed.pub", "--signature", "model/model.sig",
                                 "--signature", "again.sig"), "signed once already")

    def test_holders_of_certificates_are_counted_and_not_their_keys(self):
        tool = self.tool
        tool.make_key("prime256v1")
        tool.make_authority()
        for number in "12":
            tool.make_key("prime256v1")
            tool.issue("key", "inter", "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning")
            self.ok(tool.hauberk("sign", "model", "--key", "key.pem", "--certificate", "key.crt", "--certificate-chain", "inter.crt", "-o", f"{number}.sig"))
        both = ["verify", "model", "--certificate-authority", "ca.crt", "--signature", "1.sig", "--signature", "2.sig"]
        self.denied(tool.hauberk(*both, "--threshold", "2"), "CN=key has signed once already")
        self.ok(tool.hauberk(*both, "--threshold", "1"))

    def test_certificates_may_have_no_end_and_no_weak_signature(self):
        tool = self.tool
        tool.make_key("prime256v1")
        tool.make_authority()
        good = "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning"
        sign = ["sign", "model", "--key", "key.pem", "--certificate", "key.crt", "--certificate-chain", "inter.crt"]
        verify = ["verify", "model", "--certificate-authority", "ca.crt"]
        tool.issue("key", "inter", good, days=str(365 * 3000))
        self.ok(tool.hauberk(*sign))
        self.ok(tool.hauberk(*verify))
        tool.issue("key", "inter", "keyUsage=critical,digitalSignature\nextendedKeyUsage=anyExtendedKeyUsage")
        self.denied(tool.hauberk(*sign), "not for signing code")
        tool.openssl("x509", "-req", "-sha1", "-in", "inter.csr", "-CA", "ca.crt", "-CAkey", "ca.pem", "-CAcreateserial", "-days", "30",
                     "-extfile", "inter.ext", "-out", "inter.crt")
        tool.issue("key", "inter", good)
        self.ok(tool.hauberk(*sign))
        self.denied(tool.hauberk(*verify), "too weak")

    def test_what_would_take_for_ever_ends(self):
        tool = self.tool
        tool.make_key("prime256v1")
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem", "--allow-symlinks"))
        folder = tool.model
        for _ in range(25):
            (folder / "n").mkdir()
            (folder / "l").symlink_to("n")
            folder = folder / "n"
        bomb = tool.hauberk("verify", "model", "--key", "key.pub")
        self.assertIn("folders", bomb.stderr)
        self.assertNotEqual(bomb.returncode, 0)
        (tool.model / "model.sig").unlink()
        os.mkfifo(tool.model / "model.sig")
        self.assertIn("no regular file", tool.hauberk("verify", "model", "--key", "key.pub").stderr)

    def test_digests_of_files_that_change_unseen_are_not_kept(self):
        tool = self.tool
        tool.make_key("prime256v1")
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem"))
        verify = ["verify", "model", "--key", "key.pub", "--cache", "digests"]
        with open(tool.model / "sub" / "weights.bin", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            view[0] = view[0]
            time.sleep(2.1)
            self.ok(tool.hauberk(*verify))
            view[0] ^= 1
            self.denied(tool.hauberk(*verify), "changed    sub/weights.bin")
        if os.geteuid() == 0:
            os.chown(tool.folder / "digests", 65534, 65534)
            self.denied(tool.hauberk(*verify), "belongs to another user")

    def test_a_timestamp_outlives_the_certificate(self):
        tool = self.tool
        authority = TimestampServer(tool)
        self.addCleanup(authority.stop)
        tool.make_key("prime256v1")
        tool.make_authority()
        tool.issue("key", "inter", "keyUsage=critical,digitalSignature", days="30")
        sign = ["sign", "model", "--key", "key.pem", "--certificate", "key.crt", "--certificate-chain", "inter.crt",
                "--timestamp-url", authority.url]
        self.ok(tool.hauberk(*sign))
        verify = ["verify", "model", "--certificate-authority", "ca.crt", "--require-timestamp"]
        for trusted in ("tsa-chain.pem", "tsa-ca.crt"):  # the signer's own chain, or its root alone
            result = tool.hauberk(*verify, "--timestamp-authority", trusted, "--json")
            self.ok(result)
            self.assertIn("CN=tsa", json.loads(result.stdout)["signers"][0]["time_source"])
        self.denied(tool.hauberk(*verify, "--timestamp-authority", "ca.crt"), "timestamp")  # another authority
        bundle = json.loads((tool.model / "model.sig").read_text())
        stamps = bundle["verificationMaterial"]["timestampVerificationData"]
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem", "--certificate", "key.crt", "--certificate-chain", "inter.crt"))
        self.denied(tool.hauberk(*verify, "--timestamp-authority", "tsa-ca.crt"), "nobody trusted says when")
        moved = json.loads((tool.model / "model.sig").read_text())
        moved["verificationMaterial"]["timestampVerificationData"] = stamps  # of the other signature
        (tool.model / "model.sig").write_text(json.dumps(moved))
        result = tool.hauberk(*verify, "--timestamp-authority", "tsa-ca.crt")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("something else", result.stderr)

    @unittest.skipUnless(TIMESTAMPS, "no timestamp-server: make peers")
    def test_the_times_of_sigstores_timestamp_server_are_believed(self):
        tool, port = self.tool, harness.free_port()
        server = subprocess.Popen([TIMESTAMPS, "serve", "--host", "127.0.0.1", "--port", str(port), "--timestamp-signer", "memory", "--disable-ntp-monitoring"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tool.folder)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        url = f"http://127.0.0.1:{port}/api/v1/timestamp"
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/certchain", timeout=5) as chain:
                (tool.folder / "tsa.pem").write_bytes(chain.read())
                break
            time.sleep(0.1)
        harness.used["sigstore timestamp-server"] = "1.2.9"
        tool.make_key("prime256v1")
        self.ok(tool.hauberk("sign", "model", "--key", "key.pem", "--timestamp-url", url))
        verify = ["verify", "model", "--key", "key.pub", "--require-timestamp"]
        result = tool.hauberk(*verify, "--timestamp-authority", "tsa.pem", "--json")
        self.ok(result)
        self.assertTrue(json.loads(result.stdout)["signers"][0]["time"])
        tool.make_authority()
        self.denied(tool.hauberk(*verify, "--timestamp-authority", "ca.crt"), "timestamp")

    def test_a_timestamp_authority_that_misbehaves_is_an_error(self):
        tool = self.tool
        authority = TimestampServer(tool)
        self.addCleanup(authority.stop)
        tool.make_key("prime256v1")
        for way, words in (("old reply", "something else"), ("garbage", "no timestamp"), ("status", "status 500"),
                           ("refuse", "no timestamp"), ("long", "longer")):
            with self.subTest(way):
                authority.way = way
                result = tool.hauberk("sign", "model", "--key", "key.pem", "--timestamp-url", authority.url)
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn(words, result.stderr)
                self.assertFalse((tool.model / "model.sig").exists())
        authority.stop()
        result = tool.hauberk("sign", "model", "--key", "key.pem", "--timestamp-url", authority.url)
        self.assertEqual(result.returncode, 3, result.stderr)

    def test_signing_again_reads_only_what_changed(self):
        tool = self.tool
        tool.make_key("prime256v1")
        old = time.time() - 3600
        sign = ["sign", "model", "--key", "key.pem", "--cache", "digests", "--json"]
        self.ok(tool.hauberk(*sign))
        time.sleep(2.1)  # what changed just now is not kept
        first = json.loads(tool.hauberk(*sign).stdout)
        self.assertEqual((tool.folder / "digests").stat().st_mode & 0o777, 0o600)
        weights = tool.model / "sub" / "weights.bin"
        content = bytearray(weights.read_bytes())
        content[0] ^= 1
        weights.write_bytes(content)
        os.utime(weights, (old, old))
        second = json.loads(tool.hauberk(*sign).stdout)
        self.assertNotEqual(first["digest"], second["digest"])
        self.ok(tool.hauberk("verify", "model", "--key", "key.pub"))

    def test_a_bundle_that_cannot_be_read_is_no_verdict(self):
        tool = self.tool
        tool.make_key("prime256v1")
        for content in (b"", b"{", b"\xff\xfe", b"{}" * 1000, b"[" * 100000):
            (tool.model / "model.sig").write_bytes(content)
            self.assertEqual(tool.hauberk("verify", "model", "--key", "key.pub").returncode, 3)
        self.assertEqual(tool.hauberk("verify", "nowhere", "--key", "key.pub").returncode, 2)
        self.assertEqual(tool.hauberk("verify", "model").returncode, 2)


class Exec(unittest.TestCase):
    """What a command loads is what was verified, whatever happens to the files meanwhile."""

    def setUp(self):
        self.tool = Tool(self)
        self.tool.make_key("prime256v1")
        self.model = self.tool.folder / "model"
        shutil.rmtree(self.model)
        (self.model / "sub").mkdir(parents=True)
        (self.model / "w.bin").write_bytes(b"weights")
        (self.model / "sub/c.json").write_text("{}")
        self.assertEqual(self.tool.hauberk("sign", "model", "--key", "key.pem", "--ignore", "notes").returncode, 0)
        self.exec = ["exec", "model", "--key", "key.pub", "--"]

    def test_the_command_sees_the_signed_files_and_cannot_change_them(self):
        (self.model / "notes").write_text("not signed")
        done = self.tool.hauberk(*self.exec, "sh", "-c", "cd {}; find . -type f | sort; cat w.bin; echo; echo x > w.bin; touch new; rm w.bin; echo $HAUBERK_MODEL; exit 7")
        self.assertEqual(done.returncode, 7, done)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:2], ["./sub/c.json", "./w.bin"])
        self.assertEqual(lines[2], "weights")
        self.assertRegex(lines[3], "^/proc/[0-9]+/fd/[0-9]+/model$")
        self.assertEqual(done.stderr.count("Read-only file system"), 3)

    def test_a_mount_made_writable_again_changes_nothing(self):
        script = ("import ctypes, os, re, struct\n"
                  "path = os.environ['HAUBERK_MODEL']\n"
                  "mount = int(re.match(r'/proc/[0-9]+/fd/([0-9]+)/', path)[1])\n"
                  "clear = struct.pack('QQQQ', 0, 1, 0, 0)\n"  # MOUNT_ATTR_RDONLY
                  "print(ctypes.CDLL(None).syscall(442, mount, b'', 0x1000, clear, len(clear)))\n"
                  "open(path + '/w.bin', 'w')\n")
        done = self.tool.hauberk(*self.exec, sys.executable, "-c", script)
        self.assertIn("Read-only file system", done.stderr, done)
        done = self.tool.hauberk(*self.exec, "grep", "SigIgn", "/proc/self/status")
        self.assertEqual(int(done.stdout.split()[1], 16) & 1 << 12, 0, done)  # SIGPIPE

    def test_the_command_gets_no_secret_that_the_configuration_names(self):
        place = harness.Place(config={"keys": {"passphrase": "env:WORDS"}})
        self.addCleanup(place.remove)
        shutil.copytree(self.model, place.folder / "model")
        shutil.copy(self.tool.folder / "key.pub", place.folder)
        told = place.hauberk(*self.exec, "env", token="hbk_x", env={"WORDS": "sesame", "VAULT_TOKEN": "hvs.1", "OTHER": "kept"})
        self.assertEqual(told.status, 0, told.err)
        self.assertIn("OTHER=kept", told.out)
        for secret in ("sesame", "hvs.1", "hbk_x"):
            self.assertNotIn(secret, told.out)

    def test_the_command_may_leave_the_cores_that_hauberk_does_not(self):
        script = "ulimit -S -c unlimited 2>/dev/null; ulimit -S -c"
        expected = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        words = " ".join(["exec", str(harness.BINARY), *self.exec])
        told = subprocess.run(["sh", "-c", f"ulimit -S -c unlimited 2>/dev/null; {words} sh -c 'ulimit -S -c'"], capture_output=True, text=True, cwd=self.tool.folder)
        self.assertEqual(told.stdout, expected, told.stderr)

    def test_a_change_after_the_check_is_not_seen(self):
        script = "echo evil > model/w.bin; cat {}/w.bin; sh -c 'cat $HAUBERK_MODEL/w.bin'"
        done = self.tool.hauberk(*self.exec, "sh", "-c", script)
        self.assertEqual((done.returncode, done.stdout), (0, "weightsweights"), done)
        refused = self.tool.hauberk(*self.exec, "touch", "ran")
        self.assertEqual(refused.returncode, 1, refused)
        self.assertFalse((self.tool.folder / "ran").exists())

    def test_what_is_not_as_signed_runs_nothing(self):
        (self.model / "extra.py").write_text("import os")
        self.assertEqual(self.tool.hauberk(*self.exec, "touch", "ran").returncode, 1)
        (self.model / "extra.py").unlink()
        (self.model / "sub/c.json").unlink()
        self.assertEqual(self.tool.hauberk(*self.exec, "touch", "ran").returncode, 1)
        (self.model / "sub/c.json").symlink_to("/etc/passwd")
        self.assertNotEqual(self.tool.hauberk(*self.exec, "touch", "ran").returncode, 0)
        self.assertFalse((self.tool.folder / "ran").exists())

    def test_links_that_the_signer_meant_are_files_in_the_copy(self):
        (self.model / "link.bin").symlink_to("w.bin")
        (self.model / "more").symlink_to("sub")
        self.assertEqual(self.tool.hauberk("sign", "model", "--key", "key.pem", "--allow-symlinks").returncode, 0)
        done = self.tool.hauberk(*self.exec, "sh", "-c", "cd {} && find . -type l && cat link.bin more/c.json")
        self.assertEqual(done.stdout, "weights{}", done.stderr)
        (self.model / "link.bin").unlink()
        (self.model / "link.bin").symlink_to("/etc/passwd")  # leads out of the folder
        self.assertEqual(self.tool.hauberk(*self.exec, "touch", "ran").returncode, 1)
        self.assertFalse((self.tool.folder / "ran").exists())

    def test_a_signature_of_a_stranger_copies_nothing(self):
        self.tool.make_key("prime256v1", "other")
        with (self.model / "sparse.bin").open("wb") as file:
            file.truncate(1 << 43)  # more than any memory
        refused = self.tool.hauberk("exec", "model", "--key", "other.pub", "--", "touch", "ran")
        self.assertEqual(refused.returncode, 1, refused)
        self.assertIn("does not hold", refused.stderr)

    def test_one_file_keeps_its_name_and_a_missing_command_is_told(self):
        shutil.copy(self.model / "w.bin", self.tool.folder / "w.gguf")
        self.assertEqual(self.tool.hauberk("sign", "w.gguf", "--key", "key.pem").returncode, 0)
        done = self.tool.hauberk("exec", "w.gguf", "--key", "key.pub", "--", "sh", "-c", "echo {}; cat {}")
        self.assertRegex(done.stdout, r"^/proc/\d+/fd/\d+/w\.gguf\nweights$")
        self.assertIn("cannot be run", self.tool.hauberk("exec", "w.gguf", "--key", "key.pub", "--", "no-such-command").stderr)
        self.assertEqual(self.tool.hauberk("exec", "w.gguf", "--key", "key.pub").returncode, 2)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to become somebody else")
    def test_without_root_too_where_the_kernel_gives_user_namespaces(self):
        probe = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if subprocess.run([*probe, "unshare", "-Um", "true"], capture_output=True).returncode != 0:
            self.skipTest("the kernel gives no user namespaces to others than root")
        binary = self.tool.folder / "hauberk"
        shutil.copy(harness.BINARY, binary)
        for path in (self.tool.folder, *self.tool.folder.rglob("*")):
            path.chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HAUBERK_")}
        libraries = f"{harness.BINARY.parent}:{harness.ROOT / '.deps/onnxruntime/lib'}"
        done = subprocess.run([*probe, str(binary), *self.exec, "sh", "-c", "cat {}/w.bin; echo x > {}/w.bin; id -u"], capture_output=True, text=True, cwd=self.tool.folder,
                              env=environment | {"LD_LIBRARY_PATH": libraries}, timeout=60)
        if "error while loading shared libraries" in done.stderr:
            self.skipTest("somebody else cannot read the libraries of this build")
        self.assertEqual((done.returncode, done.stdout), (0, "weights65534\n"), done)
        self.assertIn("Read-only file system", done.stderr)


class Registry(harness.Test):
    """The keys that each environment has for models, and versions of the registry as what is signed."""

    def test_what_is_revoked_is_refused_at_once_here_and_by_the_list_elsewhere(self):
        place = self.make(copy_of=harness.prepared())
        there = place.folder
        (there / "m").mkdir()
        (there / "m/w.bin").write_bytes(b"weights")
        key = self.expect(place.hauberk("sign", "m", "-e", "dev", "--json")).json()
        for purpose in ("model", "evidence"):
            self.expect(place.hauberk("key", "public", "-e", "dev", "--purpose", purpose, "-o", f"{purpose}.pub"))
        elsewhere = ["verify", "m", "--key", "model.pub", "--revocations", "list.json", "--revocations-key", "evidence.pub"]
        issue = ["revocation", "issue", "-e", "dev", "-o", "list.json"]
        self.expect(place.hauberk(*issue))
        self.expect(place.hauberk("verify", "m", "-e", "dev"))
        self.expect(place.hauberk(*elsewhere))
        old = (there / "list.json").read_text()

        self.expect(place.hauberk("revocation", "add", "-e", "dev", "--signature", "m/model.sig", "-m", "made in haste"))
        self.expect(place.hauberk("revocation", "add", "-e", "dev", "--signature", "m/model.sig", "-m", "made in haste"), 2)
        self.assertIn("made in haste", self.expect(place.hauberk("verify", "m", "-e", "dev"), 1).err)
        self.expect(place.hauberk(*elsewhere))
        self.expect(place.hauberk(*issue))
        self.assertIn("made in haste", self.expect(place.hauberk(*elsewhere), 1).err)
        self.expect(place.hauberk(*elsewhere[:-1], "model.pub"), 1)
        (there / "list.json").write_text(old.replace("payload", "payloads"))
        self.assertNotEqual(place.hauberk(*elsewhere).status, 0)
        self.expect(place.hauberk(*elsewhere[:-2]), 2)

        self.expect(place.hauberk("sign", "m", "-e", "dev"))
        same = self.expect(place.hauberk("verify", "m", "-e", "dev", "--json")).json()
        self.expect(place.hauberk("revocation", "add", "-e", "dev", "--digest", same["digest"], "-m", "backdoor"))
        self.assertIn("backdoor", self.expect(place.hauberk("verify", "m", "-e", "dev"), 1).err)
        (there / "m/w.bin").write_bytes(b"better weights")
        self.expect(place.hauberk("sign", "m", "-e", "dev"))
        self.expect(place.hauberk("verify", "m", "-e", "dev"))
        self.expect(place.hauberk("revocation", "add", "-e", "dev", "--key", key["key"], "-m", "laptop lost"))
        self.assertIn("laptop lost", self.expect(place.hauberk("verify", "m", "-e", "dev"), 1).err)
        # A list adds to what the environment has revoked; it takes nothing away.
        (there / "old.json").write_text(old)
        beside = ["verify", "m", "-e", "dev", "--revocations", "old.json", "--revocations-key", "evidence.pub"]
        self.assertIn("laptop lost", self.expect(place.hauberk(*beside), 1).err)
        self.assertIn("fetch the newest", self.expect(place.hauberk(*beside, "--revocations-at-least", "1"), 3).err)
        add = ["revocation", "add", "-e", "dev", "--key", "ed25519:0123456789abcdef", "-m", "lost", "--since"]
        self.expect(place.hauberk(*add, "2999-01-01T00:00:00Z"), 2)
        self.expect(place.hauberk(*issue, "--valid", "36500d"), 2)
        self.assertEqual([row["revokes"] for row in self.expect(place.hauberk("revocation", "list", "-e", "dev", "--json")).json()], ["signature", "model", "key"])

        self.expect(place.hauberk(*issue, "--valid", "1s"))
        time.sleep(1.1)
        self.assertIn("fetch the newest", self.expect(place.hauberk(*elsewhere), 3).err)
        kinds = [json.loads(line).get("kind") for line in self.expect(place.hauberk("ledger", "export", "-e", "dev")).out.splitlines()]
        self.assertEqual([kind for kind in kinds if kind and kind.startswith("revocation")], ["revocation.issue", "revocation.add", "revocation.issue", "revocation.add", "revocation.add", "revocation.issue"])

    def test_an_environments_key_signs_folders_and_versions(self):
        place = self.make(copy_of=harness.prepared())
        (place.folder / "m").mkdir()
        (place.folder / "m" / "w.bin").write_bytes(b"weights")
        self.expect(place.hauberk("sign", "m", "-e", "staging"))
        self.expect(place.hauberk("verify", "m", "-e", "staging"))
        self.expect(place.hauberk("verify", "m", "-e", "dev"), 1)
        signed = self.expect(place.hauberk("sign", "magika@1", "-e", "production", "--json")).json()
        self.assertTrue(signed["key"].startswith("ecdsa-p256:"))
        self.expect(place.hauberk("verify", "magika@1", "-e", "production", "--signature", signed["signature"]))
        self.expect(place.hauberk("verify", "magika@1", "-e", "dev", "--signature", signed["signature"]), 1)
        self.expect(place.hauberk("key", "public", "-e", "production", "-o", "p.pub"))
        self.expect(place.hauberk("key", "public", "-e", "dev", "-o", "d.pub"))
        by_key = ("verify", "magika@1", "--signature", signed["signature"], "--key", "p.pub")
        self.expect(place.hauberk(*by_key))
        # What is asked for beyond one signature is not passed over.
        self.assertIn("2 signers", self.expect(place.hauberk(*by_key, "--key", "d.pub"), 1).err)
        self.expect(place.hauberk(*by_key, "--key", "d.pub", "--threshold", "1"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "tsa.key", "-out", "tsa.pem", "-subj", "/CN=tsa"],
                       cwd=place.folder, check=True, capture_output=True)
        self.assertIn("nobody trusted", self.expect(place.hauberk(*by_key, "--timestamp-authority", "tsa.pem", "--require-timestamp"), 1).err)
        # The exported files carry the signature as any folder does.
        self.expect(place.hauberk("model", "export", "magika@1", "out"))
        self.expect(place.hauberk("verify", "out/files", "-e", "production", "--signature", signed["signature"]))
        with (place.folder / "out/files/model.onnx").open("ab") as file:
            file.write(b"x")
        self.expect(place.hauberk("verify", "out/files", "-e", "production", "--signature", signed["signature"]), 1)
        place.hauberk("model", "import", "m/w.bin", "--name", "other")
        other = self.expect(place.hauberk("verify", "other@1", "-e", "production", "--signature", signed["signature"]), 1)
        self.assertIn("w.bin", other.out)
        (place.folder / "evil.pkl").write_bytes(harness.MALICIOUS)
        self.expect(place.hauberk("model", "import", "evil.pkl", "--name", "evil"), 1)
        self.assertIn("quarantined", self.expect(place.hauberk("sign", "evil@1"), 1).err)
        self.expect(place.hauberk("revocation", "add", "-e", "staging", "--signature", signed["signature"], "-m", "made in haste"))
        self.assertIn("made in haste", self.expect(place.hauberk(*by_key), 1).err)
        self.expect(place.hauberk("sign", "magika@1", "--shard-size", "1MB"), 2)
        told = self.expect(place.hauberk("ledger", "export", "-e", "production")).out
        self.assertIn('"kind":"model.sign"', told)

    def test_others_can_check_a_verification_summary(self):
        place = self.make(copy_of=harness.prepared())
        self.expect(place.hauberk("model", "attest", "magika", "-e", "production", "-o", "vsa.jsonl"))
        self.expect(place.hauberk("key", "public", "-e", "production", "--purpose", "evidence", "-o", "key.pub"))
        self.expect(place.hauberk("sign", "magika@1", "-e", "production", "-o", "m.sig"))
        envelope = json.loads((place.folder / "vsa.jsonl").read_text())
        payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
        (place.folder / "pae").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
        (place.folder / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pub", "-rawin", "-in", "pae", "-sigfile", "sig"],
                       cwd=place.folder, check=True, capture_output=True)
        statement = json.loads(payload)
        self.assertEqual(statement["predicateType"], "https://slsa.dev/verification_summary/v1")
        self.assertEqual(statement["predicate"]["verificationResult"], "PASSED")
        # The same model as the one that its signature is about.
        signed = json.loads(base64.b64decode(json.loads((place.folder / "m.sig").read_text())["dsseEnvelope"]["payload"]))
        self.assertIn(signed["subject"][0]["digest"], [one["digest"] for one in statement["subject"]])
        self.expect(place.hauberk("model", "revoke", "magika@1", "--reason", "test"))
        self.expect(place.hauberk("model", "attest", "magika@1", "-e", "production"), 1)
        provenance = self.expect(place.hauberk("model", "attest", "magika@1", "--as", "provenance", "--json")).json()["statement"]
        self.assertEqual(provenance["predicateType"], "https://slsa.dev/provenance/v1")

    def test_what_another_registry_attests_counts_where_the_policy_says_so(self):
        there, here = self.make(copy_of=harness.prepared()), self.make()
        self.expect(here.hauberk("init"))
        self.expect(here.hauberk("model", "import", harness.MAGIKA, "--name", "mine"))
        self.expect(there.hauberk("model", "attest", "magika@1", "--as", "provenance", "-o", here.folder / "said.jsonl"))
        self.expect(here.hauberk("model", "evidence", "mine@1", "said.jsonl"), 1)
        pem = self.expect(there.hauberk("key", "public", "-e", "dev", "--purpose", "evidence")).out
        policy = here.data / "policy" / "dev.yaml"
        lines = "".join(f"      {line}\n" for line in pem.splitlines())
        policy.write_text(policy.read_text() + f"attestors:\n  - key: |\n{lines}    may: [https://slsa.dev/provenance/v1]\n")
        told = self.expect(here.hauberk("model", "evidence", "mine@1", "said.jsonl", "--json")).json()
        self.assertTrue(told["attestor"].startswith("ed25519:"))
        self.expect(there.hauberk("model", "attest", "magika@1", "-o", here.folder / "vsa.jsonl"))
        self.assertIn("none of the attestors", self.expect(here.hauberk("model", "evidence", "mine@1", "vsa.jsonl"), 1).err)
        other = harness.DATASETS / "mul_1.onnx"
        self.expect(here.hauberk("model", "import", other, "--name", "other"))
        self.assertIn("not about this version", self.expect(here.hauberk("model", "evidence", "other@1", "said.jsonl"), 3).err)
        self.expect(here.hauberk("revocation", "add", "-e", "production", "--key", told["attestor"], "-m", "laptop lost"))
        self.assertIn("laptop lost", self.expect(here.hauberk("model", "evidence", "mine@1", "said.jsonl"), 1).err)
        # What was taken before counts, until it turns out that the key was lost by then.
        self.assertNotIn("not counted", self.expect(here.hauberk("model", "show", "mine@1")).out)
        self.expect(here.hauberk("revocation", "add", "-e", "production", "--key", told["attestor"], "-m", "lost in May", "--since", "2026-05-01T00:00:00Z"))
        shown = here.hauberk("model", "show", "mine@1")
        self.assertIn("lost in May", shown.out + shown.err, shown)

    def test_signing_needs_the_grant(self):
        place = self.make(copy_of=harness.prepared())
        token = harness.make_token(place, "reader", "dev", "read:*")
        self.expect(place.hauberk("sign", "magika@1", token=token), 1)
        token = harness.make_token(place, "signer", "dev", "sign:magika", "read:*")
        self.expect(place.hauberk("sign", "magika@1", token=token))


if __name__ == "__main__":
    unittest.main()
