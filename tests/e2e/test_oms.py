"""OpenSSF Model Signing: the conformance suite's cases, bundles of earlier signers, and Sigstore's own cases.

The cases lie in the shared data folder; every one is run by the adapter or by the binary itself, and judged by its exit
status as the suites want it.
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

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


if __name__ == "__main__":
    unittest.main()
