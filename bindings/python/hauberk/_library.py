"""libhauberk_scan through ctypes; nothing else of the package touches C."""
from __future__ import annotations

import ctypes
import os
import pathlib

HASH, BEST_EFFORT, IN_PROCESS = 1, 2, 4
ABI = 1


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("time_limit_ms", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32), ("memory", ctypes.c_uint64), ("worker", ctypes.c_char_p)]


def _find() -> pathlib.Path:
    if named := os.environ.get("HAUBERK_SCAN_LIBRARY"):
        return pathlib.Path(named)
    here = pathlib.Path(__file__).resolve().parent
    for name in ("libhauberk_scan.so.1", "libhauberk_scan.so"):
        if (here / name).exists():
            return here / name
    raise ImportError("libhauberk_scan is missing: install the package with pip, or name the library in HAUBERK_SCAN_LIBRARY")


def _open() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_find()))
    result, text = ctypes.c_void_p, ctypes.c_char_p
    options = ctypes.POINTER(Options)
    for name, returns, takes in (
        ("abi", ctypes.c_int, []),
        ("version", text, []),
        ("rules_version", text, []),
        ("path", result, [text, options]),
        ("descriptor", result, [ctypes.c_int, text, options]),
        ("memory", result, [ctypes.c_void_p, ctypes.c_size_t, text, options]),
        ("free", None, [result]),
        ("error", text, [result]),
        ("json", text, [result]),
    ):
        function = getattr(library, "hauberk_scan_" + name)
        function.restype, function.argtypes = returns, takes
    if library.hauberk_scan_abi() < ABI:
        raise ImportError("libhauberk_scan is older than this package")
    return library


library = _open()


def make_options(flags: int, time_limit: float | None, memory: int | None) -> Options:
    worker = os.environ.get("HAUBERK_SCAN_WORKER")
    return Options(size=ctypes.sizeof(Options), flags=flags, time_limit_ms=int((time_limit or 0) * 1000), memory=memory or 0,
                   worker=os.fsencode(worker) if worker else None)


def take(result: int | None) -> tuple[str, str]:
    """The report as JSON, and the error; the result is given back."""
    if not result:
        raise MemoryError
    try:
        return library.hauberk_scan_json(result).decode(), library.hauberk_scan_error(result).decode(errors="replace")
    finally:
        library.hauberk_scan_free(result)
