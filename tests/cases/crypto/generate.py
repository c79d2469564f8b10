#!/usr/bin/env python3
"""Writes ecdsa.json, ed25519.json and aes_gcm.json beside itself: what must verify or open, and above all what must not.

The cases are our own, in the manner of Project Wycheproof. Everything is computed here from the standards by plain arithmetic
(FIPS 186-5, RFC 8032, FIPS 197, SP 800-38D), so that no library is asked whether it agrees with itself. No randomness: the same
files come out each time. src/crypto/cases_test.cpp runs every case.
"""
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


class Cases:
    def __init__(self, about: str):
        self.about, self.cases = about, []

    def add(self, comment: str, expected: str, **fields):
        fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
        self.cases.append({"id": len(self.cases) + 1, "comment": comment, "expected": expected} | fields)

    def write(self, name: str):
        lines = ",\n".join(json.dumps(case) for case in self.cases)
        (HERE / name).write_text(f'{{"about": {json.dumps(self.about)},\n"count": {len(self.cases)},\n"cases": [\n{lines}\n]}}\n')


# --- DER

def length(n: int) -> bytes:
    if n < 128:
        return bytes([n])
    body = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def tlv(tag: int, body: bytes) -> bytes:
    return bytes([tag]) + length(len(body)) + body


def integer(n: int) -> bytes:
    """Two's complement, shortest form."""
    size = 1
    while not -(1 << (8 * size - 1)) <= n < 1 << (8 * size - 1):
        size += 1
    return tlv(2, n.to_bytes(size, "big", signed=True))


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, b"".join(parts))


def oid(*arcs: int) -> bytes:
    body = bytes([40 * arcs[0] + arcs[1]])
    for arc in arcs[2:]:
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.insert(0, 0x80 | arc & 0x7F)
        body += bytes(digits)
    return tlv(6, body)


# --- ECDSA

class Curve:
    def __init__(self, name, p, b, n, x, y, curve_oid, hash_name):
        self.name, self.p, self.b, self.n, self.g, self.oid, self.hash_name = name, p, b, n, (x, y), curve_oid, hash_name
        self.size = (p.bit_length() + 7) // 8

    def add(self, one, two):
        if one is None or two is None:
            return one or two
        p = self.p
        if one[0] == two[0]:
            if (one[1] + two[1]) % p == 0:
                return None
            slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, p)
        else:
            slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, p)
        x = (slope * slope - one[0] - two[0]) % p
        return x, (slope * (one[0] - x) - one[1]) % p

    def multiply(self, k, point):
        result = None
        while k:
            if k & 1:
                result = self.add(result, point)
            point, k = self.add(point, point), k >> 1
        return result

    def number(self, digest: bytes) -> int:
        e = int.from_bytes(digest, "big")
        return e >> max(0, 8 * len(digest) - self.n.bit_length())

    def hash(self, message: bytes, name=None) -> int:
        return self.number(hashlib.new(name or self.hash_name, message).digest())

    def scalar(self, seed: str) -> int:
        return int.from_bytes(hashlib.shake_256(f"{self.name} {seed}".encode()).digest(80), "big") % (self.n - 1) + 1

    def sign(self, d, e, k):
        r = self.multiply(k, self.g)[0] % self.n
        return r, pow(k, -1, self.n) * (e + r * d) % self.n

    def octets(self, point) -> bytes:
        return b"\x04" + b"".join(c.to_bytes(self.size, "big") for c in point)

    def key(self, octets: bytes, parameters: bytes | None = None) -> bytes:
        algorithm = sequence(oid(1, 2, 840, 10045, 2, 1), parameters or oid(*self.oid))
        return sequence(algorithm, tlv(3, b"\0" + octets))

    def explicit(self, generator) -> bytes:
        field = sequence(oid(1, 2, 840, 10045, 1, 1), integer(self.p))
        curve = sequence(tlv(4, (self.p - 3).to_bytes(self.size, "big")), tlv(4, self.b.to_bytes(self.size, "big")))
        return sequence(integer(1), field, curve, tlv(4, self.octets(generator)), integer(self.n), integer(1))


CURVES = [
    Curve("P-256", 2**256 - 2**224 + 2**192 + 2**96 - 1,
          0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
          0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
          0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
          0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5, (1, 2, 840, 10045, 3, 1, 7), "sha256"),
    Curve("P-384", 2**384 - 2**128 - 2**96 + 2**32 - 1,
          0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
          0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
          0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
          0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F, (1, 3, 132, 0, 34), "sha384"),
    Curve("P-521", 2**521 - 1,
          0x51953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
          0x1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
          0xC6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66,
          0x11839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E662C97EE72995EF42640C550B9013FAD0761353C7086A272C24088BE94769FD16650,
          (1, 3, 132, 0, 35), "sha512"),
]


def ecdsa():
    cases = Cases("ECDSA: DER signatures over P-256, P-384 and P-521 with SHA-256, SHA-384 and SHA-512; the key is a SubjectPublicKeyInfo. "
                  "expected: valid, invalid, or bad_key where the key itself must be refused")
    message = b"hauberk"
    for c in CURVES:
        d, k, n = c.scalar("key"), c.scalar("nonce"), c.n
        e, q = c.hash(message), c.multiply(d, c.g)
        key, (r, s) = c.key(c.octets(q)), c.sign(d, e, k)
        good = sequence(integer(r), integer(s))
        body = integer(r) + integer(s)

        def add(comment, expected, signature, key=key, message=message):
            cases.add(f"{c.name}: {comment}", expected, key=key, message=message, signature=signature)

        def of(*numbers):
            return sequence(*map(integer, numbers))

        add("as the standard has it", "valid", good)
        add("s replaced by n - s: ECDSA itself allows both; no digest of a signature is an identity here", "valid", of(r, n - s))
        add("an empty message", "valid", of(*c.sign(d, c.hash(b""), k)), message=b"")
        short = next(i for i in range(1, 5000) if c.sign(d, e, i)[0] >> (n.bit_length() - 8) == 0)
        add("r shorter than the order", "valid", of(*c.sign(d, e, short)))
        for wanted, name in ((1, "s is 1"), (n - 1, "s is n - 1")):
            other = (wanted * k - e) * pow(r, -1, n) % n
            add(name, "valid", of(r, wanted), key=c.key(c.octets(c.multiply(other, c.g))))
        twin = e * pow(r, -1, n) % n
        add("both summands are the same point, so that it must be doubled", "valid", of(*c.sign(twin, e, k)), key=c.key(c.octets(c.multiply(twin, c.g))))
        opposite = c.key(c.octets(c.multiply(-e * pow(r, -1, n) % n, c.g)))
        add("the sum is the point at infinity", "invalid", of(r, s), key=opposite)

        for name, numbers in {
                "r is 0": (0, s), "s is 0": (r, 0), "both are 0": (0, 0), "both are 1": (1, 1), "r is 0 and s is 1": (0, 1),
                "r is n": (n, s), "s is n": (r, n), "both are n": (n, n), "r + n": (r + n, s), "s + n": (r, s + n), "r - n": (r - n, s), "s - n": (r, s - n),
                "-r": (-r, s), "-s": (r, -s), "n - r": (n - r, s), "r is n + 1": (n + 1, s), "r is n - 1": (n - 1, s), "s is n + 1": (r, n + 1),
                "r is p": (c.p, s), "r is -1": (-1, s), "r is p - n": (c.p - n, s), "r + 2^(8 size)": (r + (1 << 8 * c.size), s),
                "s + 2^(8 size)": (r, s + (1 << 8 * c.size)), "r has 1000 bytes": (r << 7400, s), "swapped": (s, r), "s twice": (s, s), "r twice": (r, r)}.items():
            add(name, "invalid", of(*numbers))

        def bare(number):
            return number.to_bytes(c.size, "big")

        padded = {"r": (tlv(2, b"\0" + integer(r)[2:]) + integer(s)), "s": integer(r) + tlv(2, b"\0" + integer(s)[2:])}
        for which, changed in padded.items():
            add(f"a zero too many before {which}", "invalid", tlv(0x30, changed))
        if n.bit_length() % 8 == 0:
            high = next(i for i in range(1, 500) if c.sign(d, e, i)[0] >> (n.bit_length() - 1))
            high_r, high_s = c.sign(d, e, high)
            add("r with its highest bit set", "valid", of(high_r, high_s))
            add("the zero before an r with its highest bit set is missing: it is negative", "invalid", sequence(tlv(2, bare(high_r)), integer(high_s)))
        n_body = len(body)
        indefinite = b"\x30\x80" + body + b"\0\0"
        for name, signature in {
                "long form of the length of the sequence (BER)": b"\x30\x82" + n_body.to_bytes(2, "big") + body,
                "length of the sequence with leading zeros (BER)": b"\x30\x84" + n_body.to_bytes(4, "big") + body,
                "long form of the length of r (BER)": sequence(b"\x02\x81" + integer(r)[1:], integer(s)),
                "long form of the length of s (BER)": sequence(integer(r), b"\x02\x82\0" + integer(s)[1:]),
                "indefinite length (BER)": indefinite, "indefinite length that does not end": b"\x30\x80" + body,
                "length of the sequence one more": good[:1] + length(n_body + 1) + body,
                "length of the sequence one less": good[:1] + length(n_body - 1) + body,
                "length of the sequence 2^32 more": b"\x30\x85\1" + n_body.to_bytes(4, "big") + body,
                "length of the sequence 2^64 - 1": b"\x30\x88" + b"\xff" * 8 + body,
                "length 0 of the sequence": b"\x30\0" + body,
                "length of r one more": sequence(b"\x02" + length(len(integer(r)) - 1) + integer(r)[2:], integer(s)),
                "length of s one less": sequence(integer(r), b"\x02" + length(len(integer(s)) - 3) + integer(s)[2:]),
                "length 0 of r": sequence(b"\x02\0", integer(s)), "length 0 of s": sequence(integer(r), b"\x02\0"), "both integers empty": sequence(b"\x02\0\x02\0"),
                "a byte behind it": good + b"\0", "NULL behind it": good + b"\5\0", "the signature twice": good + good,
                "a byte within the sequence, behind s": tlv(0x30, body + b"\0"), "NULL within the sequence": tlv(0x30, body + b"\5\0"),
                "a third integer": of(r, s, 0), "a third integer in front": of(0, r, s), "r, s, s": of(r, s, s),
                "s missing": of(r), "r missing": of(s), "an empty sequence": sequence(), "an empty signature": b"", "one byte": b"\x30", "a lone zero": b"\0", "NULL": b"\5\0",
                "the last byte missing": good[:-1], "the first byte missing": good[1:], "cut in the middle": good[:len(good) // 2],
                "a SET instead of a SEQUENCE": b"\x31" + good[1:], "a primitive SEQUENCE": b"\x10" + good[1:], "an OCTET STRING instead of a SEQUENCE": b"\x04" + good[1:],
                "an application tag": b"\x70" + good[1:], "the SEQUENCE within another": sequence(good), "the SEQUENCE within an OCTET STRING": tlv(4, good),
                "r is an OCTET STRING": sequence(b"\x04" + integer(r)[1:], integer(s)), "r is an ENUMERATED": sequence(b"\x0a" + integer(r)[1:], integer(s)),
                "r is a constructed INTEGER": sequence(b"\x22" + integer(r)[1:], integer(s)), "s is a BIT STRING": sequence(integer(r), b"\x03" + integer(s)[1:]),
                "s is BOOLEAN": sequence(integer(r), b"\1\1\xff"), "s is a REAL": sequence(integer(r), b"\x09\x03\x80\0\1"), "s is NULL": sequence(integer(r), b"\5\0"),
                "r and s as bare numbers (IEEE P1363)": bare(r) + bare(s), "bare numbers in a SEQUENCE": tlv(0x30, bare(r) + bare(s)),
                "its hexadecimal spelling": good.hex().encode()}.items():
            add(name, "invalid", signature)

        other_hash = {"sha256": "sha512", "sha384": "sha256", "sha512": "sha384"}[c.hash_name]
        add("of another message", "invalid", good, message=b"Hauberk")
        add("of a longer message", "invalid", good, message=message + b"\0")
        add(f"over {other_hash}", "invalid", of(*c.sign(d, c.hash(message, other_hash), k)))
        add("over SHA-1", "invalid", of(*c.sign(d, c.hash(message, "sha1"), k)))
        add("over the message itself, not hashed", "invalid", of(*c.sign(d, int.from_bytes(message, "big"), k)))
        add("over the hash of the hash", "invalid", of(*c.sign(d, c.hash(hashlib.new(c.hash_name, message).digest()), k)))
        add("over zero", "invalid", of(*c.sign(d, 0, k)))
        add("by another key", "invalid", of(*c.sign(c.scalar("other key"), e, k)))
        for o in CURVES:
            if o is not c:
                add(f"by the key of the same number on {o.name}", "invalid", of(*o.sign(d % (o.n - 1) + 1, o.hash(message), k % (o.n - 1) + 1)))

        def add_key(comment, key, expected="bad_key"):
            add("key: " + comment, expected, good, key=key)

        x, y = q
        compressed = bytes([2 + y % 2]) + x.to_bytes(c.size, "big")
        add_key("compressed", c.key(compressed), "valid")
        add_key("compressed with the other parity: another key", c.key(bytes([3 - y % 2]) + compressed[1:]), "invalid")
        add_key("hybrid form with the wrong parity", c.key(bytes([7 - y % 2]) + c.octets(q)[1:]))
        add_key("the point at infinity", c.key(b"\0"))
        add_key("(0, 0), which is not on the curve", c.key(c.octets((0, 0))))
        add_key("y + 1, which is not on the curve", c.key(c.octets((x, (y + 1) % c.p))))
        add_key("x is p", c.key(c.octets((c.p, y))))
        add_key("y is p", c.key(c.octets((x, c.p))))
        add_key("a byte too few", c.key(c.octets(q)[:-1]))
        add_key("a byte too many", c.key(c.octets(q) + b"\0"))
        add_key("x alone", c.key(x.to_bytes(c.size, "big")))
        add_key("without a point", c.key(b""))
        add_key("a byte behind it", key + b"\0")
        add_key("on secp256k1, which is not ours", c.key(c.octets(q), oid(1, 3, 132, 0, 10)))
        add_key("with the parameters of another of ours", c.key(c.octets(q), oid(*CURVES[(CURVES.index(c) + 1) % 3].oid)))
        add_key("explicit parameters whose generator is the key itself (CVE-2020-0601): its owner need not know its number", c.key(c.octets(q), c.explicit(q)))
        add_key("parameters missing", sequence(sequence(oid(1, 2, 840, 10045, 2, 1)), tlv(3, b"\0" + c.octets(q))))
        add_key("unused bits in the BIT STRING", sequence(sequence(oid(1, 2, 840, 10045, 2, 1), oid(*c.oid)), tlv(3, b"\1" + c.octets(q))))
    cases.write("ecdsa.json")


# --- Ed25519

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1


def ed_x(y, odd):
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * ROOT % P
    if x * x % P != x2:
        return None
    return x if x % 2 == odd else -x % P


def ed_add(one, two):
    (a, b), (c, d) = one, two
    k = D * a * b * c * d % P
    return (a * d + b * c) * pow(1 + k, -1, P) % P, (b * d + a * c) * pow(1 - k, -1, P) % P


def ed_multiply(k, point):
    result = (0, 1)
    while k:
        if k & 1:
            result = ed_add(result, point)
        point, k = ed_add(point, point), k >> 1
    return result


def ed_bytes(point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def ed25519():
    cases = Cases("Ed25519 (RFC 8032) without cofactor, as OpenSSL verifies; the key is raw, 32 bytes. expected: valid, invalid, or bad_key where "
                  "the key itself must be refused: under a key of small order, signatures fit any message and anybody can make them")
    base_y = 4 * pow(5, -1, P) % P
    base = (ed_x(base_y, 0), base_y)
    message = b"hauberk"

    def number(*parts: bytes) -> int:
        return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L

    def scalar(s: int) -> bytes:
        return s.to_bytes(32, "little")

    a = number(b"our key")
    point = ed_multiply(a, base)
    key = ed_bytes(point)
    prefix = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\0"

    def add(comment, expected, signature, key=key, message=message):
        cases.add(comment, expected, key=prefix + key, message=message, signature=signature)

    def sign(message=message, a=a, key=key, r=None, domain=b""):
        r = number(b"nonce", message) if r is None else r
        head = ed_bytes(ed_multiply(r, base))
        return head + scalar((r + number(domain, head, key, message) * a) % L)

    good = sign()
    head, s = good[:32], int.from_bytes(good[32:], "little")
    add("as the standard has it", "valid", good)
    add("an empty message", "valid", sign(b""), message=b"")
    add("a message of 1023 bytes", "valid", sign(b"m" * 1023), message=b"m" * 1023)
    for times in range(1, 16):
        if s + times * L < 2**256:
            add(f"S + {times} L, the same number modulo L", "invalid", head + scalar(s + times * L))
    for name, value in {"S is 0": 0, "S is L": L, "S is L - S": L - s, "S is 2^256 - 1": 2**256 - 1, "S is 2^253": 2**253, "S + 2^255": s + 2**255, "S is S + 1": s + 1}.items():
        add(name, "invalid", head + scalar(value))
    for bit in (253, 254, 255):
        add(f"bit {bit} of S is set", "invalid", head + scalar(s | 1 << bit))
    for bit in (0, 7, 100, 247, 254, 255):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        add(f"bit {bit} of R is changed", "invalid", bytes(changed))
    for name, changed in {"empty": b"", "one byte": good[:1], "R alone": head, "S alone": good[32:], "the last byte missing": good[:-1], "a zero behind it": good + b"\0",
                          "the signature twice": good + good, "R and S exchanged": good[32:] + head, "S the other way round": head + good[:31:-1],
                          "R the other way round": head[::-1] + good[32:], "in an OCTET STRING": tlv(4, good), "in a SEQUENCE, as ECDSA has it": sequence(tlv(2, head), tlv(2, good[32:])),
                          "all zeros": bytes(64), "all ones": b"\xff" * 64, "hexadecimal": good.hex().encode(), "R is the key": key + good[32:]}.items():
        add(name, "invalid", changed)
    add("of another message", "invalid", good, message=b"Hauberk")
    add("of a longer message", "invalid", good, message=message + b"\0")
    other = number(b"another key")
    add("by another key", "invalid", sign(a=other, key=ed_bytes(ed_multiply(other, base))))
    add("by another key that hashed ours", "invalid", sign(a=other))
    add("Ed25519ctx with an empty context", "invalid", sign(domain=b"SigEd25519 no Ed25519 collisions\0\0"))
    hashed = hashlib.sha512(message).digest()
    r = number(b"nonce", hashed)
    commitment = ed_bytes(ed_multiply(r, base))
    add("Ed25519ph", "invalid", commitment + scalar((r + number(b"SigEd25519 no Ed25519 collisions\1\0", commitment, key, hashed) * a) % L))
    add("over the SHA-512 of the message", "invalid", sign(hashed))

    # Points of small order: the multiples of one of order 8.
    points = ((ed_x(y, 0), y) for y in range(2, 200))
    torsion = next(t for t in (ed_multiply(L, q) for q in points if q[0] is not None) if ed_multiply(4, t) != (0, 1))
    small = [ed_multiply(i, torsion) for i in range(8)]
    for i, t in enumerate(small):
        encoded = ed_bytes(t)
        order = next(o for o in (1, 2, 4, 8) if ed_multiply(o, t) == (0, 1))
        fits = next((m for m in (f"message {j}".encode() for j in range(100)) if ed_multiply(number(ed_bytes((0, 1)), encoded, m) % 8, t) == (0, 1)))
        add(f"key of order {order}, R neutral and S zero fit this message", "bad_key", ed_bytes((0, 1)) + scalar(0), key=encoded, message=fits)
        if i:
            add(f"R of order {order}, S as for the neutral one", "invalid", encoded + scalar(number(encoded, key, message) * a % L))
            mixed = ed_bytes(ed_add(ed_multiply(7, base), t))
            add(f"R with a part of order {order}: equal only after multiplication by 8", "invalid", mixed + scalar((7 + number(mixed, key, message) * a) % L))
    neutral = ed_bytes((0, 1))
    add("R is the neutral element: only the owner can make it, and the equation holds", "valid", neutral + scalar(number(neutral, key, message) * a % L))
    for name, encoded in {"the neutral element as y = p + 1": scalar(P + 1), "the neutral element with a sign": scalar(1 | 1 << 255), "y = p + 1 with a sign": scalar((P + 1) | 1 << 255)}.items():
        add(f"R is {name}, not canonical", "invalid", encoded + scalar(number(encoded, key, message) * a % L))
        add(f"key is {name}, not canonical", "bad_key", neutral + scalar(0), key=encoded)
    for y in range(P, 2**255):
        for sign_bit in (0, 1):
            add(f"key with y = p + {y - P}, sign {sign_bit}: not canonical", "bad_key", good, key=scalar(y | sign_bit << 255))
    add("key of order 2 with a sign, though x is zero", "bad_key", neutral + scalar(0), key=scalar((P - 1) | 1 << 255))
    add("key whose y belongs to no point", "invalid", good, key=scalar(next(y for y in range(2, 50) if ed_x(y, 0) is None)))
    add("key negated", "invalid", good, key=ed_bytes((P - point[0], point[1])))

    # A key with a part of small order: valid only where that part falls out, as without a cofactor it must.
    mixed_key = ed_bytes(ed_add(point, torsion))
    for wanted, expected in ((True, "valid"), (False, "invalid")):
        for j in range(200):
            text = f"message {j}".encode()
            signature = sign(text, key=mixed_key)
            if (number(signature[:32], mixed_key, text) % 8 == 0) == wanted:
                add(f"key with a part of order 8, which {'falls out' if wanted else 'stays'}", expected, signature, key=mixed_key, message=text)
                break
    for name, encoded in {"a byte too few": key[:-1], "a byte too many": key + b"\0", "empty": b""}.items():
        cases.add(f"key: {name}", "bad_key", key=sequence(sequence(oid(1, 3, 101, 112)), tlv(3, b"\0" + encoded)), message=message, signature=good)
    cases.add("key: of X25519", "bad_key", key=sequence(sequence(oid(1, 3, 101, 110)), tlv(3, b"\0" + key)), message=message, signature=good)
    cases.add("key: of Ed448", "bad_key", key=sequence(sequence(oid(1, 3, 101, 113)), tlv(3, b"\0" + key)), message=message, signature=good)
    cases.write("ed25519.json")


# --- AES-256-GCM

def make_sbox():
    p = q = 1
    box = [0] * 256
    while True:
        p = p ^ (p << 1) & 0xFF ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        rotated = [(q << i | q >> 8 - i) & 0xFF for i in range(5)]
        box[p] = rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = make_sbox()


class Aes256:
    def __init__(self, key: bytes):
        words, constant = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
        while len(words) < 60:
            word = list(words[-1])
            if len(words) % 8 == 0:
                word = [SBOX[b] for b in word[1:] + word[:1]]
                word[0] ^= constant
                constant <<= 1
            elif len(words) % 8 == 4:
                word = [SBOX[b] for b in word]
            words.append([a ^ b for a, b in zip(word, words[-8])])
        self.keys = [sum(words[i:i + 4], []) for i in range(0, 60, 4)]

    def encrypt(self, block: bytes) -> bytes:
        def double(b):
            return b << 1 & 0xFF ^ (0x1B if b & 0x80 else 0)
        state = [a ^ b for a, b in zip(block, self.keys[0])]
        for number, key in enumerate(self.keys[1:], 1):
            state = [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if number < len(self.keys) - 1:
                mixed = []
                for column in range(0, 16, 4):
                    a = state[column:column + 4]
                    mixed += [double(a[i]) ^ double(a[(i + 1) % 4]) ^ a[(i + 1) % 4] ^ a[(i + 2) % 4] ^ a[(i + 3) % 4] for i in range(4)]
                state = mixed
            state = [a ^ b for a, b in zip(state, key)]
        return bytes(state)


def field_multiply(x: int, v: int) -> int:
    y = 0
    for bit in range(127, -1, -1):
        y ^= v if x >> bit & 1 else 0
        v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
    return y


def ghash(h: int, data: bytes) -> int:
    y = 0
    for at in range(0, len(data), 16):
        y = field_multiply(y ^ int.from_bytes(data[at:at + 16].ljust(16, b"\0"), "big"), h)
    return y


def nonce_for(key: bytes, first: int) -> bytes:
    """The nonce of 16 bytes that is hashed to this first counter block."""
    h = int.from_bytes(Aes256(key).encrypt(bytes(16)), "big")
    inverse, power = 1 << 127, h  # h to the power of 2^128 - 2; bit 127 is the field's one
    for _ in range(127):
        power = field_multiply(power, power)
        inverse = field_multiply(inverse, power)
    return field_multiply(field_multiply(first, inverse) ^ 128, inverse).to_bytes(16, "big")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def gcm(key, nonce, associated, plaintext, lengths=True):
    aes = Aes256(key)
    h = int.from_bytes(aes.encrypt(bytes(16)), "big")
    first = nonce + b"\0\0\0\1" if len(nonce) == 12 else ghash(h, padded(nonce) + bytes(8) + (8 * len(nonce)).to_bytes(8, "big")).to_bytes(16, "big")
    counter, out = int.from_bytes(first[12:], "big"), b""
    for at in range(0, len(plaintext), 16):
        counter = (counter + 1) % 2**32
        stream = aes.encrypt(first[:12] + counter.to_bytes(4, "big"))
        out += bytes(a ^ b for a, b in zip(plaintext[at:at + 16], stream))
    hashed = padded(associated) + padded(out)
    if lengths:
        hashed += (8 * len(associated)).to_bytes(8, "big") + (8 * len(out)).to_bytes(8, "big")
    mask = int.from_bytes(aes.encrypt(first), "big")
    return out, (ghash(h, hashed) ^ mask).to_bytes(16, "big")


def aes_gcm():
    cases = Cases("AES-256-GCM with nonces of 96 bits and tags of 128, the only ones that are taken. With such nonces the block counter begins at 1 and "
                  "cannot wrap within the longest message; other nonces, where it can, are refused. expected: valid (and opens to `plaintext`) or invalid")
    key = hashlib.sha256(b"our key").digest()
    nonce, associated, plaintext = bytes(range(12)), b"blob 7, segment 3", b"sixteen bytes and then some more"

    def add(comment, expected, *, key=key, nonce=nonce, associated=associated, ciphertext, tag, plaintext=b""):
        cases.add(comment, expected, key=key, nonce=nonce, associated=associated, ciphertext=ciphertext, tag=tag, plaintext=plaintext)

    text, tag = gcm(key, nonce, associated, plaintext)
    add("as the standard has it", "valid", ciphertext=text, tag=tag, plaintext=plaintext)
    for size in (0, 1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 255, 256, 257, 1000):
        for extra in (0, 1, 16, 20):
            content, about = bytes(i % 251 for i in range(size)), bytes(i % 7 for i in range(extra))
            c, t = gcm(key, nonce, about, content)
            add(f"{size} bytes, {extra} of associated data", "valid", associated=about, ciphertext=c, tag=t, plaintext=content)
    long = bytes(i % 253 for i in range(4099))
    c, t = gcm(key, nonce, long, plaintext)
    add("long associated data", "valid", associated=long, ciphertext=c, tag=t, plaintext=plaintext)
    add("long associated data, its last byte missing", "invalid", associated=long[:-1], ciphertext=c, tag=t)
    for name, other in {"of zeros": bytes(12), "of ones": b"\xff" * 12, "that ends with the highest counter": bytes(8) + b"\xff" * 4}.items():
        c, t = gcm(key, other, associated, plaintext)
        add(f"nonce {name}", "valid", nonce=other, ciphertext=c, tag=t, plaintext=plaintext)
    for name, other in {"zeros": bytes(32), "ones": b"\xff" * 32}.items():
        c, t = gcm(other, nonce, associated, plaintext)
        add(f"key of {name}", "valid", key=other, ciphertext=c, tag=t, plaintext=plaintext)

    for bit in range(128):
        changed = bytearray(tag)
        changed[bit // 8] ^= 1 << bit % 8
        add(f"bit {bit} of the tag is changed", "invalid", ciphertext=text, tag=bytes(changed))
    for size in range(16):
        add(f"tag cut to {size} bytes", "invalid", ciphertext=text, tag=tag[:size])
    for name, changed in {"a zero behind it": tag + b"\0", "twice": tag + tag, "zeros": bytes(16), "ones": b"\xff" * 16, "the other way round": tag[::-1],
                          "all bits changed": bytes(b ^ 0xFF for b in tag), "of the empty message": gcm(key, nonce, b"", b"")[1],
                          "without associated data": gcm(key, nonce, b"", plaintext)[1], "of another nonce": gcm(key, nonce[::-1], associated, plaintext)[1],
                          "without the lengths": gcm(key, nonce, associated, plaintext, lengths=False)[1], "first eight bytes, then zeros": tag[:8] + bytes(8)}.items():
        add(f"tag: {name}", "invalid", ciphertext=text, tag=changed)
    for size in (0, 1, 4, 8, 11, 13, 15, 16, 24, 32):
        other = bytes(range(size))
        c, t = gcm(key, other, associated, plaintext) if size else (text, tag)
        add(f"nonce of {size} bytes, rightly computed" if size else "without a nonce", "invalid", nonce=other, ciphertext=c, tag=t)
    # With a nonce that is hashed the counter can begin just below its wrap.
    wrapping = nonce_for(key, 0x1234 << 96 | 2**32 - 2)
    c, t = gcm(key, wrapping, associated, bytes(64))
    add("nonce of 16 bytes that makes the counter wrap", "invalid", nonce=wrapping, ciphertext=c, tag=t)
    for bit in (0, 1, 50, 95):
        changed = bytearray(nonce)
        changed[bit // 8] ^= 1 << bit % 8
        add(f"bit {bit} of the nonce is changed", "invalid", nonce=bytes(changed), ciphertext=text, tag=tag)
    for bit in (0, 1, 127, 128, 8 * len(text) - 1):
        changed = bytearray(text)
        changed[bit // 8] ^= 1 << bit % 8
        add(f"bit {bit} of the ciphertext is changed", "invalid", ciphertext=bytes(changed), tag=tag)
    for name, changed in {"empty": b"", "its last byte missing": text[:-1], "its first byte missing": text[1:], "a zero behind it": text + b"\0", "its last block missing": text[:16],
                          "its blocks exchanged": text[16:] + text[:16], "the plaintext": plaintext, "a block of zeros behind it": text + bytes(16)}.items():
        add(f"ciphertext: {name}", "invalid", ciphertext=changed, tag=tag)
    for name, changed in {"missing": b"", "its last byte missing": associated[:-1], "a zero behind it": associated + b"\0", "another": b"blob 8, segment 3",
                          "padded to a block": padded(associated), "the ciphertext too": associated + text}.items():
        add(f"associated data: {name}", "invalid", associated=changed, ciphertext=text, tag=tag)
    whole = bytes(range(16))
    c, t = gcm(key, nonce, whole, plaintext)
    add("a block moved from the associated data to the ciphertext", "invalid", associated=b"", ciphertext=whole + c, tag=t)
    add("a block moved from the ciphertext to the associated data", "invalid", associated=whole + c[:16], ciphertext=c[16:], tag=t)
    c, t = gcm(key, nonce, b"", b"")
    add("associated data where there was none", "invalid", associated=b"\0", ciphertext=c, tag=t)
    add("an empty message, changed tag", "invalid", associated=b"", ciphertext=c, tag=t[:-1] + bytes([t[-1] ^ 1]))
    for bit in (0, 128, 255):
        changed = bytearray(key)
        changed[bit // 8] ^= 1 << bit % 8
        add(f"bit {bit} of the key is changed", "invalid", key=bytes(changed), ciphertext=text, tag=tag)
    cases.write("aes_gcm.json")


if __name__ == "__main__":
    ecdsa()
    ed25519()
    aes_gcm()
