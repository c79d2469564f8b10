#!/usr/bin/env python3
"""Writes the seed corpora of the scanner's fuzz targets: one small file for each form that a parser must know.

Usage: make_seeds.py FOLDER   (the folder fuzz/corpus). Deterministic; needs nothing but Python.
"""
import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import sys
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path


class Command:
    def __reduce__(self):
        return (print, ("a call that a scanner must see",))


def pickles():
    value = {"a": [1, 2.5, None, True, -70000, 1 << 70], "t": (1,), "t2": (1, 2), "t3": (1, 2, 3), "t4": (1, 2, 3, 4),
             "o": OrderedDict(x=1), "s": {1, 2}, "f": frozenset((1,)), "b": b"bytes", "ba": bytearray(b"x"), "u": "\u00e9\n"}
    for protocol in range(6):
        yield f"plain_{protocol}", pickle.dumps(value, protocol)
        yield f"call_{protocol}", pickle.dumps(Command(), protocol)
    yield "inst", b"(S'id'\nios\nsystem\n."
    yield "obj", b"(cos\nsystem\nS'id'\no."
    yield "newobj_ex", b"\x80\x04\x8c\x08builtins\x8c\x06object\x93)}\x92."
    yield "build_on_global", b"\x80\x04\x8c\x05numpy\x8c\x04size\x93}\x8c\x01a\x8c\x01bsb."
    yield "extension", b"\x80\x02\x82\x01."
    yield "frames", b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\x01K\x02\x86."
    yield "memo", b"\x80\x02K\x01q\x05h\x05r\x07\0\0\0j\x07\0\0\0\x94p9\ng9\n0."
    yield "literals", b"(I0x10\nL12L\nF1.5\nS'a\\x41'\nV\\u0041\nI01\nP7\nt."
    yield "nested", b"\x80\x03ctorch.storage\n_load_from_bytes\nB\x0c\0\0\0\x80\x02cos\nx\n.AAA\x85R."
    magic = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    rest = b"".join(pickle.dumps(v, 2) for v in (1001, {"little_endian": True}, OrderedDict(w=1), ["0"]))
    yield "torch_legacy", magic + rest + bytes(40)


def npy(descr, shape, data, version=1):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header + data


def arrays():
    yield "float", npy("<f8", (2, 3), bytes(48))
    yield "fields", npy([("a", "<i4"), ("b", "S3", (2,))], (1,), bytes(10), 2)
    yield "object", npy("|O", (1,), pickle.dumps([1], 2))
    yield "short", npy("<f8", (1000,), bytes(8))


def archive(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in members:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = method
            made.writestr(info, content)
    return out.getvalue()


def archives():
    inner = pickle.dumps({"w": 1}, 2)
    torch = [("m/data.pkl", inner), ("m/version", b"3\n"), ("m/data/0", bytes(16))]
    yield "torch", archive(torch)
    yield "deflated", archive(torch, zipfile.ZIP_DEFLATED)
    yield "duplicate", archive([("m/data.pkl", pickle.dumps(Command(), 2)), ("m/DATA.PKL", inner)])
    yield "npz", archive([("a.npy", npy("<f4", (2,), bytes(8)))])
    yield "script", archive([("m/constants.pkl", b"\x80\x02)."), ("m/code/__torch__.py", b"class M(Module):\n  pass\n"), ("m/data.pkl", inner)])
    yield "nested", archive([("in.zip", archive([("x.pkl", inner)]))])
    whole = bytearray(archive([("a", b"1"), ("hidden.pkl", inner)]))
    yield "cut", bytes(whole[:-30])


def seven_number(value):
    return bytes((value,)) if value < 128 else b"\xff" + struct.pack("<Q", value)


def seven_streams(contents, coders, pack, body):
    """The streams of one folder, whose packed bytes are appended to the body."""
    whole, at = b"".join(contents), len(body)
    stream = pack(whole)
    body += stream
    out = b"\x06" + seven_number(at) + b"\x01\x09" + seven_number(len(stream)) + b"\0"
    out += b"\x07\x0b\x01\0" + coders + b"\x0c" + seven_number(len(whole)) * coders[0] + b"\0"
    sizes = b"".join(seven_number(len(content)) for content in contents[:-1])
    crcs = b"".join(struct.pack("<I", zlib.crc32(content)) for content in contents)
    return out + b"\x08\x0d" + seven_number(len(contents)) + (b"\x09" + sizes if sizes else b"") + b"\x0a\x01" + crcs + b"\0\0"


def seven_archive(members, coders, pack, packed_header=False):
    def lzma_raw(data):
        return lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 4096}])
    body = bytearray()
    full = [content for _, content in members if content]
    names = b"\0" + b"".join(name.encode("utf-16-le") + b"\0\0" for name, _ in members)
    empty = bytes((sum(0x80 >> i for i, (_, content) in enumerate(members[:8]) if not content),))
    header = b"\x01" + (b"\x04" + seven_streams(full, coders, pack, body) if full else b"") + b"\x05" + seven_number(len(members))
    header += (b"\x0e\x01" + empty if empty != b"\0" else b"") + b"\x11" + seven_number(len(names)) + names
    header += b"\x15" + seven_number(2 + 4 * len(members)) + b"\x01\0" + struct.pack("<I", 0o100644 << 16 | 0x8000) * len(members) + b"\0\0"
    if packed_header:
        header = b"\x17" + seven_streams([header], b"\x01\x23\x03\x01\x01\x05\x5d\0\x10\0\0", lzma_raw, body)
    start = struct.pack("<QQI", len(body), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<I", zlib.crc32(start)) + start + bytes(body) + header


def seven_archives():
    def raw(*filters):
        return lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=list(filters))
    lzma2, x86 = {"id": lzma.FILTER_LZMA2, "dict_size": 4096}, {"id": lzma.FILTER_X86}
    inner = pickle.dumps({"w": 1}, 2)
    members = [("d/a.pkl", inner), ("empty", b""), ("b.txt", b"a note\n"), ("c.pkl", pickle.dumps(Command(), 2))]
    copy = b"\x01\x01\0"
    yield "copy", seven_archive(members, copy, bytes)
    yield "packed_header", seven_archive(members, copy, bytes, packed_header=True)
    yield "lzma2", seven_archive(members, b"\x01\x21\x21\x01\0", raw(lzma2))
    yield "bcj", seven_archive(members, b"\x02\x04\x03\x03\x01\x03\x21\x21\x01\0\0\x01", raw(x86, lzma2))
    yield "delta_copy", seven_archive(members, b"\x02\x21\x03\x01\0\x01\0\0\x01", lambda data: bytes((b - a) % 256 for a, b in zip(b"\0" + data, data)))
    yield "deflate", seven_archive(members, b"\x01\x03\x04\x01\x08", lambda data: zlib.compress(data, wbits=-15))
    yield "bzip2", seven_archive(members, b"\x01\x03\x04\x02\x02", bz2.compress)
    yield "aes", seven_archive(members, b"\x01\x04\x06\xf1\x07\x01", bytes)
    yield "nested", seven_archive([("in.7z", seven_archive(members, copy, bytes)), ("../x", inner)], copy, bytes)
    yield "none", seven_archive([("only a name", b"")], copy, bytes)


class Torch7:
    """Writes as Torch7 does, in one of its two spellings."""

    def __init__(self, ascii=False):
        self.ascii, self.out, self.objects = ascii, b"", 0

    def put(self, form, *values):
        self.out += b" ".join(b"%d" % v for v in values) + b"\n" if self.ascii else struct.pack("<%d%s" % (len(values), form), *values)
        return self

    def chars(self, text):
        self.put("i", len(text))
        self.out += text + (b"\n" if self.ascii and text else b"")
        return self

    def text(self, text):
        return self.put("i", 2).chars(text)

    def number(self, value):
        return self.put("i", 1).put("d", value)

    def index(self, tag):
        self.objects += 1
        return self.put("i", tag).put("i", self.objects)

    def table(self, pairs):
        return self.index(3).put("i", pairs)

    def object(self, name):
        return self.index(4).chars(b"V 1").chars(name)

    def tensor(self, *sizes):
        count = 1
        for size in sizes:
            count *= size
        self.object(b"torch.FloatTensor").put("i", len(sizes)).put("q", *sizes).put("q", *([1] * len(sizes))).put("q", 1)
        return self.object(b"torch.FloatStorage").put("q", count).put("f", *range(count))

    def function(self, *constants):
        chunk = b"\x1bLJ\x01\x02" + b"".join(bytes((len(c) + 5,)) + c for c in constants)
        return self.index(8).chars(chunk).table(1).number(1).table(2).text(b"name").text(b"x").text(b"value").number(2)


def torch7_objects():
    for spelling in (False, True):
        end = "_ascii" if spelling else ""
        net = Torch7(spelling).object(b"nn.Sequential").table(2).text(b"modules").table(1).number(1).object(b"nn.Linear").table(1)
        yield "network" + end, net.text(b"weight").tensor(2, 3).text(b"train").put("i", 5).put("i", 1).out
        yield "function" + end, Torch7(spelling).object(b"nn.Linear").table(1).text(b"updateOutput").function(b"id", b"execute", b"os").out
        yield "shared" + end, Torch7(spelling).table(2).number(1).tensor(2).number(2).put("i", 4).put("i", 3).out
        yield "unknown" + end, Torch7(spelling).object(b"my.Layer").table(1).text(b"tds").object(b"tds.Vec").put("q", 1).text(b"v").out


def number(value):
    out = b""
    while value > 127:
        out += bytes((value & 127 | 128,))
        value >>= 7
    return out + bytes((value,))


def field(tag, content):
    if isinstance(content, int):
        return number(tag << 3) + number(content)
    content = content.encode() if isinstance(content, str) else content
    return number(tag << 3 | 2) + number(len(content)) + content


def external(location):
    return field(8, "w") + field(13, field(1, "location") + field(2, location)) + field(14, 1)


def onnx_models():
    node = field(1, "x") + field(2, "y") + field(4, "Relu")
    graph = field(1, node) + field(2, "g") + field(5, field(1, 2) + field(2, 1) + field(8, "w") + field(9, bytes(8)))
    head = field(1, 8) + field(2, "seed") + field(8, field(2, 18))
    yield "relu", head + field(7, graph)
    yield "external", head + field(7, field(5, external("w.bin")))
    yield "escape", head + field(7, field(5, external("../../secret")))
    subgraph = field(1, field(4, "If") + field(5, field(1, "then") + field(6, field(5, external("/abs")))))
    yield "subgraph", head + field(7, subgraph)
    yield "domain", head + field(7, field(1, field(4, "Own") + field(7, "my.ops")))
    yield "function", head + field(7, graph) + field(25, field(1, "f") + field(7, node) + field(10, "local"))


def gguf_text(text):
    return struct.pack("<Q", len(text)) + text.encode()


def gguf_models():
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 3)
    values = gguf_text("general.alignment") + struct.pack("<II", 4, 32)
    values += gguf_text("tokenizer.chat_template") + struct.pack("<I", 8) + gguf_text("{{ messages }}")
    values += gguf_text("list") + struct.pack("<IIQ", 9, 8, 2) + gguf_text("a") + gguf_text("b")
    tensor = gguf_text("w") + struct.pack("<IQQIQ", 2, 32, 2, 2, 0)
    body = head + values + tensor
    yield "q4", body + bytes(-len(body) % 32) + bytes(36)
    yield "cut", body[:-3]
    yield "counts", b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60)


def safetensors_models():
    def made(header, size):
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + bytes(size)
    a = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    yield "one", made({"a": a}, 16)
    yield "metadata", made({"__metadata__": {"k": "v"}, "a": a, "b": {"dtype": "U8", "shape": [], "data_offsets": [16, 17]}}, 17)
    yield "hole", made({"a": dict(a, data_offsets=[8, 24])}, 24)
    yield "overflow", made({"a": dict(a, shape=[1 << 62, 1 << 62])}, 16)


def others():
    plain = pickle.dumps({"w": 1}, 4)
    yield "gzip", gzip.compress(plain, mtime=0)
    yield "zlib", zlib.compress(plain)
    yield "text", b"a note that is no model\n"
    yield "elf", b"\x7fELF" + bytes(60)
    tar = bytearray(512)
    tar[0:1], tar[124:135], tar[156:157], tar[257:262] = b"x", b"%011o" % len(plain), b"0", b"ustar"
    yield "tar", bytes(tar) + plain + bytes(1024 - len(plain))


def main(folder):
    corpora = {"pickle": pickles, "npy": arrays, "zip": archives, "onnx": onnx_models, "gguf": gguf_models, "safetensors": safetensors_models,
               "seven_zip": seven_archives, "torch7": torch7_objects}
    corpora = {name: list(make()) for name, make in corpora.items()}
    first = [(f"{name}_{seeds[0][0]}", seeds[0][1]) for name, seeds in corpora.items()]
    corpora["scanner"] = list(others()) + first
    for name, seeds in corpora.items():
        (Path(folder) / name).mkdir(parents=True, exist_ok=True)
        for seed, content in seeds:
            (Path(folder) / name / seed).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
