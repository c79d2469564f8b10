"""What goes wrong at an operator's desk: each says what to do, exits as documented and loses no data."""
import os
import shutil
import socket
import subprocess

from harness import DATASETS, ROOT, Gateway, Test, magika_request, prepared

PYTHON = (ROOT / "demo/example.py").read_bytes()


class Keys(Test):
    def test_the_key_of_another_place_opens_nothing(self):
        place, other = self.make(copy_of=prepared()), self.make()
        self.expect(other.hauberk("init"))
        shutil.rmtree(place.data / "keys")
        shutil.copytree(other.data / "keys", place.data / "keys")
        outcome = place.hauberk("model", "export", "magika", "out")
        self.assertIn(outcome.status, (1, 3), str(outcome))
        self.assertRegex(outcome.err.lower(), "key")
        shown = place.hauberk("model", "show", "magika", "--json")
        if shown.status == 0:
            self.assertEqual(shown.json()["evidence"], [])
        gateway = Gateway(place, ready=False)
        self.addCleanup(gateway.__exit__)
        gateway.wait_until(lambda: gateway.process.poll() is not None or ("magika" in gateway.log and gateway.find_ports()), what="serve to say something")
        if gateway.process.poll() is None:
            self.assertNotEqual(gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), place.tokens["client"])[0], 200)

    def test_a_key_file_that_others_can_read_is_refused(self):
        place = self.make(copy_of=prepared())
        files = [file for file in (place.data / "keys").rglob("*") if file.is_file()]
        os.chmod(files[0], 0o644)
        outcome = place.hauberk("model", "list")
        self.assertNotEqual(outcome.status, 0)
        self.assertIn("chmod", outcome.err)

    def test_a_missing_or_broken_key_file_is_named(self):
        place = self.make(copy_of=prepared())
        files = [file for file in (place.data / "keys" / "production").rglob("*") if file.is_file()]
        content = files[0].read_bytes()
        files[0].write_bytes(content[: len(content) // 2])
        outcome = place.hauberk("model", "list")
        self.assertNotEqual(outcome.status, 0)
        self.assertIn(files[0].name, outcome.err)


class Stored(Test):
    def test_a_corrupt_blob_is_found_when_read_and_not_served(self):
        place = self.make(copy_of=prepared())
        blob = max((file for file in (place.data / "blobs").rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
        content = bytearray(blob.read_bytes())
        for at in (len(content) // 2, len(content) - 5, 3):
            changed = bytearray(content)
            changed[at] ^= 1
            os.chmod(blob, 0o600)
            blob.write_bytes(changed)
            outcome = self.expect(place.hauberk("model", "export", "magika", f"out-{at}"), 3)
            self.assertRegex(outcome.err.lower(), "corrupt|changed|tampered|damaged|authentic")
        blob.write_bytes(content[: len(content) // 2])
        self.expect(place.hauberk("model", "export", "magika", "out-cut"), 3)
        gateway = Gateway(place, ready=False)
        self.addCleanup(gateway.__exit__)
        gateway.wait_until(lambda: gateway.process.poll() is not None or ("magika" in gateway.log and gateway.find_ports()), what="serve to say something")
        if gateway.process.poll() is None:
            self.assertNotEqual(gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), place.tokens["client"])[0], 200)
        blob.write_bytes(content)
        self.expect(place.hauberk("model", "export", "magika", "out-again"))

    def test_a_truncated_catalogue_is_refused_and_left_alone(self):
        place = self.make(copy_of=prepared())
        catalog = place.data / "catalog.db"
        subprocess.run(["python3", "-c", f"import sqlite3; c = sqlite3.connect({str(catalog)!r}); c.execute('pragma wal_checkpoint(truncate)')"], check=True)
        content = catalog.read_bytes()
        for keep in (len(content) // 2, 50, 0):
            catalog.write_bytes(content[:keep])
            outcome = place.hauberk("model", "list")
            self.assertIn(outcome.status, (2, 3) if keep == 0 else (3,), str(outcome))
            self.assertIn("catalog", outcome.err)
            self.assertEqual(catalog.read_bytes()[:100], content[:keep][:100])

    def test_a_folder_that_may_only_be_read_is_explained(self):
        if os.getuid() != 0:
            return self.read_only(self.as_modes)
        self.read_only(self.as_mount)

    def read_only(self, protect):
        place = self.make(copy_of=prepared())
        protect(place)
        outcome = self.expect(place.hauberk("model", "import", DATASETS / "mul_1.onnx", "--name", "m"), 3)
        self.assertRegex(outcome.err.lower(), "read-only|permission|denied|write|belongs")

    def as_modes(self, place):
        for folder, _, _ in os.walk(place.data):
            os.chmod(folder, 0o500)
        self.addCleanup(lambda: [os.chmod(folder, 0o700) for folder, _, _ in os.walk(place.data)])

    def as_mount(self, place):
        if subprocess.run(["mount", "--bind", place.data, place.data], capture_output=True).returncode:
            self.skipTest("needs the right to mount")
        self.addCleanup(subprocess.run, ["umount", "-l", place.data])
        subprocess.run(["mount", "-o", "remount,bind,ro", place.data], check=True)

    def test_a_model_file_that_is_missing_is_named(self):
        place = self.make(copy_of=prepared())
        self.assertIn("nothing.onnx", self.expect(place.hauberk("model", "import", "nothing.onnx", "--name", "n"), 2).err)
        self.assertIn("nothing", self.expect(place.hauberk("model", "show", "nothing"), 2).err)

    def test_a_blob_that_is_missing_is_named(self):
        place = self.make(copy_of=prepared())
        for file in (place.data / "blobs").rglob("*"):
            if file.is_file():
                file.unlink()
        outcome = place.hauberk("model", "export", "magika", "out")
        self.assertIn(outcome.status, (2, 3), str(outcome))
        self.assertRegex(outcome.err, "[0-9a-f]{64}")


class Serve(Test):
    def test_a_port_in_use_is_named(self):
        place = self.make(copy_of=prepared())
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            gateway = Gateway(place, ready=False, port=port)
            self.addCleanup(gateway.__exit__)
            self.assertEqual(gateway.process.wait(20), 3, gateway.log)
            self.assertIn(str(port), gateway.log)

    def test_two_gateways_do_not_share_a_port(self):
        place = self.make(copy_of=prepared())
        first = self.serve(place)
        second = Gateway(self.make(copy_of=prepared()), ready=False, port=first.port)
        self.addCleanup(second.__exit__)
        self.assertEqual(second.process.wait(20), 3, second.log)

    def test_serve_without_data_says_how_to_begin(self):
        gateway = Gateway(self.make(), ready=False)
        self.addCleanup(gateway.__exit__)
        self.assertEqual(gateway.process.wait(20), 2, gateway.log)
        self.assertIn("hauberk init", gateway.log)

    def test_a_model_that_v2_cannot_carry_is_refused_with_a_reason(self):
        place = self.make(copy_of=prepared())
        self.expect(place.hauberk("model", "import", DATASETS / "logreg_iris.onnx", "--name", "iris"))
        self.expect(place.hauberk("model", "approve", "iris", token=place.tokens["reviewer"]))
        self.expect(place.hauberk("model", "promote", "iris", "--to", "staging"))
        self.expect(place.hauberk("model", "promote", "iris", "--to", "production"))
        gateway = self.serve(place, ready=False)
        gateway.wait_until(lambda: "iris" in gateway.log and gateway.find_ports(), what="serve to speak of iris")
        gateway.wait_until(lambda: gateway.request("POST", "/v2/models/magika/infer", magika_request(PYTHON), place.tokens["client"])[0] == 200,
                           what="the good model to be served all the same")
        status = gateway.request("POST", "/v2/models/iris/infer", {"inputs": [{"name": "float_input", "shape": [3, 2], "datatype": "FP32", "data": [0.5] * 6}]}, place.tokens["client"])[0]
        self.assertIn(status, (404, 501, 503))
