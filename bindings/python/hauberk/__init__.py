"""What would happen if a model file were loaded, without loading it; and load(), which loads only what passes.

The file is read in a child process without network, files or exec. Reports of one version of the rules can be compared
with each other; `rules_version` says which it was.
"""
from __future__ import annotations

import enum
import io
import json
import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable, Literal

from . import _library

__all__ = ["Finding", "Refused", "Report", "ScanError", "Verdict", "load", "rules_version", "scan", "scan_bytes", "version"]

version: str = _library.library.hauberk_scan_version().decode()
rules_version: str = _library.library.hauberk_scan_rules_version().decode()


class Verdict(str, enum.Enum):
    CLEAN = "clean"  # looked at to the end, nothing found
    REVIEW = "review"  # a person should decide
    MALICIOUS = "malicious"  # loading it would do harm
    MALFORMED = "malformed"  # not what its format demands
    INCONCLUSIVE = "inconclusive"  # not looked at to the end, or of a format that is not understood

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Finding:
    rule: str
    severity: Literal["info", "low", "medium", "high", "critical"]
    message: str
    file: str  # "model.pt!archive/data.pkl"
    offset: int | None = None
    pointer: str = ""
    excerpt: str = ""


@dataclass(frozen=True)
class Report:
    path: str
    verdict: Verdict
    format: str
    size: int
    rules_version: str
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    sha256: str | None = None
    json: dict = field(default_factory=dict, repr=False, compare=False)  # all of it, as `hauberk scan --json` writes it

    @property
    def passes(self) -> bool:
        return self.verdict is Verdict.CLEAN


class ScanError(Exception):
    """Nothing was scanned: the file cannot be read, or the child cannot be confined."""


class Refused(Exception):
    """The file was not loaded. `report` says why."""

    def __init__(self, report: Report):
        self.report = report
        worst = sorted(report.findings, key=lambda f: ("critical", "high", "medium", "low", "info").index(f.severity))
        why = "; ".join(finding.message for finding in worst[:3]) or "; ".join(report.notes) or "no finding"
        advice = ("look at the findings; if they are fine, load it with review=\"allow\""
                  if report.verdict is Verdict.REVIEW else "do not load it; ask for the weights as safetensors")
        super().__init__(f"{report.path} is {report.verdict}: {why}. {advice[0].upper()}{advice[1:]}.")


def _report(result: int | None) -> Report:
    text, error = _library.take(result)
    if error:
        raise ScanError(error)
    value = json.loads(text)
    findings = tuple(
        Finding(rule=one["rule"], severity=one["severity"], message=one.get("message", ""), file=one.get("where", {}).get("file", ""),
                offset=one.get("where", {}).get("offset"), pointer=one.get("where", {}).get("pointer", ""), excerpt=one.get("excerpt", ""))
        for one in value["findings"])
    return Report(path=value["path"], verdict=Verdict(value["verdict"]), format=value["format"], size=value["size"],
                  rules_version=value["rules_version"], findings=findings, notes=tuple(value["notes"]), sha256=value.get("sha256"), json=value)


def _flags(sha256: bool, confine: str) -> int:
    flags = {"require": 0, "best-effort": _library.BEST_EFFORT, "in-process": _library.IN_PROCESS}
    if confine not in flags:
        raise ValueError("confine is one of: require, best-effort, in-process")
    return flags[confine] | (_library.HASH if sha256 else 0)


def scan(path: str | os.PathLike, *, sha256: bool = False, confine: str = "require", time_limit: float | None = None,
         memory: int | None = None) -> Report:
    """Scans one file. `time_limit` in seconds (default: 300), `memory` of the child in bytes (default: 1 GiB)."""
    options = _library.make_options(_flags(sha256, confine), time_limit, memory)
    return _report(_library.library.hauberk_scan_path(os.fsencode(path), options))


def scan_bytes(data: bytes, name: str = "data", *, sha256: bool = False, confine: str = "require",
               time_limit: float | None = None, memory: int | None = None) -> Report:
    """Scans what is in memory. The name decides what a name may: whether the content is what it promises."""
    options = _library.make_options(_flags(sha256, confine), time_limit, memory)
    return _report(_library.library.hauberk_scan_memory(data, len(data), name.encode(), options))


def _sealed_copy(path: str | os.PathLike) -> BinaryIO:
    """The file's bytes where nobody can change them any more."""
    import fcntl

    copy = os.memfd_create("hauberk", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(path, "rb") as source:
            while os.sendfile(copy, source.fileno(), None, 1 << 30):
                pass
        add_seals, every_seal = 1033, 1 | 2 | 4 | 8  # F_ADD_SEALS; no sealing, shrinking, growing, writing hereafter
        fcntl.fcntl(copy, add_seals, every_seal)
        os.lseek(copy, 0, os.SEEK_SET)
        return os.fdopen(copy, "rb")
    except BaseException:
        os.close(copy)
        raise


def _loader_of(format: str, name: str) -> Callable[[BinaryIO], Any]:
    if format.startswith("torch") and format != "torchserve-mar":
        import torch

        return lambda file: torch.load(file, map_location="cpu", weights_only=False)
    if format in ("npy", "npz"):
        import numpy

        return lambda file: numpy.load(io.BytesIO(file.read()), allow_pickle=True)
    if format == "joblib" or name.endswith(".joblib") or "+" in format:
        import joblib

        return joblib.load
    if format == "pickle":
        import pickle

        return lambda file: pickle.load(file)
    raise ValueError(f"no loader for the format {format}: give one with loader=")


def load(path: str | os.PathLike, loader: Callable[[BinaryIO], Any] | None = None, *, review: Literal["refuse", "allow"] = "refuse",
         confine: str = "require", time_limit: float | None = None, memory: int | None = None) -> Any:
    """Loads a model if the scan of the very same bytes is CLEAN, and raises Refused otherwise."""
    if review not in ("refuse", "allow"):
        raise ValueError("review is one of: refuse, allow")
    name = os.fspath(path) if isinstance(os.fspath(path), str) else os.fsdecode(path)
    with _sealed_copy(path) as file:
        options = _library.make_options(_flags(True, confine), time_limit, memory)
        report = _report(_library.library.hauberk_scan_descriptor(file.fileno(), name.encode(errors="surrogateescape"), options))
        if not report.passes and not (review == "allow" and report.verdict is Verdict.REVIEW):
            raise Refused(report)
        file.seek(0)
        return (loader or _loader_of(report.format, name))(file)
