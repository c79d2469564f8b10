#!/usr/bin/env python3
"""Refuses an #include that no declared edge covers.

usage: tools/check_layers.py [ROOT]

The edges are the very lists that the build uses: `hauberk_library(NAME DEPS ... LINK ...)` and `hauberk_adapter(...)` in
ROOT/CMakeLists.txt. A folder of src/ may include itself and what its DEPS name; an adapter is one file and may not include
another adapter; third-party headers stand in .cpp files only, and only where LINK names their library. Each problem is one
line "file:line: what is wrong"; the exit status is 1 if there is any.
"""
import pathlib
import re
import sys

# The headers that a linked library brings. POSIX and Linux headers are the system's: any .cpp may use them.
BROUGHT_BY = {
    "fmt::fmt": ("fmt/",),
    "spdlog::spdlog": ("spdlog/",),
    "simdjson::simdjson": ("simdjson.h",),
    "OpenSSL::Crypto": ("openssl/",),
    "OpenSSL::SSL": ("openssl/",),
    "PkgConfig::fyaml": ("libfyaml.h",),
    "PkgConfig::cli11": ("CLI/",),
    "ZLIB::ZLIB": ("zlib.h",),
    "BZip2::BZip2": ("bzlib.h",),
    "LibLZMA::LibLZMA": ("lzma.h",),
    "EXPAT::EXPAT": ("expat.h",),
    "PkgConfig::lz4": ("lz4frame.h",),
    "PkgConfig::yaml": ("yaml.h",),
    "PkgConfig::zstd": ("zstd.h", "zstd_errors.h"),
    "SQLite::SQLite3": ("sqlite3.h",),
    "libcurl::headers": ("curl/",),
    "p11kit::headers": ("p11-kit/",),
    "onnxruntime::onnxruntime": ("onnxruntime_",),
    "GTest": ("gtest/", "gmock/"),
}
EVERYWHERE = BROUGHT_BY["fmt::fmt"]  # in any .cpp; it costs the link nothing
THIRD_PARTY = tuple(prefix for prefixes in BROUGHT_BY.values() for prefix in prefixes)
# Standard headers that cost each includer more than they give, or open a door that the house keeps shut.
NEVER_IN_HEADERS = {"iostream", "fstream", "sstream", "regex", "filesystem", "future", "random", "iomanip"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


class Folder:
    def __init__(self, deps: list[str], link: list[str]):
        self.deps = set(deps)
        self.headers = tuple(prefix for library in link for prefix in BROUGHT_BY.get(library, ()))


def declared(text: str) -> tuple[dict[str, Folder], dict[str, Folder]]:
    """Folders and adapters as CMakeLists.txt declares them."""
    folders, adapters = {}, {}
    text = re.sub(r"#[^\n]*", "", text)
    for kind, body in re.findall(r"\bhauberk_(library|adapter)\(([^)]*)\)", text):
        lists = {"": [], "DEPS": [], "LINK": []}
        current = ""
        for word in body.split():
            if word in lists:
                current = word
            else:
                lists[current].append(word)
        (folders if kind == "library" else adapters)[lists[""][0]] = Folder(lists["DEPS"], lists["LINK"])
    return folders, adapters


def check_include(local: str | None, system: str | None, folder: Folder, own: str, is_header: bool, is_test: bool) -> str | None:
    if local is not None:
        target = local.split("/")[0]
        if "/" not in local:
            return f'"{local}": name the folder too ("folder/{local}")'
        if target == "adapters" and own.startswith("adapters/"):
            return None if (pathlib.PurePath(local).stem + "_").startswith(own.removeprefix("adapters/") + "_") else f'"{local}": an adapter may not include another adapter'
        if target == own or target in folder.deps:
            return None
        return f'"{local}": {own} may include {", ".join(sorted(folder.deps)) or "nothing"} (its DEPS in CMakeLists.txt), not {target}'
    if is_header:
        if system.startswith(THIRD_PARTY):
            return f"<{system}>: third-party headers belong into .cpp files"
        if system in NEVER_IN_HEADERS:
            return f"<{system}>: too heavy for a header"
        return None
    allowed = folder.headers + EVERYWHERE + (BROUGHT_BY["GTest"] if is_test else ())
    if system.startswith(THIRD_PARTY) and not system.startswith(allowed):
        return f"<{system}>: {own} does not LINK its library in CMakeLists.txt"
    return None


def problems(root: pathlib.Path) -> list[str]:
    folders, adapters = declared((root / "CMakeLists.txt").read_text())
    found = []
    for file in sorted((root / "src").rglob("*")):
        if file.suffix not in (".h", ".cpp"):
            continue
        name = file.relative_to(root)
        parts = file.relative_to(root / "src").parts
        own = parts[0]
        is_test = file.stem.endswith(("_test", "_fuzz"))
        if own == "adapters":
            stem = re.sub(r"_(test|fuzz)$", "", file.stem)
            # NAME_part.cpp is a part of the adapter NAME.
            name_of = max((one for one in adapters if (stem + "_").startswith(one + "_")), key=len, default=stem)
            own, folder = f"adapters/{name_of}", adapters.get(name_of)
        else:
            folder = folders.get(own)
        if folder is None:
            found.append(f"{name}:1: {own} is declared nowhere in CMakeLists.txt")
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                if wrong := check_include(match[1], match[2], folder, own, file.suffix == ".h", is_test):
                    found.append(f"{name}:{number}: {wrong}")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = problems(root)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
