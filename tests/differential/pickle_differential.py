#!/usr/bin/env python3
"""Compares the pickle machine with CPython's two unpicklers over generated streams.

Usage: pickle_differential.py PICKLE_TRACE [STREAMS [SEED]]

Nothing is ever imported: find_class answers with recording dummies. What must hold for each stream and each unpickler:
what CPython did before it stopped or failed is a beginning of what the machine says; and where CPython stops properly,
so does the machine, with the same events. The machine may go further: other versions of CPython do.
"""
import _compat_pickle
import copyreg
import io
import pickle
import random
import resource
import struct
import subprocess
import sys
import tempfile
import warnings


def mapped(module, name):
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[(module, name)]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


class Record:
    """Hands out dummies and writes down what is done to them."""

    def __init__(self):
        self.events = []
        self.classes = {}

    def add(self, event):
        self.events.append(event)

    def dummy(self, key):
        if key in self.classes:
            return self.classes[key]
        record, label = self, f"{key[0].encode().hex()}.{key[1].encode().hex()}"

        class Built:
            def __get__(self, instance, owner):
                return lambda state: record.add("build " + label)

        class Changed:
            def __init__(self, many=False):
                self.many = many

            def __get__(self, instance, owner):
                def change(*values):
                    if not self.many or len(list(values[0])) != 0:
                        record.add("change " + label)
                return change

        class Meta(type):
            def __call__(cls, *arguments, **keywords):
                record.add("call " + label)
                return object.__new__(cls)

            def __setitem__(cls, index, value):
                record.add("change " + label)

        def new(cls, *arguments, **keywords):
            if not isinstance(cls, type):  # pickle.py lets NEWOBJ call __new__ of an instance
                return called(cls)
            record.add("call " + label)
            return object.__new__(cls)

        def called(self, *arguments):
            record.add("call-object " + label)
            return Anonymous()

        def set_item(self, index, value):
            record.add("change " + label)

        class Anonymous:
            __setstate__ = lambda self, state: record.add("build object")
            __setitem__ = lambda self, index, value: record.add("change object")
            append = lambda self, value: record.add("change object")
            add = append

            def extend(self, values):
                if list(values):
                    record.add("change object")

            def __call__(self, *arguments):
                record.add("call-object object")
                return Anonymous()

        body = {"__new__": new, "__call__": called, "__setitem__": set_item, "__setstate__": Built(), "append": Changed(),
                "add": Changed(), "extend": Changed(many=True)}
        self.classes[key] = Meta("Dummy", (), body)
        return self.classes[key]

    def find_class(self, module, name):
        if module == "extension":
            self.add("extension " + name)
            return lambda *arguments: None
        module, name = mapped(module, name)
        self.add(f"import {module.encode().hex()}.{name.encode().hex()}")
        return self.dummy((module, name))


def run(base, stream):
    record = Record()
    copyreg.clear_extension_cache()

    class Unpickler(base):
        def find_class(self, module, name):
            return record.find_class(module, name)

        def persistent_load(self, pid):
            record.add("persistent")
            return None

    try:
        Unpickler(io.BytesIO(stream)).load()
        record.add("end stopped")
    except Exception:  # whatever a stream provokes
        record.add("end failed")
    return record.events


NAMES = ["os", "system", "builtins", "__builtin__", "eval", "copy_reg", "torch.nn", "A.b", "\u00e9cole", "x" * 70]


class Generator:
    """Streams that are mostly meaningful: the kinds of the stack's values are kept in mind, as far as it matters."""

    def __init__(self, rng):
        self.rng = rng

    def stream(self):
        self.out, self.depth, self.marks, self.memo = bytearray(), 0, [], 0
        rng = self.rng
        if rng.random() < 0.8:
            self.out += bytes((0x80, rng.randrange(6)))
        for _ in range(rng.randrange(1, 40)):
            self.step()
        while self.marks:
            self.marks.pop()
            self.out += rng.choice((b"t", b"l", b"1N"))
            self.depth = 1
        if self.depth == 0:
            self.out += b"N"
        self.out += b"."
        if rng.random() < 0.3:
            self.frame()
        return self.mutated(bytes(self.out))

    def mutated(self, stream):
        rng = self.rng
        if rng.random() < 0.7:
            return stream
        data = bytearray(stream)
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at]
            elif kind == 2:
                data.insert(at, rng.choice(b"(0123.NtaebRsu}])\x94\x93\x81\x85q\x00"))
            else:
                del data[at:]
            if not data:
                data += b"."
        return bytes(data)

    def frame(self):
        start = 2 if self.out[:1] == b"\x80" else 0
        length = len(self.out) - start
        shift = self.rng.choice((0, 0, 0, -1, 1, -3))
        self.out[start:start] = b"\x95" + struct.pack("<Q", max(0, length + shift))

    def push(self, code):
        self.out += code
        self.depth += 1

    def text(self, value):
        raw = value.encode()
        form = self.rng.randrange(4)
        if form == 0:
            return b"\x8c" + bytes((len(raw),)) + raw
        if form == 1:
            return b"X" + struct.pack("<I", len(raw)) + raw
        if form == 2:
            return b"\x8d" + struct.pack("<Q", len(raw)) + raw
        return b"V" + value.encode("raw_unicode_escape").replace(b"\n", b"\\u000a") + b"\n"

    def constant(self):
        rng = self.rng
        number = rng.choice((0, 1, 255, 256, -1, 70000, -70000))
        forms = [b"N", b"\x88", b"\x89", b"K\x05", b"M\x01\x02", b"J" + struct.pack("<i", number), b"G" + struct.pack(">d", 1.5), b"I%d\n" % number,
                 b"I01\n", b"L%dL\n" % number, b"L%d\n" % number, b"F1.5\n", b"F-1e3\n", b"S'a\\x41\\n'\n", b'S"q"\n', b"U\x03abc", b"T\x02\0\0\0ab", b"C\x02ab",
                 b"B\x01\0\0\0a", b"\x8e\x01\0\0\0\0\0\0\0a", b"\x96\x01\0\0\0\0\0\0\0a", b"\x8a\x02\x01\x02", b"\x8b\x01\0\0\0\x05", b"I0x1F\n", b"I 7\n", b"I1_0\n", b"\x8a\x00"]
        return rng.choice(forms) if rng.random() < 0.7 else self.text(rng.choice(NAMES))

    def importing(self):
        rng = self.rng
        module, name = rng.choice(NAMES), rng.choice(NAMES)
        if rng.random() < 0.5:
            return b"c" + module.encode() + b"\n" + name.encode() + b"\n"
        return self.text(module) + self.text(name) + b"\x93"

    def tuple(self):
        return self.rng.choice((b")", b"(t", b"(K\x01t", b"K\x01\x85", b"K\x01K\x02\x86", b"NNN\x87", b"(]t"))

    def step(self):
        rng = self.rng
        choice = rng.randrange(17)
        if choice < 4:
            self.push(self.constant())
        elif choice == 4:
            self.push(rng.choice((b"}", b"]", b"\x8f", b")", b"(d", b"(l", b"(NNd", b"(K\x01\x91")))
        elif choice == 5:
            self.push(self.importing())
        elif choice == 6:
            self.push(self.importing() + self.tuple() + rng.choice((b"R", b"\x81")))
        elif choice == 7:
            self.push(b"(" + self.importing() + rng.choice((b"", b"K\x01", b"N]")) + b"o")
        elif choice == 8:
            self.push(b"(" + rng.choice((b"", b"K\x01")) + b"i" + rng.choice(NAMES).encode() + b"\n" + rng.choice(NAMES).encode() + b"\n")
        elif choice == 9:
            self.push(self.importing() + self.tuple() + b"}" + b"\x92")
        elif choice == 10 and self.depth:
            self.out += rng.choice((b"}b", b"N}\x86b", b"K\x01K\x02s", b"(K\x01K\x02u", b"(K\x01e", b"K\x01a", b"(K\x01\x90", b"(u", b"(e"))
        elif choice == 11 and self.depth:
            self.out += self.tuple() + b"R"
        elif choice == 12 and self.depth:
            index = rng.choice((self.memo, rng.randrange(8), 300))
            self.out += rng.choice((b"\x94", b"q" + bytes((index & 255,)), b"r" + struct.pack("<I", index), b"p%d\n" % index, b"p %d\n" % index))
            self.memo += 1
        elif choice == 13 and self.memo:
            index = rng.randrange(self.memo + 1)
            self.push(rng.choice((b"h" + bytes((index & 255,)), b"j" + struct.pack("<I", index), b"g%d\n" % index)))
        elif choice == 14:
            self.push(rng.choice((b"N0N", b"(0N", b"(NN1N", b"N20", b"P7\n0N", b"NQ0N", b"\x82\x010N", b"\x83\x01\x000N", b"\x80\x02N", b"N\x98")))
        elif choice == 15 and self.depth:
            self.out += b"2"
            self.depth += 1
        elif choice == 16 and rng.random() < 0.3:
            self.out += b"("
            self.marks.append(self.depth)
            self.depth = 0


def normal(events):
    """One opcode may change an object several times; extensions are cached; no module has an empty name."""
    out = []
    for event in events:
        if event == "import .":
            return out + ["end failed"]
        repeated = out and event.startswith("change ") and out[-1] == event
        if not repeated and not (event.startswith("extension") and event in out):
            out.append(event)
    return out


def main():
    tool, count, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10000, int(sys.argv[3]) if len(sys.argv) > 3 else 1
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda event: None
    copyreg.add_extension("extension", "1", 1)
    rng = random.Random(seed)
    streams = [Generator(rng).stream() for _ in range(count)]
    with tempfile.NamedTemporaryFile() as file:
        for stream in streams:
            file.write(struct.pack("<I", len(stream)) + stream)
        file.flush()
        lines = subprocess.run([tool, file.name], check=True, capture_output=True, text=True).stdout.splitlines()
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))  # for CPython; a sanitized tool needs all addresses there are
    if len(lines) != count:
        sys.exit(f"{len(lines)} answers to {count} streams")
    wrong, stopped, further, refused = 0, 0, 0, 0
    for stream, line in zip(streams, lines):
        ours = normal(line.split(";"))
        if "frames differ" in ours:
            refused += 1
            continue
        for unpickler in (pickle.Unpickler, pickle._Unpickler):
            theirs = normal(run(unpickler, stream))
            proper = theirs[-1] == "end stopped"
            stopped += proper
            good = theirs == ours if proper else theirs[:-1] == ours[:len(theirs) - 1]
            further += not proper and ours[-1] == "end stopped"
            if not good:
                wrong += 1
                if wrong <= 10:
                    print(f"{unpickler.__module__}.{unpickler.__name__} {stream!r}\n  CPython {theirs}\n  machine {ours}")
    print(f"{count} streams, seed {seed}: {stopped} of {2 * count} runs stop properly, {further} go further than CPython, {refused} streams are refused for their frames, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
