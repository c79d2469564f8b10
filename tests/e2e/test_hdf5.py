"""HDF5 files as h5py writes them, in both generations of its groups, against the scanner's own reading of them."""
import base64
import json
import marshal

import h5py
import numpy

from harness import Test

DENSE = {"class_name": "Dense", "config": {"units": 3, "activation": "relu"}}


def byte_code(source: str) -> str:
    function = eval(source)
    return base64.encodebytes(marshal.dumps(function.__code__)).decode()


def model(*layers) -> str:
    return json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}})


def layer(function, **config) -> dict:
    return {"class_name": "Lambda", "config": {"function": function, "function_type": "lambda"} | config}


HARMLESS = layer([byte_code("lambda x: x * 2 + 1"), None, None])
HARMFUL = layer([byte_code("lambda x: __import__('os').system('id') or x"), None, None])


class Hdf5(Test):
    def setUp(self):
        super().setUp()
        self.place = self.make()

    def write(self, fill, name: str = "model.h5", **options):
        path = self.place.folder / name
        with h5py.File(path, "w", **options) as file:
            fill(file)
        return path

    def scan(self, path) -> dict:
        done = self.place.hauberk("scan", "--json", path)
        self.assertIn(done.status, (0, 1, 2, 3, 4), done)
        return done.json()["files"][0]

    def judge(self, fill, **options) -> tuple[str, set[str]]:
        report = self.scan(self.write(fill, **options))
        self.assertEqual(report["format"], "hdf5")
        return report["verdict"], {finding["rule"] for finding in report["findings"]}

    def both(self, fill, verdict: str, rule: str | None = None) -> None:
        for version in ("earliest", "latest"):
            with self.subTest(version):
                found = self.judge(fill, libver=version)
                self.assertEqual(found[0], verdict, found)
                if rule:
                    self.assertIn(rule, found[1])

    def test_weights_alone_are_clean(self):
        def fill(file):
            for i in range(40):
                group = file.create_group(f"layer_{i}")
                group.create_dataset("kernel", data=numpy.zeros((4, 4), "f4"))
                group.create_dataset("packed", data=numpy.zeros((64, 64), "f4"), chunks=(16, 16), compression="gzip")
                group.attrs["names"] = [b"kernel", b"bias"]
            file["alias"] = h5py.SoftLink("/layer_1")
        self.both(fill, "clean")
        self.assertEqual(self.judge(fill, track_order=True)[0], "clean")
        self.assertEqual(self.judge(fill, userblock_size=1024)[0], "clean")

    def test_the_configuration_is_read_however_it_is_stored(self):
        padding = {"class_name": "Dense", "config": {"name": "d" * 70_000}}
        ways = {
            "variable": lambda config: config,
            "fixed": lambda config: numpy.bytes_(config),
            "array": lambda config: numpy.array([config.encode()]),
        }
        for way, store in ways.items():
            for layers, verdict in (((DENSE,), "clean"), ((DENSE, HARMFUL), "malicious"), ((DENSE, HARMLESS), "review")):
                with self.subTest(way, verdict=verdict):
                    self.both(lambda file: file.attrs.__setitem__("model_config", store(model(*layers))), verdict)
        self.both(lambda file: file.attrs.__setitem__("model_config", model(padding, HARMFUL)), "malicious", "keras.lambda")

    def test_one_attribute_among_many_is_found(self):
        def fill(file):
            for i in range(500):
                file.attrs[f"note_{i}"] = f"text number {i}"
            file.attrs["model_config"] = numpy.bytes_(model(HARMFUL))
        self.both(fill, "malicious", "keras.lambda")

        def large(file):
            fill(file)
            file.attrs["model_config"] = numpy.bytes_(model({"class_name": "Dense", "config": {"name": "d" * 70_000}}, HARMFUL))
        self.assertIn("keras.lambda", self.judge(large, libver="latest")[1])

    def test_wrappers_hide_nothing(self):
        def wrapped(inner):
            for _ in range(50):
                inner = {"class_name": "TimeDistributed", "config": {"layer": inner}}
            return inner
        self.both(lambda file: file.attrs.__setitem__("model_config", model(wrapped(HARMFUL))), "malicious", "keras.lambda")

    def test_links_into_other_files(self):
        def fill(target):
            def inner(file):
                group = file.create_group("a/b")
                for i in range(30):
                    group.create_dataset(f"d{i}", data=[1, 2])
                group["outside"] = h5py.ExternalLink(target, "/x")
            return inner
        self.both(fill("/etc/passwd"), "malicious", "hdf5.external-link")
        self.both(fill("../other.h5"), "malicious", "hdf5.external-link")
        self.both(fill("part2.h5"), "review", "hdf5.external-link")

    def test_weights_in_other_files(self):
        def external(target):
            return lambda file: file.create_dataset("w", (16,), "u1", external=[(target, 0, 16)])
        self.both(external("/etc/passwd"), "malicious", "hdf5.external-data")
        self.both(external("raw.bin"), "review", "hdf5.external-data")

        def virtual(target):
            def fill(file):
                layout = h5py.VirtualLayout((4,), "i4")
                layout[:] = h5py.VirtualSource(target, "data", (4,))
                file.create_virtual_dataset("v", layout)
            return fill
        self.assertEqual(self.judge(virtual("/tmp/x.h5"), libver="latest")[0], "malicious")
        self.both(virtual("part.h5"), "review", "hdf5.virtual-dataset")

    def test_shapes_that_nothing_fills(self):
        self.both(lambda file: file.create_dataset("w", (1 << 20, 1 << 16), "f4", chunks=(1024, 1024)), "review", "hdf5.shape-bomb")

    def test_pickles_that_pytables_would_load(self):
        def fill(file):
            file.attrs["values"] = numpy.bytes_(b"cos\nsystem\n(S'id'\ntR.")
        self.both(fill, "malicious")

    def test_damage_is_malformed_and_never_clean(self):
        def fill(file):
            file.attrs["model_config"] = model(DENSE)
            file.create_group("g").create_dataset("d", data=numpy.arange(100))
        whole = self.write(fill).read_bytes()
        for size in (len(whole) // 2, 200, 60, 9):
            cut = self.place.folder / "cut.h5"
            cut.write_bytes(whole[:size])
            with self.subTest(size):
                self.assertEqual(self.scan(cut)["verdict"], "malformed")
        torn = self.place.folder / "torn.h5"
        torn.write_bytes(whole.replace(b"TREE", b"TREX"))
        self.assertEqual(self.scan(torn)["verdict"], "malformed")
