"""The Open Inference Protocol V2 surface, with curl and with the official tritonclient."""
import json
import os
import pathlib
import subprocess
import importlib.metadata

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from harness import ROOT, Gateway, Test, magika_label, magika_request, make_token, prepared, used, version_of, Place

PYTHON = (ROOT / "demo/example.py").read_bytes()


def readable_link(path: pathlib.Path) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:  # closed meanwhile
        return ""


class V2(Test):
    @classmethod
    def setUpClass(cls):
        cls.place = Place(copy_of=prepared())
        cls.gateway = Gateway(cls.place)
        cls.token = cls.place.tokens["client"]
        cls.headers = {"Authorization": f"Bearer {cls.token}"}
        cls.client = triton.InferenceServerClient(f"127.0.0.1:{cls.gateway.port}", network_timeout=20, connection_timeout=20)
        used["tritonclient"] = importlib.metadata.version("tritonclient")
        used["curl"] = version_of(["curl", "--version"]).split()[1]

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.gateway.stop()
        cls.place.remove()

    def curl(self, path: str, *options: str) -> tuple[int, str]:
        answer = subprocess.run(["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *options, f"http://127.0.0.1:{self.gateway.port}{path}"],
                                capture_output=True, text=True, check=True)
        body, _, status = answer.stdout.rpartition("\n")
        return int(status), body

    def test_curl_gets_a_prediction_that_a_person_can_read_off(self):
        status, body = self.curl("/v2/models/magika/infer", "-H", f"Authorization: Bearer {self.token}", "--json", json.dumps(magika_request(PYTHON)))
        self.assertEqual(status, 200, body)
        scores = json.loads(body)["outputs"][0]["data"]
        self.assertEqual((magika_label(scores), round(max(scores), 2)), ("python", 0.98))

    def test_the_process_has_no_sockets_but_its_listeners_and_its_clients(self):
        """Neither the gateway nor the engine in it talks to anybody else."""
        self.assertEqual(self.gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), self.token)[0], 200)
        process = pathlib.Path(f"/proc/{self.gateway.process.pid}")

        def sockets() -> set[str]:
            links = map(readable_link, (process / "fd").iterdir())
            return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}

        own = sockets()
        allowed = set()
        for table in ("tcp", "tcp6"):
            for line in (process / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) in (self.gateway.port, self.gateway.admin_port):
                    allowed.add(fields[9])
        own &= sockets()  # a client's connection that was closed before the tables were read stands in none
        self.assertTrue(own & allowed, "the listeners were not found")
        self.assertFalse(own - allowed)

    def test_curl_without_a_token_is_refused_in_the_words_of_v2(self):
        for options in ([], ["-H", "Authorization: Bearer hbk_prd_aaaaaaaaaaaa_bbbb_cccc"], ["-H", "Authorization: Basic Zm9vOmJhcg=="]):
            status, body = self.curl("/v2/models/magika/infer", "--json", json.dumps(magika_request(PYTHON)), *options)
            self.assertEqual(status, 401, body)
            self.assertIsInstance(json.loads(body)["error"], str)

    def test_a_token_of_another_environment_is_refused(self):
        other = make_token(self.place, "client", "staging", "infer:*")
        self.assertEqual(self.gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), other)[0], 401)

    def test_a_token_without_the_grant_is_refused(self):
        narrow = make_token(self.place, "narrow", "production", "infer:other-*")
        self.gateway.wait_until(lambda: self.gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), narrow)[0] == 403, what="403")

    def test_a_revoked_token_is_refused(self):
        created = self.expect(self.place.hauberk("token", "create", "--subject", "gone", "--environment", "production", "--scope", "infer:*", "--json")).json()
        ask = lambda: self.gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), created["token"])[0]  # noqa: E731
        self.gateway.wait_until(lambda: ask() == 200, what="a new token to be known")
        self.expect(self.place.hauberk("token", "revoke", created["id"], "--environment", "production"))
        self.gateway.wait_until(lambda: ask() == 401, what="a revoked token to be refused")

    def test_an_expired_token_is_refused(self):
        short = make_token(self.place, "short", "production", "infer:*", expires="2s")
        ask = lambda: self.gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), short)[0]  # noqa: E731
        self.gateway.wait_until(lambda: ask() == 200, what="a new token to be known")
        self.gateway.wait_until(lambda: ask() == 401, what="an expired token to be refused")

    def test_tritonclient_reads_server_and_model(self):
        self.assertTrue(self.client.is_server_live(headers=dict(self.headers)))
        self.assertTrue(self.client.is_server_ready(headers=dict(self.headers)))
        self.assertTrue(self.client.is_model_ready("magika", headers=dict(self.headers)))
        server = self.client.get_server_metadata(headers=dict(self.headers))
        self.assertEqual(server["name"], "hauberk")
        self.assertIn("binary_tensor_data", server["extensions"])
        model = self.client.get_model_metadata("magika", headers=dict(self.headers))
        self.assertEqual((model["name"], model["versions"], model["platform"]), ("magika", ["1"], "onnxruntime_onnx"))
        self.assertEqual([(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in model["inputs"]], [("bytes", "INT32", [-1, 2048])])
        self.assertEqual(model["outputs"][0]["datatype"], "FP32")

    def infer(self, binary_in: bool, binary_out: bool, rows: int = 1):
        data = numpy.array([magika_request(PYTHON)["inputs"][0]["data"]] * rows, dtype=numpy.int32)
        tensor = triton.InferInput("bytes", data.shape, "INT32")
        tensor.set_data_from_numpy(data, binary_data=binary_in)
        wanted = triton.InferRequestedOutput("target_label", binary_data=binary_out)
        return self.client.infer("magika", [tensor], outputs=[wanted], request_id="r-1", headers=dict(self.headers))

    def test_tritonclient_infers_in_json_and_in_binary(self):
        for binary_in in (False, True):
            for binary_out in (False, True):
                with self.subTest(binary_in=binary_in, binary_out=binary_out):
                    answer = self.infer(binary_in, binary_out)
                    scores = answer.as_numpy("target_label")
                    self.assertEqual((scores.shape, scores.dtype), ((1, 214), numpy.float32))
                    self.assertEqual(magika_label(list(scores[0])), "python")
                    self.assertAlmostEqual(float(scores.max()), 0.978, places=2)
                    self.assertEqual(answer.get_response()["id"], "r-1")

    def test_a_batch_is_answered_row_by_row(self):
        self.assertEqual(self.infer(True, True, rows=8).as_numpy("target_label").shape, (8, 214))

    def test_tritonclient_without_outputs_gets_all_of_them(self):
        data = numpy.array([magika_request(PYTHON)["inputs"][0]["data"]], dtype=numpy.int32)
        tensor = triton.InferInput("bytes", data.shape, "INT32")
        tensor.set_data_from_numpy(data)
        self.assertEqual(self.client.infer("magika", [tensor], headers=dict(self.headers)).as_numpy("target_label").shape, (1, 214))

    def refused(self, status: str, name="magika", tensor_name="bytes", shape=(1, 2048), datatype="INT32", headers=None):
        data = numpy.zeros(shape, dtype=triton.triton_to_np_dtype(datatype) if hasattr(triton, "triton_to_np_dtype") else
                           {"INT32": numpy.int32, "INT64": numpy.int64, "FP32": numpy.float32}[datatype])
        tensor = triton.InferInput(tensor_name, list(shape), datatype)
        tensor.set_data_from_numpy(data)
        with self.assertRaises(InferenceServerException) as caught:
            self.client.infer(name, [tensor], headers=dict(self.headers if headers is None else headers))
        self.assertIn(status, str(caught.exception.status()), caught.exception)
        return caught.exception

    def test_tritonclient_sees_the_errors_of_v2(self):
        self.assertIn("bytes", self.refused("400", tensor_name="nothing").message())
        self.refused("400", shape=(1, 2047))
        self.refused("400", datatype="FP32")
        self.refused("404", name="no-such-model")
        self.refused("401", headers={"Authorization": "Bearer nonsense"})

    def test_bodies_that_lie_are_refused(self):
        good = magika_request(PYTHON)

        def changed(**fields):
            return {"inputs": [good["inputs"][0] | fields]}
        cases = {
            "no inputs": {}, "inputs no list": {"inputs": {}}, "empty inputs": {"inputs": []}, "twice the same": {"inputs": good["inputs"] * 2},
            "short data": changed(data=[1, 2, 3]), "negative dimension": changed(shape=[-1, 2048]), "overflowing shape": changed(shape=[1 << 40, 1 << 40]),
            "unknown type": changed(datatype="INT31"), "text for numbers": changed(data=["a"] * 2048), "fraction for integer": changed(data=[0.5] * 2048),
            "too large a number": changed(data=[1 << 31] * 2048), "no name": {"inputs": [{k: v for k, v in good["inputs"][0].items() if k != "name"}]},
            "unknown output": good | {"outputs": [{"name": "no_such_output"}]}}
        for name, body in cases.items():
            with self.subTest(name):
                status, _, answer = self.gateway.request("POST", "/v2/models/magika/infer", body, self.token)
                self.assertEqual(status, 400, answer)
                self.assertIsInstance(json.loads(answer)["error"], str)
        for body in (b"", b"{", b"[]", b"nothing", b'{"inputs": [}', b"\xff\xfe", b'{"a":' * 5000, b"[" * 100000):
            with self.subTest(body=body[:20]):
                status, _, answer = self.gateway.request("POST", "/v2/models/magika/infer", body, self.token, {"Content-Type": "application/json"})
                self.assertEqual(status, 400, answer)

    def test_binary_bodies_that_lie_are_refused(self):
        head = json.dumps({"inputs": [{"name": "bytes", "shape": [1, 2048], "datatype": "INT32", "parameters": {"binary_data_size": 8192}}]}).encode()
        for name, length, body in (
                ("short", len(head), head + b"\0" * 8191), ("long", len(head), head + b"\0" * 8193), ("header beyond the body", 10**9, head + b"\0" * 8192),
                ("negative header", -1, head + b"\0" * 8192), ("no number", "x", head + b"\0" * 8192), ("cut header", len(head) - 3, head + b"\0" * 8192)):
            with self.subTest(name):
                headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(length)}
                status, _, answer = self.gateway.request("POST", "/v2/models/magika/infer", body, self.token, headers)
                self.assertEqual(status, 400, answer)

    def test_routes_are_denied_by_default(self):
        for method, path, expected in (
                ("GET", "/", 404), ("GET", "/admin", 404), ("GET", "/metrics", 404), ("POST", "/v2/repository/index", 404), ("GET", "/v2/models/magika/infer", 405),
                ("DELETE", "/v2/models/magika", 405), ("GET", "/v2/models/magika/../../metrics", 404), ("GET", "/v2/models/magika%2f..", 404)):
            with self.subTest(method=method, path=path):
                status, _, body = self.gateway.request(method, path, token=self.token)
                self.assertIn(status, {expected, 400} if "%" in path or ".." in path else {expected}, body)

    def test_every_answer_carries_a_request_id_and_no_internals(self):
        status, headers, body = self.gateway.request("POST", "/v2/models/magika/infer", b"{", self.token)
        self.assertEqual(status, 400)
        self.assertTrue(headers.get("x-request-id"))
        self.assertNotRegex(body.decode(), r"/(work|src|home|tmp|root)/|\.cpp|simdjson|exception")
