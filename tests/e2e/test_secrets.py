"""References to secrets: Vault, Secrets Manager, `secret check`, and a gateway that follows a secret which changes."""
import json
import logging
import os
import signal

from harness import Test, deployment, prepared
from keepers import ACCESS_KEY, PIN, SECRET_KEY, SOFTHSM, Aws as Moto, SoftHsm, VaultStub
from upstreams import ScriptedUpstream

VALUES = ("hf_first", "hf_plain", "the-secret-id", "plain-value", "json-value", SECRET_KEY)


class Secrets(Test):
    def check(self, place, *references, env=None, status=0):
        outcome = self.expect(place.hauberk("secret", "check", *references, "--json", env=env or {}), status)
        for value in VALUES:
            self.assertNotIn(value, outcome.out + outcome.err)
        return {row["reference"]: row.get("code", "resolves") for row in outcome.json()}


class Vault(Secrets):
    def setUp(self):
        self.vault = VaultStub()
        self.addCleanup(self.vault.stop)
        self.env = {"VAULT_ADDR": self.vault.url, "VAULT_TOKEN": "root"}

    def test_both_engines_versions_and_keys(self):
        place = self.make()
        self.vault.versions["team/hf"].append({"token": "hf_first"})
        self.assertEqual(self.check(place, "vault:secret/data/team/hf#token", "vault:secret/data/team/hf?version=1#token", "vault:secret/data/team/hf", "vault:kv/team/hf#token", env=self.env),
                         {"vault:secret/data/team/hf#token": "resolves", "vault:secret/data/team/hf?version=1#token": "resolves", "vault:secret/data/team/hf": "resolves", "vault:kv/team/hf#token": "resolves"})
        self.assertIn(("GET", "/v1/secret/data/team/hf?version=1"), self.vault.requests)
        self.assertEqual(self.check(place, "vault:secret/data/team/two", "vault:secret/data/team/hf#other", "vault:secret/data/none#x", "vault:secret/data/gone#x", "vault:../sys/seal#x", env=self.env, status=1),
                         {"vault:secret/data/team/two": "invalid", "vault:secret/data/team/hf#other": "not_found", "vault:secret/data/none#x": "not_found", "vault:secret/data/gone#x": "not_found", "vault:../sys/seal#x": "invalid"})

    def test_a_wrong_token_is_denied_and_a_sealed_server_is_could_not_check(self):
        place = self.make()
        reference = "vault:secret/data/team/hf#token"
        self.assertEqual(self.check(place, reference, env=self.env | {"VAULT_TOKEN": "stale"}, status=1)[reference], "denied")
        self.vault.busy = 2
        self.assertEqual(self.check(place, reference, env=self.env)[reference], "resolves")
        self.vault.sealed = True
        self.assertEqual(self.check(place, reference, env=self.env, status=3)[reference], "unavailable")
        self.assertEqual(self.check(place, reference, env={"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "x"}, status=3)[reference], "unavailable")

    def test_approle_and_namespace(self):
        self.vault.namespace = "ml/"
        secret_id = self.make().folder / "secret_id"
        secret_id.write_text("the-secret-id\n")
        secret_id.chmod(0o600)
        place = self.make({"vault": {"url": self.vault.url, "namespace": "ml/", "role_id": "hauberk", "secret_id": f"file:{secret_id}"}})
        place.write_config()
        reference = "vault:secret/data/team/hf#token"
        self.assertEqual(self.check(place, reference)[reference], "resolves")
        self.assertEqual(self.vault.logins, 1)
        secret_id.write_text("another")
        self.assertEqual(self.check(place, reference, status=1)[reference], "denied")

    def test_what_opens_the_keeper_cannot_lie_in_it(self):
        place = self.make({"vault": {"url": self.vault.url, "token": "vault:secret/data/x#y"}})
        place.write_config()
        self.assertIn("needed to reach the others", self.expect(place.hauberk("config", "check"), 2).err)


class Aws(Secrets):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.manager = Moto()
        client = cls.manager.client()
        client.create_secret(Name="plain", SecretString="plain-value")
        client.create_secret(Name="prod/hf", SecretString=json.dumps({"token": "json-value"}))
        client.put_secret_value(SecretId="prod/hf", SecretString=json.dumps({"token": "json-value", "more": "x"}))
        cls.arn = client.create_secret(Name="bytes", SecretBinary=b"\x00\x01")["ARN"]

    @classmethod
    def tearDownClass(cls):
        cls.manager.stop()

    def env(self, **more):
        return {"AWS_ENDPOINT_URL_SECRETS_MANAGER": self.manager.url, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": "eu-west-1"} | more

    def test_texts_keys_stages_and_bytes(self):
        place, refused = self.make(), self.manager.checked.refused
        good = ["aws-sm:plain", "aws-sm:prod/hf#token", "aws-sm:prod/hf?stage=AWSPREVIOUS#token", f"aws-sm:{self.arn}"]
        self.assertEqual(set(self.check(place, *good, env=self.env()).values()), {"resolves"})
        bad = {"aws-sm:prod/hf?stage=AWSPREVIOUS#more": "not_found", "aws-sm:none": "not_found", "aws-sm:plain#key": "not_found", "aws-sm:plain?version=1": "invalid"}
        self.assertEqual(self.check(place, *bad, env=self.env(), status=1), bad)
        self.assertEqual(self.manager.checked.refused, refused)

    def test_a_session_and_a_shared_file_with_profiles(self):
        place = self.make()
        self.assertEqual(self.check(place, "aws-sm:plain", env=self.env(AWS_SESSION_TOKEN="a+session/token=="))["aws-sm:plain"], "resolves")
        shared = place.folder / "credentials"
        shared.write_text(f"[default]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = x\n\n[ml]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
        env = {name: value for name, value in self.env().items() if "KEY" not in name} | {"AWS_SHARED_CREDENTIALS_FILE": str(shared)}
        self.assertEqual(self.check(place, "aws-sm:plain", env=env | {"AWS_PROFILE": "ml"})["aws-sm:plain"], "resolves")
        self.assertEqual(self.check(place, "aws-sm:plain", env=env, status=1)["aws-sm:plain"], "denied")

    def test_a_web_identity_is_exchanged_for_a_role(self):
        place, refused = self.make(), self.manager.checked.refused
        token = place.folder / "token"
        token.write_text("eyJhbGciOi.e30.c2ln\n")
        env = {name: value for name, value in self.env(HOME=str(place.folder)).items() if "KEY" not in name} | {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/hauberk", "AWS_ENDPOINT_URL_STS": self.manager.url}
        self.assertEqual(set(self.check(place, "aws-sm:plain", "aws-sm:prod/hf#token", env=env).values()), {"resolves"})
        self.assertEqual(self.manager.checked.refused, refused)
        without = {name: value for name, value in env.items() if name != "AWS_ROLE_ARN"}
        self.assertEqual(self.check(place, "aws-sm:plain", env=without, status=1)["aws-sm:plain"], "unauthenticated")
        self.assertEqual(self.check(place, "aws-sm:plain", env=env | {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"}, status=3)["aws-sm:plain"], "unavailable")
        token.unlink()
        self.assertEqual(self.check(place, "aws-sm:plain", env=env, status=1)["aws-sm:plain"], "not_found")
        told = self.expect(place.hauberk("secret", "check", "aws-sm:plain", env=env), 1)
        self.assertNotIn("eyJ", told.out + told.err)

    def test_a_wrong_key_and_no_key(self):
        place = self.make()
        refused = self.manager.checked.refused
        self.assertEqual(self.check(place, "aws-sm:plain", env=self.env(AWS_SECRET_ACCESS_KEY="wrong"), status=1)["aws-sm:plain"], "denied")
        self.assertEqual(self.manager.checked.refused, refused + 1)
        env = self.env(AWS_ACCESS_KEY_ID="", AWS_EC2_METADATA_DISABLED="true", HOME=str(place.folder))
        self.assertEqual(self.check(place, "aws-sm:plain", env=env, status=1)["aws-sm:plain"], "unauthenticated")


class Module(Secrets):
    def test_data_objects_of_a_token(self):
        place = self.make({"pkcs11": {"module": SOFTHSM, "pin": "env:HSM_PIN"}})
        place.write_config()
        hsm = SoftHsm(place.folder / "hsm")
        hsm.keep("hf-token", b"hf_in_the_module")
        hsm.add("wrap", "aes256")
        env = hsm.env | {"HSM_PIN": PIN}
        good = "pkcs11:token=hauberk;object=hf-token"
        self.assertEqual(self.check(place, good, env=env), {good: "resolves"})
        bad = {"pkcs11:token=hauberk;object=none": "not_found", "pkcs11:token=other;object=hf-token": "not_found", "pkcs11:token=hauberk;object=wrap": "not_found", "pkcs11:token=hauberk;id=%01": "invalid"}
        self.assertEqual(self.check(place, *bad, env=env, status=1), bad)
        self.assertEqual(self.check(place, good, env=env | {"HSM_PIN": "wrong"}, status=1)[good], "denied")
        told = self.expect(place.hauberk("secret", "check", good + "?pin-value=1234", env=env), 2)
        self.assertNotIn("1234", told.out + told.err)


class Configuration(Secrets):
    def test_without_names_all_references_of_the_configuration_are_checked(self):
        place = self.make({"deployments": [{"name": "a", "upstream": {"url": "http://127.0.0.1:1", "credential": "env:THERE"}}, {"name": "b", "upstream": {"url": "http://127.0.0.1:1", "credential": "env:NOT_THERE"}}]})
        place.write_config()
        outcome = self.expect(place.hauberk("secret", "check", "--json", env={"THERE": "value-of-it"}), 1)
        self.assertEqual([(row["reference"], row["used_by"], row["resolves"]) for row in outcome.json()],
                         [("env:THERE", "/deployments/0/upstream/credential", True), ("env:NOT_THERE", "/deployments/1/upstream/credential", False)])
        shown = self.expect(place.hauberk("secret", "check", env={"THERE": "value-of-it"}), 1)
        self.assertIn("not_found", shown.out)
        self.assertNotIn("value-of-it", shown.out + shown.err)
        self.assertIn("no reference", self.expect(self.make().hauberk("secret", "check")).out)
        self.expect(place.hauberk("secret", "check", "sk-literal"), 2)


class Serving(Test):
    def test_the_gateway_sends_what_vault_holds_and_follows_a_change_at_a_reload(self):
        vault, upstream = VaultStub(), ScriptedUpstream()
        self.addCleanup(vault.stop)
        self.addCleanup(upstream.stop)
        place = self.make(copy_of=prepared())
        deployment(place, "scripted", upstream={"url": f"http://127.0.0.1:{upstream.port}", "credential": "vault:secret/data/team/hf#token"})
        gateway = self.serve(place, env=os.environ | {"VAULT_ADDR": vault.url, "VAULT_TOKEN": "root"})

        def sent() -> str:
            upstream.requests.clear()
            status, _, body = gateway.request("POST", "/v1/chat/completions", {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}, token=place.tokens["client"])
            self.assertEqual(status, 200, body)
            return upstream.requests[-1][2]["authorization"]

        self.assertEqual(sent(), "Bearer hf_first")
        vault.versions["team/hf"].append({"token": "hf_second"})
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_until(lambda: sent() == "Bearer hf_second", what="the new secret")
        vault.sealed = True  # nothing is lost while the keeper is down
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_until(lambda: gateway.log.count("snapshot published") >= 2, what="the second reload")
        self.assertEqual(sent(), "Bearer hf_second")
        self.assertNotIn("hf_", gateway.log)
        gateway.stop()
        lines = self.expect(place.hauberk("ledger", "export", "-e", "production", "--chain", "gateway")).out.splitlines()
        reads = [event for event in map(json.loads, lines) if event.get("kind") == "secret.read"]
        self.assertEqual({event["target"] for event in reads}, {"vault:secret/data/team/hf#token"})
        self.assertEqual([event["outcome"] for event in reads][:2] + [reads[-1]["outcome"]], ["ok", "ok", "error"])
        self.assertNotIn("hf_", "".join(lines))
