"""What an operator sees and turns while the gateway runs: limits, shadow mode, reload, health, metrics, logs, TLS."""
import json
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from harness import ROOT, Test, deployment, magika_request, make_token, prepared

PYTHON = (ROOT / "demo/example.py").read_bytes()
BODY = magika_request(PYTHON)
PATH = "/v2/models/magika/infer"


class Limits(Test):
    def test_too_many_requests_are_429_with_the_true_time_to_wait(self):
        place = self.make(copy_of=prepared())
        deployment(place, "magika", rate_limit={"per_minute": 120, "burst": 3})
        gateway = self.serve(place)
        first, second = place.tokens["client"], make_token(place, "other", "production", "infer:*")
        answers = [gateway.request("POST", PATH, BODY, first) for _ in range(6)]
        self.assertEqual([status for status, _, _ in answers[:3]], [200] * 3)
        status, headers, body = answers[-1]
        self.assertEqual(status, 429, body)
        self.assertIsInstance(json.loads(body)["error"], str)
        wait = int(headers["Retry-After"])
        self.assertTrue(1 <= wait <= 2, wait)
        self.assertTrue([name for name in headers if name.lower().startswith(("ratelimit", "x-ratelimit"))], headers)
        # Another token is another counter.
        gateway.wait_until(lambda: gateway.request("POST", PATH, BODY, second)[0] == 200, what="another token not to be limited")
        time.sleep(wait)
        self.assertEqual(gateway.request("POST", PATH, BODY, first)[0], 200)

    def test_a_limit_in_shadow_is_recorded_and_not_obeyed(self):
        place = self.make(copy_of=prepared())
        deployment(place, "magika", rate_limit={"per_minute": 60, "burst": 1, "mode": "shadow"})
        gateway = self.serve(place)
        self.assertEqual({gateway.request("POST", PATH, BODY, place.tokens["client"])[0] for _ in range(5)}, {200})
        gateway.stop()
        told = self.expect(place.hauberk("ledger", "export", "--environment", "production", "--chain", "gateway")).out
        self.assertRegex(told, r'"shadow":\s*true')

    def test_bodies_above_the_limit_of_the_deployment_are_413(self):
        place = self.make(copy_of=prepared())
        place.config["limits"] = {"body_bytes": 4096}
        gateway = self.serve(place)
        self.assertEqual(gateway.request("POST", PATH, BODY, place.tokens["client"])[0], 413)


class Reload(Test):
    def test_sighup_takes_a_new_file_without_dropping_a_connection(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        token = place.tokens["client"]
        self.assertEqual({gateway.request("POST", PATH, BODY, token)[0] for _ in range(5)}, {200})
        deployment(place, "magika", rate_limit={"per_minute": 60, "burst": 1})
        place.write_config()
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_until(lambda: gateway.request("POST", PATH, BODY, token)[0] == 429, what="the new limit")
        self.assertIsNone(gateway.process.poll())

    def test_a_bad_file_changes_nothing_and_is_explained(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        good = place.file.read_text()
        for text in ("guards: [", good.replace("listen", "lisen", 1), "deployments: 7\n", "guards: [authn]\n"):
            before = len(gateway.log)
            place.write_config(text)
            gateway.process.send_signal(signal.SIGHUP)
            gateway.wait_until(lambda: len(gateway.log) > before, what="serve to speak of the file")
            self.assertEqual(gateway.request("POST", PATH, BODY, place.tokens["client"])[0], 200)
        self.assertIn("hauberk.yaml", gateway.log)

    def test_a_promotion_reaches_a_running_gateway(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        changed = place.folder / "changed.onnx"
        changed.write_bytes((ROOT / ".deps/magika/model.onnx").read_bytes() + b"\x72\x00")
        self.expect(place.hauberk("model", "import", changed, "--name", "magika"))
        self.expect(place.hauberk("model", "approve", "magika@2", token=place.tokens["reviewer"]))
        self.expect(place.hauberk("model", "promote", "magika@2", "--to", "staging"))
        self.expect(place.hauberk("model", "promote", "magika@2", "--to", "production"))
        gateway.wait_until(lambda: json.loads(gateway.request("GET", "/v2/models/magika", token=place.tokens["client"])[2])["versions"] == ["2"], what="version 2")


class Admin(Test):
    def test_health_metrics_and_request_are_apart(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        self.assertEqual(gateway.admin("/health/live")[0], 200)
        self.assertEqual(gateway.admin("/health/ready")[0], 200)
        for _ in range(3):
            self.assertEqual(gateway.request("POST", PATH, BODY, place.tokens["client"])[0], 200)
        gateway.request("POST", PATH, BODY)
        status, headers, text = gateway.admin("/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain"))
        samples = dict(re.findall(r"^([a-z_]+\{[^}]*\}|[a-z_]+) ([0-9.eE+-]+|\+Inf|NaN)$", text.decode(), re.M))
        ok = sum(float(value) for name, value in samples.items() if "requests_total" in name and "2xx" in name and "magika" in name)
        self.assertEqual(ok, 3, text.decode())
        self.assertEqual(gateway.admin(PATH)[0], 404)

    def test_labels_are_bounded(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        for number in range(50):
            gateway.request("GET", f"/v2/models/no-such-{number}", token=place.tokens["client"])
            gateway.request("GET", f"/path-{number}", token=place.tokens["client"])
        text = gateway.admin("/metrics")[2].decode()
        self.assertNotIn("no-such-", text)
        self.assertNotIn("path-", text)

    def test_the_operators_log_is_json_lines_without_secrets(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        gateway.request("POST", PATH, BODY, place.tokens["client"])
        gateway.request("POST", PATH, BODY, "hbk_prd_aaaaaaaaaaaa_bbbb_cccc")
        gateway.stop()
        lines = gateway.log.splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.assertIsInstance(json.loads(line), dict, line)
        self.assertNotIn(place.tokens["client"].split("_", 3)[3], gateway.log)

    def test_each_environment_has_its_own_tokens_and_versions(self):
        place = self.make(copy_of=prepared())
        staging = self.serve(place, environment="staging")
        self.assertEqual(staging.request("POST", PATH, BODY, place.tokens["client"])[0], 401)
        tester = make_token(place, "tester", "staging", "infer:*")
        staging.wait_until(lambda: staging.request("POST", PATH, BODY, tester)[0] == 200, what="a token of staging")
        staging.stop()
        dev = self.serve(place, environment="dev")
        self.assertEqual(dev.request("POST", PATH, BODY, make_token(place, "tester", "dev", "infer:*"))[0] in (401, 404), True)


class Tls(Test):
    def test_tls_1_2_and_1_3_by_configuration(self):
        place = self.make(copy_of=prepared())
        key, certificate = place.folder / "key.pem", place.folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        os.chmod(key, 0o600)
        place.config["tls"] = {"certificate": str(certificate), "key": f"file:{key}"}
        gateway = self.serve(place)

        def ask(low, high):
            context = ssl.create_default_context(cafile=str(certificate))
            context.minimum_version, context.maximum_version = low, high
            request = urllib.request.Request(f"https://127.0.0.1:{gateway.port}{PATH}", json.dumps(BODY).encode(),
                                             {"Content-Type": "application/json", "Authorization": f"Bearer {place.tokens['client']}"})
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(ask(version, version), 200)
        with self.assertRaises(OSError):
            ask(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
        with self.assertRaises(Exception):
            gateway.request("POST", PATH, BODY, place.tokens["client"], timeout=5)  # plain HTTP on the TLS port

        # A certificate that is away keeps no revoked token good, and what is served goes on.
        certificate.rename(place.folder / "away.pem")
        certificate.write_text("")
        token = self.expect(place.hauberk("token", "create", "-e", "production", "-s", "second", "--scope", "infer:*", "--json")).json()
        place.tokens["client"] = token["token"]
        trusted = (place.folder / "away.pem").read_text()

        def status():
            request = urllib.request.Request(f"https://127.0.0.1:{gateway.port}{PATH}", json.dumps(BODY).encode(),
                                             {"Content-Type": "application/json", "Authorization": f"Bearer {token['token']}"})
            try:
                with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(cadata=trusted)) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
        gateway.wait_until(lambda: status() == 200, what="the new token")
        self.expect(place.hauberk("token", "revoke", token["id"], "-e", "production"))
        gateway.wait_until(lambda: status() == 401, what="the revocation")
        self.assertIn("the one of before goes on", gateway.log)


class Usage(Test):
    def test_every_request_leaves_one_event(self):
        place = self.make(copy_of=prepared())
        gateway = self.serve(place)
        ids = []
        for token in [place.tokens["client"]] * 5 + ["nonsense", None]:
            ids.append(gateway.request("POST", PATH, BODY, token)[1]["x-request-id"])
        gateway.request("GET", "/nowhere", token=place.tokens["client"])
        gateway.stop()
        told = self.expect(place.hauberk("ledger", "export", "--environment", "production", "--chain", "gateway")).out
        for one in ids:
            self.assertEqual(told.count(f'"{one}"'), 1, one)
        self.expect(place.hauberk("ledger", "verify"))
