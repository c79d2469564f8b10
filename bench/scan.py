#!/usr/bin/env python3
"""Scans large generated files with hauberk and four others, and prints wall, CPU and peak memory side by side.

usage: bench/scan.py [--runs N] [--keep] [--limit SECONDS]

The files are made in build/bench/ (1.1 GB; --keep leaves them): a pickle of a million small dicts, a torch archive with one
tensor of a gigabyte, the same pickle with a call of os.system as its last object (all must find it), a zip of many small
pickles, and a folder of 3,000 small ones. Figures are medians of N runs (3), the files in the page cache; each tool's whole
process counts. Memory is the largest resident set of the tool or any process that it started. A run that takes longer than
the limit (300) is ended, and its tool measured once. What the tools say of labelled files: bench/scan_detection.py.
"""
import argparse
import collections
import multiprocessing
import os
import pathlib
import pickle
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import types
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEERS = ROOT / ".deps/peers/bin"
LIBRARY = ROOT / "build/release/libhauberk_scan.so.1"
# The library without a process of its own: one scan to load what is loaded once, then the median of a hundred, on stderr.
IN_PROCESS = """
import ctypes, statistics, sys, time
library = ctypes.CDLL(sys.argv[1])
library.hauberk_scan_path.restype = ctypes.c_void_p
class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("limit", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("memory", ctypes.c_uint64), ("worker", ctypes.c_char_p)]
options = Options(ctypes.sizeof(Options), 4, 0, 0, 0, None)
times = []
for _ in range(101):
    began = time.perf_counter()
    result = library.hauberk_scan_path(sys.argv[2].encode(), ctypes.byref(options))
    times.append(time.perf_counter() - began)
    library.hauberk_scan_free(ctypes.c_void_p(result))
sys.stderr.write(f"{statistics.median(times[1:]) * 1000:.3f} ms a scan")
"""
Run = collections.namedtuple("Run", "wall cpu memory status")


def records(count: int) -> list[dict]:
    return [{"id": i, "score": i * 0.5, "name": f"user-number-{i:07d}"} for i in range(count)]


def make_pickle(path: pathlib.Path) -> None:
    path.write_bytes(pickle.dumps(records(1_000_000), protocol=4))


def make_poisoned_pickle(path: pathlib.Path) -> None:
    """The same, and after it one call written by hand, opcode by opcode: nothing here could run it."""
    body = pickle.dumps(records(1_000_000), protocol=2)
    path.write_bytes(body[:-1] + b"0cposix\nsystem\n(X\x04\x00\x00\x00truetR.")


class TorchPickler(pickle.Pickler):
    """Writes what torch.save writes, without torch: storages are persistent ids."""

    def persistent_id(self, value):
        return value if isinstance(value, tuple) and value and value[0] == "storage" else None


def make_torch(path: pathlib.Path) -> None:
    utils = types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*arguments):
        raise NotImplementedError
    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch = types.ModuleType("torch")
    torch._utils = utils
    storage = type("FloatStorage", (), {"__module__": "torch"})
    torch.FloatStorage = storage
    sys.modules |= {"torch": torch, "torch._utils": utils}

    class Tensor:
        def __reduce__(self):
            count = 1 << 28
            return _rebuild_tensor_v2, (("storage", storage, "0", "cpu", count), 0, (count,), (1,), False, collections.OrderedDict())

    with path.with_suffix(".pkl").open("wb") as out:
        TorchPickler(out, protocol=2).dump(collections.OrderedDict(weight=Tensor()))
    block = os.urandom(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.write(path.with_suffix(".pkl"), "archive/data.pkl")
        with archive.open("archive/data/0", "w", force_zip64=True) as out:
            for _ in range(1024):
                out.write(block)
        archive.writestr("archive/version", "3\n")
    path.with_suffix(".pkl").unlink()
    for name in ("torch", "torch._utils"):
        del sys.modules[name]


def make_many(path: pathlib.Path) -> None:
    content = pickle.dumps(records(200), protocol=4)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(2000):
            archive.writestr(f"parts/{number:04d}.pkl", content)


def make_folder(path: pathlib.Path) -> None:
    path.mkdir()
    content = pickle.dumps(records(50), protocol=4)
    for number in range(3000):
        (path / f"{number:04d}.pkl").write_bytes(content)


FILES = {
    "pickle of a million dicts": ("million.pkl", make_pickle, True),
    "the same with os.system in it": ("poisoned.pkl", make_poisoned_pickle, False),
    "torch archive of 1 GB": ("weights.pt", make_torch, True),
    "zip of 2000 pickles": ("many.zip", make_many, True),
    "folder of 3000 small pickles": ("folder", make_folder, True),
}
HASHED = "torch archive of 1 GB"
TOOLS = {
    "hauberk": lambda file: [ROOT / "build/release/hauberk", "scan", file],
    "picklescan": lambda file: [PEERS / "picklescan", "-p", file],
    "modelscan": lambda file: [PEERS / "modelscan", "-p", file],
    "fickling": lambda file: [PEERS / "fickling", "--check-safety", file],
    "modelaudit": lambda file: [PEERS / "modelaudit", "scan", file],
}


def measure(command: list, limit: float) -> Run:
    began = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=None if IN_PROCESS in command else subprocess.DEVNULL, env=os.environ | {"NO_ANALYTICS": "1", "PROMPTFOO_DISABLE_TELEMETRY": "1"}, start_new_session=True)
    alarm = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
    alarm.start()
    _, status, usage = os.wait4(process.pid, 0)
    alarm.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def size_of(file: pathlib.Path) -> int:
    return sum(one.stat().st_size for one in file.iterdir()) if file.is_dir() else file.stat().st_size


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--limit", type=float, default=300)
    arguments = parser.parse_args()
    folder = ROOT / "build/bench"
    folder.mkdir(parents=True, exist_ok=True)
    wrong = 0
    print("| file | MB | tool | wall s | CPU s | peak MB | exit | wall against hauberk |\n|---|---|---|---|---|---|---|---|")
    for title, (name, make, clean) in FILES.items():
        file = folder / name
        if not file.exists():
            maker = multiprocessing.Process(target=make, args=(file,))  # apart: children inherit the parent's peak memory
            maker.start()
            maker.join()
        subprocess.run(["cat", *(file.iterdir() if file.is_dir() else [file])], stdout=subprocess.DEVNULL)
        base = None
        tools = dict(TOOLS)
        if title == HASHED and LIBRARY.exists():
            tools["libhauberk_scan, in the process"] = lambda file: [sys.executable, "-c", IN_PROCESS, LIBRARY, file]
        if title == HASHED:
            tools["hauberk --hash"] = lambda file: [ROOT / "build/release/hauberk", "scan", "--hash", file]
        for tool, command in tools.items():
            if not shutil.which(str(command(file)[0])):
                print(f"| {title} | | {tool} | not here | | | | |")
                continue
            runs = [measure(command(file), arguments.limit)]
            while len(runs) < arguments.runs and runs[0].status >= 0:
                runs.append(measure(command(file), arguments.limit))
            wall, cpu, memory = (statistics.median(getattr(run, field) for run in runs) for field in ("wall", "cpu", "memory"))
            base = wall if tool == "hauberk" else base
            if tool == "hauberk" and (runs[0].status == 0) != clean:
                wrong += 1
            print(f"| {title} | {size_of(file) / 1e6:.0f} | {tool} | {wall:.3f} | {cpu:.3f} | {memory:.0f} | "
                  f"{runs[0].status if runs[0].status >= 0 else 'ended'} "
                  f"| {f'{wall / base:.1f} x' if base else '?'} |", flush=True)
    if not arguments.keep:
        for name, _, _ in FILES.values():
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
