"""Keys that others keep: a whole life of a model over Vault, KMS and a security module, rotations, moves, and passphrases."""
import json
import logging
import os
import pathlib
import subprocess
import unittest.mock

from harness import CONFIG, MAGIKA, ROOT, Test, magika_request, make_token, prepared, used
from keepers import ACCESS_KEY, PIN, SECRET_KEY, SOFTHSM, Aws, SoftHsm, Transit, VaultStub

PEER = ROOT / ".deps/venv/bin/model_signing"


class Keys(Test):
    secrets = ("root-token-of-vault", SECRET_KEY, PIN, "correct horse", "battery staple")

    def with_environment(self, **variables: str) -> None:
        patch = unittest.mock.patch.dict(os.environ, variables)
        patch.start()
        self.addCleanup(patch.stop)

    def run_(self, place, *words, status: int = 0):
        outcome = self.expect(place.hauberk(*words), status)
        for secret in self.secrets:
            self.assertNotIn(secret, outcome.out + outcome.err)
        return outcome

    def listed(self, place, environment: str = "production") -> dict:
        """purpose -> {state: [place]}"""
        out: dict = {}
        for key in self.run_(place, "key", "list", "-e", environment, "--json").json():
            out.setdefault(key["purpose"], {}).setdefault(key["state"], []).append(key["place"])
        return out

    def ring(self, place) -> None:
        """From the import to production, and a signature that the reference implementation verifies."""
        self.run_(place, "init", "--json")
        self.run_(place, "model", "import", MAGIKA, "--name", "magika")
        place.tokens["reviewer"] = make_token(place, "reviewer", "dev", "approve:*")
        self.expect(place.hauberk("model", "approve", "magika", token=place.tokens["reviewer"]))
        self.run_(place, "model", "promote", "magika", "--to", "staging")
        self.run_(place, "model", "promote", "magika", "--to", "production")
        (place.folder / "model").mkdir()
        (place.folder / "model/weights.bin").write_bytes(bytes(range(256)) * 100)
        self.sign(place, "first")

    def sign(self, place, name: str) -> None:
        self.run_(place, "sign", "model", "-e", "production", "-o", f"{name}.sig")
        self.run_(place, "sign", "magika@1", "-e", "production", "-o", f"{name}-version.sig")
        self.run_(place, "key", "public", "-e", "production", "-o", f"{name}.pub")
        used["model-signing"] = subprocess.run([PEER, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
        done = subprocess.run([PEER, "verify", "key", "--signature", f"{name}.sig", "--public_key", f"{name}.pub", "model"], cwd=place.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def all_good(self, place, *signatures: str) -> None:
        for name in signatures:
            self.run_(place, "verify", "model", "-e", "production", "--signature", f"{name}.sig")
            self.run_(place, "verify", "magika@1", "-e", "production", "--signature", f"{name}-version.sig")
        self.run_(place, "store", "verify")
        self.run_(place, "ledger", "verify")
        self.run_(place, "model", "attest", "magika", "-e", "production")
        out = place.folder / f"out-{len(list(place.folder.glob('out-*')))}"
        self.run_(place, "model", "export", "magika", out, "-e", "production")
        self.assertEqual((out / "files/model.onnx").read_bytes(), MAGIKA.read_bytes())

    def rotations(self, place) -> list[str]:
        return [event["target"] for event in self.events(place, "production") if event["kind"] == "key.rotate"]

    def events(self, place, environment: str) -> list[dict]:
        lines = self.run_(place, "ledger", "export", "-e", environment).out.splitlines()
        return [event for event in map(json.loads, lines) if "kind" in event]


class Vault(Keys):
    def setUp(self):
        self.vault = VaultStub()
        self.addCleanup(self.vault.stop)
        self.vault.tokens = {"root-token-of-vault"}
        for name, kind in (("model", "ecdsa-p256"), ("evidence", "ed25519"), ("ledger", "ed25519"), ("wrap", "aes256-gcm96")):
            self.vault.transit[name] = Transit(kind)
        self.with_environment(VAULT_TOKEN="root-token-of-vault")
        self.places = {name: f"vault:transit/{name}" for name in self.vault.transit}

    def config(self, **keys) -> dict:
        return json.loads(json.dumps(CONFIG)) | {"vault": {"url": self.vault.url}, "keys": {"production": keys}}

    def test_a_whole_life_with_rotations_at_the_keeper(self):
        place = self.make(self.config(**self.places))
        self.ring(place)
        self.all_good(place, "first")
        self.assertEqual(self.listed(place), {name: {"active": [self.places[name]]} for name in self.places} | {"token": {"active": ["token.key"]}})
        self.assertEqual({path.name for path in (place.data / "keys/production").iterdir()}, {"model.ref", "evidence.ref", "ledger.ref", "wrap.ref", "token.key"})

        self.assertIn("same key there", self.run_(place, "key", "rotate", "-e", "production", status=1).err)
        for key in self.vault.transit.values():
            key.rotate()
        self.sign(place, "between")  # the version of before signs until the new one is taken over
        self.all_good(place, "first", "between")
        for purpose in ("ledger", "evidence", "model"):
            self.run_(place, "key", "rotate", "-e", "production", "--purpose", purpose)
        self.assertEqual(self.run_(place, "store", "rotate", "-e", "production", "--json").json()["rewrapped"], 1)
        self.sign(place, "second")
        self.all_good(place, "first", "between", "second")
        self.assertEqual(len(set(self.rotations(place))), 4)
        self.vault.transit["wrap"].min_decryption_version = 2
        self.all_good(place, "first")

    def test_a_gateway_serves_what_vault_wraps(self):
        place = self.make(self.config(**self.places))
        self.ring(place)
        place.tokens["client"] = make_token(place, "client", "production", "infer:*")
        gateway = self.serve(place)
        status, _, body = gateway.request("POST", "/v2/models/magika/infer", magika_request(b"import os\n" * 50), place.tokens["client"])
        self.assertEqual(status, 200, body)
        self.assertEqual(gateway.stop(), 0)
        self.assertNotIn("root-token-of-vault", gateway.log)
        self.run_(place, "ledger", "verify")

    def test_what_does_not_need_the_keeper_works_without_it_and_the_rest_names_it(self):
        place = self.make(self.config(model=self.places["model"]))
        self.ring(place)
        self.vault.requests.clear()
        self.vault.sealed = True
        self.run_(place, "verify", "model", "-e", "production", "--signature", "first.sig")
        self.run_(place, "key", "list")
        self.run_(place, "key", "public", "-e", "production")
        self.run_(place, "model", "list")
        self.assertEqual(self.vault.requests, [])
        for spoil, status, words in ((lambda: None, 3, "sealed"), (lambda: setattr(self.vault, "may", {"encrypt"}), 1, "403"), (lambda: self.vault.transit.pop("model"), 1, "400"),
                                     (self.vault.stop, 3, "connect")):
            spoil()
            refused = self.run_(place, "sign", "model", "-e", "production", "-o", "more.sig", status=status)
            self.assertIn("vault:transit/model", refused.err)
            self.assertIn(words, refused.err)
            self.assertFalse((place.folder / "more.sig").exists())
            self.vault.sealed, self.vault.may = False, None if spoil != self.vault.stop else set()

    def test_moves_there_and_back_and_nothing_moves_by_itself(self):
        place = self.make(copy_of=prepared())
        (place.folder / "model").mkdir()
        (place.folder / "model/weights.bin").write_bytes(b"x" * 1000)
        self.sign(place, "first")
        files = place.config
        place.config = files | self.config(**self.places)
        place.write_config()
        self.assertEqual({state for purpose, states in self.listed(place).items() for state in states if purpose != "token"}, {"withheld"})
        for words in (("sign", "model", "-e", "production", "-o", "no.sig"), ("key", "rotate", "-e", "production")):
            self.assertIn("hauberk key rotate -e production --purpose", self.run_(place, *words, status=3).err)
        self.assertEqual(self.listed(place)["model"], {"withheld": ["model.pem"]}, "nothing changes that cannot be recorded")
        for purpose in ("ledger", "evidence", "model"):
            self.run_(place, "key", "rotate", "-e", "production", "--purpose", purpose)
        self.run_(place, "store", "rotate", "-e", "production")
        self.assertFalse((place.data / "keys/production/model.pem").exists())
        self.sign(place, "second")
        self.all_good(place, "first", "second")

        place.config = files
        place.write_config()
        self.run_(place, "sign", "model", "-e", "production", "-o", "no.sig", status=3)
        place.config = files | {"vault": {"url": self.vault.url}}
        place.write_config()
        for purpose in ("ledger", "evidence", "model"):
            self.run_(place, "key", "rotate", "-e", "production", "--purpose", purpose)
        self.run_(place, "store", "rotate", "-e", "production")
        self.vault.stop()
        self.sign(place, "third")
        self.all_good(place, "first", "second", "third")

    def test_a_server_that_does_not_bind_what_it_wraps_is_not_taken(self):
        self.vault.transit["wrap"].ignores_associated_data = True
        place = self.make(self.config(wrap=self.places["wrap"]))
        self.assertIn("does not bind", self.run_(place, "init", status=2).err)
        self.vault.transit["wrap"].ignores_associated_data = False
        self.run_(place, "init")  # what the failed run left is completed


class Kms(Keys):
    def test_a_whole_life_with_an_alias_that_moves(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        aws = Aws()
        self.addCleanup(aws.stop)
        client = aws.client("kms")
        self.with_environment(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_REGION="eu-west-1")

        def make(purpose: str) -> str:
            kind = {} if purpose == "wrap" else {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
            return client.create_key(**kind)["KeyMetadata"]["KeyId"]

        for purpose in ("model", "evidence", "wrap"):
            client.create_alias(AliasName=f"alias/{purpose}", TargetKeyId=make(purpose))
        config = json.loads(json.dumps(CONFIG)) | {"aws": {"kms_endpoint": aws.url}, "keys": {"production": {name: f"aws-kms:alias/{name}" for name in ("model", "evidence", "wrap")}}}
        place = self.make(config)
        self.ring(place)
        for purpose in ("model", "evidence", "wrap"):
            client.update_alias(AliasName=f"alias/{purpose}", TargetKeyId=make(purpose))
        self.sign(place, "between")
        for purpose in ("evidence", "model"):
            self.run_(place, "key", "rotate", "-e", "production", "--purpose", purpose)
        self.run_(place, "store", "rotate", "-e", "production")
        self.sign(place, "second")
        self.all_good(place, "first", "between", "second")
        self.assertEqual(aws.checked.refused, 0)
        self.assertEqual(len(set(self.rotations(place))), 3)


class Module(Keys):
    def test_a_whole_life_with_keys_that_follow_each_other(self):
        place = self.make()
        hsm = SoftHsm(place.folder / "hsm")
        version = subprocess.run(["softhsm2-util", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        used["SoftHSM"] = version
        pin = place.folder / "pin"
        pin.write_text(PIN + "\n")
        pin.chmod(0o600)
        self.with_environment(**hsm.env)

        def configure(number: int) -> None:
            kinds = {"model": "ecdsa-p256", "evidence": "ed25519", "ledger": "ed25519", "wrap": "aes256"}
            keys = {purpose: f"pkcs11:token=hauberk;object={purpose};id=%{hsm.add(purpose, kind)}" for purpose, kind in kinds.items()}
            place.config = json.loads(json.dumps(CONFIG)) | {"pkcs11": {"module": SOFTHSM, "pin": f"file:{pin}"}, "keys": {"production": keys}}
            place.write_config()

        configure(1)
        self.ring(place)
        configure(2)
        for purpose in ("ledger", "evidence", "model"):
            self.run_(place, "key", "rotate", "-e", "production", "--purpose", purpose)
        self.run_(place, "store", "rotate", "-e", "production")
        self.sign(place, "second")
        self.all_good(place, "first", "second")
        pin.write_text("a-wrong-one\n")
        self.assertIn("PIN", self.run_(place, "sign", "model", "-e", "production", "-o", "no.sig", status=3).err)


class Passphrase(Keys):
    def test_seals_key_files_changes_and_goes_again(self):
        place = self.make(copy_of=prepared())
        files = place.config
        self.assertIn("keys.passphrase", self.run_(place, "key", "protect", status=1).err)
        place.config = files | {"keys": {"passphrase": "env:HAUBERK_TEST_PASSPHRASE"}}
        place.write_config()
        self.with_environment(TEST_OLD="correct horse", TEST_NEW="battery staple")

        def use(variable: str) -> None:
            place.config = files | {"keys": {"passphrase": f"env:{variable}"}}
            place.write_config()

        use("TEST_OLD")
        self.run_(place, "key", "protect")
        sealed = {path for path in (place.data / "keys").glob("[dps]*/*") if path.suffix in (".pem", ".key")}
        self.assertEqual(len(sealed), 16)
        for path in sealed:
            self.assertIn(b"\nscrypt 17 8 1 ", path.read_bytes())
            self.assertNotIn(b"PRIVATE", path.read_bytes())
        listed = self.run_(place, "key", "list", "--json").json()
        self.assertTrue(all(key["sealed"] for key in listed))
        self.assertEqual([(key["environment"], key["place"]) for key in listed if key["purpose"] == "address"], [("all", "store/address.key")])
        self.run_(place, "store", "verify")
        self.run_(place, "key", "rotate", "-e", "production")

        use("TEST_NEW")
        self.assertIn("TEST_NEW does not open", self.run_(place, "store", "verify", status=3).err)
        self.run_(place, "key", "protect", "--before", "correct horse", status=2)
        self.run_(place, "key", "protect", "--before", "env:TEST_OLD")
        self.run_(place, "store", "verify")
        use("TEST_OLD")
        self.run_(place, "store", "verify", status=3)
        use("TEST_NEW")
        self.run_(place, "key", "unprotect")
        place.config = files
        place.write_config()
        self.run_(place, "store", "verify")
        kinds = [event["kind"] for event in self.events(place, "dev")]
        self.assertEqual([kind for kind in kinds if kind.startswith("key.")], ["key.protect", "key.protect", "key.unprotect"])

    def test_a_new_workspace_is_sealed_from_the_start(self):
        secret = self.make().folder / "passphrase"
        secret.write_text("correct horse\n")
        secret.chmod(0o600)
        place = self.make({"keys": {"passphrase": f"file:{secret}"}})
        self.run_(place, "init")
        for path in pathlib.Path(place.data / "keys").rglob("*.*"):
            self.assertIn(b"\nscrypt 17 8 1 ", path.read_bytes(), path)
        secret.unlink()
        self.run_(place, "model", "list", status=3)
