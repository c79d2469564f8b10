"""The scanner where others use it: the Python package on the shipped library, what the GitHub Action and GitLab run, images."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile

from harness import BINARY, MALICIOUS, ROOT, Test

LIBRARY, WORKER = BINARY.parent / "libhauberk_scan.so.1", BINARY.parent / "hauberk-scan-worker"


class PythonPackage(Test):
    def test_its_own_tests_pass(self):
        environment = os.environ | {"HAUBERK_SCAN_LIBRARY": str(LIBRARY), "HAUBERK_SCAN_WORKER": str(WORKER)}
        done = subprocess.run([sys.executable, "-B", ROOT / "bindings/python/tests/test_hauberk.py"], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("OK", done.stderr)


class ContinuousIntegration(Test):
    def run_script(self, place, **variables) -> tuple[int, str, str]:
        output = place.folder / "output"
        output.write_text("")
        done = subprocess.run([ROOT / "ci/scan"], cwd=place.folder, capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "HAUBERK": str(BINARY), "GITHUB_OUTPUT": str(output)} | variables)
        return done.returncode, output.read_text(), done.stdout + done.stderr

    def test_the_verdict_reaches_the_next_step(self):
        place = self.make()
        (place.folder / "models").mkdir()
        (place.folder / "models/a b.pkl").write_bytes(b"\x80\x02N.")
        self.assertEqual(self.run_script(place, PATHS="models")[:2], (0, "verdict=clean\n"))
        (place.folder / "models/evil.pkl").write_bytes(MALICIOUS)
        code, output, told = self.run_script(place, PATHS="models/*.pkl", SARIF="s.sarif", JUNIT="j.xml")
        self.assertEqual((code, output), (1, "verdict=review\n"), told)
        self.assertEqual(len(json.loads((place.folder / "s.sarif").read_text())["runs"][0]["results"]), 1)
        self.assertIn("<failure", (place.folder / "j.xml").read_text())
        self.assertEqual(self.run_script(place, PATHS="models", EXCLUDE="evil.pkl *.txt")[0], 0)
        (place.folder / "models/torn.pkl").write_bytes(b"\x80\x02")
        self.assertEqual(self.run_script(place, PATHS="models/torn.pkl")[:2], (3, "verdict=inconclusive\n"))
        self.assertEqual(self.run_script(place, PATHS="nowhere")[:2], (2, "verdict=error\n"))


def tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


class Images(Test):
    SYSTEM = {"bin/tool": pathlib.Path("/bin/true").read_bytes(), "usr/lib/python3/x.py": b"import os\nos.system('true')\n",
              "etc/hello.sh": b"#!/bin/sh\necho hello\n", "models/good.pkl": b"\x80\x02N."}

    def layout(self, folder: pathlib.Path, layer: bytes) -> None:
        def put(content: bytes, kind: str) -> dict:
            name = hashlib.sha256(content).hexdigest()
            (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
            (folder / "blobs/sha256" / name).write_bytes(content)
            return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + name, "size": len(content)}

        config = put(b'{"os": "linux"}', "config.v1+json")
        manifest = put(json.dumps({"schemaVersion": 2, "config": config, "layers": [put(gzip.compress(layer), "layer.v1.tar+gzip")]}).encode(),
                       "manifest.v1+json")
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def test_models_in_layers_are_found_and_programs_are_what_images_hold(self):
        place = self.make()
        for name, files, code in (("good", self.SYSTEM, 0), ("evil", self.SYSTEM | {"models/evil.pkl": MALICIOUS}, 1)):
            (place.folder / name).mkdir()
            self.layout(place.folder / name, tar(files))
            self.expect(place.hauberk("scan", name), code)
            saved = tar({"l/layer.tar": tar(files), "c.json": b"{}", "manifest.json": json.dumps([{"Config": "c.json", "Layers": ["l/layer.tar"]}]).encode()})
            (place.folder / f"{name}.tar").write_bytes(saved)
            self.expect(place.hauberk("scan", f"{name}.tar"), code)
        self.assertIn("models/evil.pkl", place.hauberk("scan", "evil.tar").out)
