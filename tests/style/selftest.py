"""Proves that the style checks can fail: each case is a small tree with one fault, and the problem that must be named."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools"))
import check_layers  # noqa: E402
import check_style  # noqa: E402

CMAKE = """
hauberk_library(base   LINK fmt::fmt spdlog::spdlog)   # DEPS in a comment: hauberk_library(no DEPS no)
hauberk_library(core   DEPS base)
hauberk_library(scan   DEPS base core LINK ZLIB::ZLIB)
hauberk_library(net    DEPS base
                       LINK OpenSSL::SSL)
hauberk_adapter(one    DEPS base core LINK SQLite::SQLite3)
hauberk_adapter(two    DEPS base core)
"""
HEADER = "// A thing.\n#pragma once\n"
LONG_FUNCTION = "void f() {\n" + "  g();\n" * 130 + "}\n"

# (file, content, part of the problem named; None = nothing is wrong)
LAYERS = [
    ("src/core/a.cpp", '#include "base/x.h"\n', None),
    ("src/core/a.cpp", '#include "core/x.h"\n', None),
    ("src/net/a.cpp", "#include <openssl/ssl.h>\n#include <sys/socket.h>\n#include <fmt/format.h>\n", None),
    ("src/core/a_test.cpp", "#include <gtest/gtest.h>\n", None),
    ("src/adapters/one.cpp", '#include "adapters/one.h"\n#include <sqlite3.h>\n', None),
    ("src/base/a.cpp", '#include "core/x.h"\n', "src/base/a.cpp:1: \"core/x.h\": base may include nothing"),
    ("src/scan/a.h", HEADER + '\n#include "net/x.h"\n', "src/scan/a.h:4: \"net/x.h\": scan may include base, core"),
    ("src/scan/a.cpp", '#  include "adapters/one.h"\n', "not adapters"),
    ("src/scan/a.cpp", '#include "x.h"\n', "name the folder too"),
    ("src/adapters/one.cpp", '#include "adapters/two.h"\n', "another adapter"),
    ("src/adapters/three.cpp", "int x;\n", "declared nowhere"),
    ("src/new/a.cpp", "int x;\n", "declared nowhere"),
    ("src/scan/a.cpp", "#include <openssl/evp.h>\n", "does not LINK"),
    ("src/scan/a.cpp", "#include <gtest/gtest.h>\n", "does not LINK"),
    ("src/net/a.h", HEADER + "#include <openssl/ssl.h>\n", "belong into .cpp"),
    ("src/core/a.h", HEADER + "#include <fmt/format.h>\n", "belong into .cpp"),
    ("src/core/a.h", HEADER + "#include <iostream>\n", "too heavy"),
]
STYLE = [
    ("src/scan/a.h", HEADER, None),
    ("src/base/time.cpp", "auto n = std::chrono::system_clock::now();\n", None),
    ("src/scan/a.cpp", '// system_clock::now is not called here\nauto t = "std::thread";\n', None),
    ("src/scan/a_test.cpp", "TEST(Thing, does_it) {\n  EXPECT_TRUE(true);\n}\n", None),
    ("src/scan/a.cpp", "auto n = std::chrono::system_clock::now();\n", "injected Clock"),
    ("src/scan/a.cpp", 'auto v = std::getenv("HOME");\n', "one place"),
    ("src/scan/a.cpp", "int r = rand();\n", "injected Random"),
    ("src/scan/a.cpp", "std::thread t;\n", "docs/threads.md"),
    ("src/scan/a.cpp", 'int s = system("ls");\n', "app/isolate"),
    ("src/scan/a.cpp", "void f() { throw 1; }\n", "errors are values"),
    ("src/scan/a.cpp", "using namespace std;\n", "name what is used"),
    ("src/scan/a.cpp", "void f() { std::cout << 1; }\n", "app/output"),
    ("src/scan/a.cpp", "// TO" + "DO: later\n", "finish it"),
    ("src/scan/a.cpp", "//" + "x" * 140 + "\n", "142 columns"),
    ("src/scan/a.cpp", "int x;\n" * 801, "801 lines"),
    ("src/scan/a.cpp", LONG_FUNCTION, "a function of 132 lines"),
    ("src/scan/a.h", "#pragma once\n", "opens with a comment"),
    ("src/scan/a.h", "// A thing.\n#include <map>\n", "#pragma once"),
    ("src/scan/a_test.cpp", "TEST(Thing, DoesIt) {\n  EXPECT_TRUE(true);\n}\n", "snake_case"),
    ("src/scan/a_test.cpp", "TEST(Thing, does_it) {\n  f();\n}\n", "asserts nothing"),
]


def run() -> list[str]:
    wrong = []
    for check, cases in ((check_layers, LAYERS), (check_style, STYLE)):
        for file, content, expected in cases:
            with tempfile.TemporaryDirectory() as folder:
                root = pathlib.Path(folder)
                (root / file).parent.mkdir(parents=True)
                (root / file).write_text(content)
                (root / "CMakeLists.txt").write_text(CMAKE)
                found = check.problems(root)
            if expected is None and found:
                wrong.append(f"selftest: {file} with {content!r}: found {found}")
            if expected is not None and not (len(found) == 1 and expected in found[0]):
                wrong.append(f"selftest: {file} with {content[:60]!r}: expected one with {expected!r}, found {found}")
    return wrong
