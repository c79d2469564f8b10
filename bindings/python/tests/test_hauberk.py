"""The Python package on real files. HAUBERK_SCAN_LIBRARY and HAUBERK_SCAN_WORKER name what was built."""
import importlib.util
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import hauberk


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class Package(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.marker = self.path("was-run")

    def path(self, name: str) -> str:
        return os.path.join(self.folder.name, name)

    def write(self, name: str, content: bytes) -> str:
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def test_a_report_says_what_would_happen(self):
        path = self.write("bad.pkl", pickle.dumps(Evil(self.marker)))
        report = hauberk.scan(path, sha256=True)
        self.assertIs(report.verdict, hauberk.Verdict.MALICIOUS)
        self.assertEqual((report.path, report.format, len(report.sha256)), (path, "pickle", 64))
        self.assertEqual(report.findings[0].rule, "pickle.dangerous-call")
        self.assertIn("system", report.findings[0].message)
        self.assertEqual(report.rules_version, hauberk.rules_version)
        self.assertFalse(report.passes)
        self.assertEqual(hauberk.scan_bytes(pickle.dumps([1]), "x.pkl").verdict, hauberk.Verdict.CLEAN)

    def test_load_loads_what_is_clean_and_nothing_else(self):
        self.assertEqual(hauberk.load(self.write("good.pkl", pickle.dumps({"a": [1, 2]}))), {"a": [1, 2]})
        with self.assertRaises(hauberk.Refused) as caught:
            hauberk.load(self.write("bad.pkl", pickle.dumps(Evil(self.marker))))
        self.assertIn("MALICIOUS", str(caught.exception))
        self.assertIn("safetensors", str(caught.exception))
        for content in (pickle.dumps([1])[:-1], b"\0\1\2\3\4\5"):
            with self.assertRaises(hauberk.Refused):
                hauberk.load(self.write("odd.pkl", content), loader=lambda file: self.fail("it was loaded"), review="allow")
        self.assertFalse(os.path.exists(self.marker))

    def test_review_is_for_the_caller_to_allow(self):
        path = self.write("own.pkl", b"\x80\x02csomebody.package\nThing\n)\x81}b.")
        with self.assertRaises(hauberk.Refused) as caught:
            hauberk.load(path)
        self.assertIn('review="allow"', str(caught.exception))
        self.assertEqual(hauberk.load(path, loader=lambda file: "loaded", review="allow"), "loaded")

    def test_what_was_scanned_is_what_is_loaded(self):
        path = self.write("good.pkl", pickle.dumps("good"))

        def loader(file):
            self.write("good.pkl", pickle.dumps(Evil(self.marker)))  # too late
            with self.assertRaises(OSError):
                os.write(file.fileno(), b"x")
            return pickle.load(file)

        self.assertEqual(hauberk.load(path, loader=loader), "good")
        self.assertFalse(os.path.exists(self.marker))

    def test_errors_say_what_to_do(self):
        with self.assertRaises(hauberk.ScanError):
            hauberk.scan(self.path("missing"))
        with self.assertRaises(ValueError):
            hauberk.scan(self.path("missing"), confine="no")

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "NumPy is not installed")
    def test_arrays(self):
        import numpy

        numpy.save(self.path("a.npy"), numpy.arange(4))
        self.assertEqual(list(hauberk.load(self.path("a.npy"))), [0, 1, 2, 3])

    @unittest.skipUnless(importlib.util.find_spec("joblib"), "joblib is not installed")
    def test_joblib(self):
        import joblib

        joblib.dump({"a": 1}, self.path("m.joblib"), compress=3)
        self.assertEqual(hauberk.load(self.path("m.joblib")), {"a": 1})

    @unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")
    def test_torch(self):
        import torch

        torch.save({"w": torch.ones(2)}, self.path("m.pt"))
        self.assertEqual(hauberk.load(self.path("m.pt"))["w"].tolist(), [1.0, 1.0])

    def test_as_a_command(self):
        good, bad = self.write("good.pkl", pickle.dumps(1)), self.write("bad.pkl", pickle.dumps(Evil(self.marker)))
        run = lambda *paths: subprocess.run([sys.executable, "-B", "-m", "hauberk", *paths], capture_output=True, text=True,
                                            cwd=pathlib.Path(__file__).resolve().parent.parent)
        self.assertEqual(run(good).returncode, 0)
        done = run(good, bad)
        self.assertEqual(done.returncode, 1)
        self.assertIn("pickle.dangerous-call", done.stdout)
        self.assertEqual(run(self.path("missing")).returncode, 3)
        self.assertEqual(run().returncode, 2)


if __name__ == "__main__":
    unittest.main()
