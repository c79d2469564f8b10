"""Keepers of secrets and keys for tests: a strict stub of Vault's documented HTTP API (no server of it can be had here), moto
as Secrets Manager and KMS behind a check of every signature by botocore's own signer, and a token of SoftHSM."""
import base64
import contextlib
import datetime
import http.server
import json
import os
import pathlib
import re
import secrets
import subprocess
import threading
import urllib.parse


class VaultStub:
    """Key-value engines `secret/` (version 2) and `kv/` (version 1), tokens and AppRole. What Vault would refuse is refused."""

    def __init__(self):
        self.versions = {"team/hf": [{"token": "hf_first"}], "team/two": [{"a": "1", "b": "2"}], "gone": [None]}
        self.plain = {"team/hf": {"token": "hf_plain"}}
        self.tokens = {"root"}
        self.roles = {"hauberk": "the-secret-id"}
        self.namespace = None
        self.sealed = False
        self.busy = 0  # so many answers of 503 before it works again
        self.requests: list[tuple[str, str]] = []
        self.logins = 0
        self.transit: dict[str, Transit] = {}
        self.may: set[str] | None = None  # of transit: "sign", "keys", …; None: all of it
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer(*stub.read(self))

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(*stub.write(self, body))

            def answer(self, status: int, value):
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def common(self, request):
        self.requests.append((request.command, request.path))
        if request.headers.get("X-Vault-Request") != "true":
            return 400, {"errors": ["missing X-Vault-Request header"]}
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if self.busy:
            self.busy -= 1
            return 503, {"errors": ["local node not active but active cluster node not found"]}
        if request.headers.get("X-Vault-Namespace") != self.namespace:
            return 404, {"errors": ["no handler for route"]}
        return None

    def read(self, request):
        refused = self.common(request)
        if refused:
            return refused
        if request.headers.get("X-Vault-Token") not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        url = urllib.parse.urlsplit(request.path)
        query = urllib.parse.parse_qs(url.query)
        if match := re.fullmatch(r"/v1/secret/data/(.+)", url.path):
            versions = self.versions.get(match[1])
            number = int(query.get("version", [len(versions or [])])[0])
            if not versions or not 1 <= number <= len(versions):
                return 404, {"errors": []}
            data = versions[number - 1]
            metadata = {"created_time": "2026-01-01T00:00:00Z", "deletion_time": "" if data else "2026-01-02T00:00:00Z", "destroyed": False, "version": number}
            return (200 if data else 404), self.envelope({"data": data, "metadata": metadata})
        if match := re.fullmatch(r"/v1/transit/keys/([\w.-]+)", url.path):
            if self.may is not None and "keys" not in self.may:
                return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
            key = self.transit.get(match[1])
            return (200, self.envelope(key.read(match[1]))) if key else (404, {"errors": []})
        if match := re.fullmatch(r"/v1/kv/(.+)", url.path):
            data = self.plain.get(match[1])
            return (200, self.envelope(data)) if data else (404, {"errors": []})
        return 404, {"errors": [f'no handler for route "{url.path[4:]}". route entry not found.']}

    def write(self, request, body: bytes):
        refused = self.common(request)
        if refused:
            return refused
        if match := re.fullmatch(r"/v1/transit/keys/([\w.-]+)/rotate", request.path):
            if request.headers.get("X-Vault-Token") not in self.tokens or match[1] not in self.transit:
                return 403, {"errors": ["permission denied"]}
            self.transit[match[1]].rotate()
            return 200, self.envelope(self.transit[match[1]].read(match[1]))
        if match := re.fullmatch(r"/v1/transit/(sign|encrypt|decrypt)/([\w.-]+)((?:/[\w-]+)?)", request.path):
            return self.use(request, *match.groups(), body)
        if request.path != "/v1/auth/approle/login":
            return 405, {"errors": ["unsupported operation"]}
        given = json.loads(body)
        if self.roles.get(given.get("role_id")) != given.get("secret_id"):
            return 400, {"errors": ["invalid role or secret ID"]}
        self.logins += 1
        token = f"hvs.login-{self.logins}"
        self.tokens.add(token)
        return 200, self.envelope(None) | {"auth": {"client_token": token, "accessor": "a", "policies": ["default"], "lease_duration": 3600, "renewable": True}}

    def use(self, request, action: str, name: str, rest: str, body: bytes):
        if request.headers.get("X-Vault-Token") not in self.tokens or (self.may is not None and action not in self.may):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        if request.headers.get("Content-Type") != "application/json":
            return 415, {"errors": ["unsupported media type"]}
        key = self.transit.get(name)
        if key is None:
            return 400, {"errors": ["encryption key not found" if action != "sign" else "signing key not found"]}
        try:
            return 200, self.envelope(getattr(key, action)(rest.lstrip("/"), json.loads(body)))
        except (ValueError, KeyError) as error:
            return 400, {"errors": [str(error)]}

    @staticmethod
    def envelope(data):
        return {"request_id": "1", "lease_id": "", "renewable": False, "lease_duration": 0, "data": data, "wrap_info": None, "warnings": None, "auth": None}


class Transit:
    """One key of the transit engine with its versions, by the documented API: sign, encrypt, decrypt; unknown parameters are refused."""

    def __init__(self, type: str):
        self.type, self.versions, self.derived = type, [], False
        self.min_encryption_version, self.min_decryption_version = 0, 1
        self.ignores_associated_data = False  # as servers did before they knew it
        self.rotate()

    def rotate(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        make = {"ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()), "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
                "ed25519": ed25519.Ed25519PrivateKey.generate, "aes256-gcm96": lambda: os.urandom(32)}
        self.versions.append(make[self.type]())

    def read(self, name: str) -> dict:
        from cryptography.hazmat.primitives import serialization as s
        keys = {}
        for number, key in enumerate(self.versions, 1):
            if number < self.min_decryption_version:
                continue
            if self.type == "aes256-gcm96":
                keys[str(number)] = 1700000000 + number
            elif self.type == "ed25519":
                keys[str(number)] = {"creation_time": "2026-01-01T00:00:00Z", "name": "ed25519", "public_key": base64.b64encode(key.public_key().public_bytes(s.Encoding.Raw, s.PublicFormat.Raw)).decode()}
            else:
                keys[str(number)] = {"creation_time": "2026-01-01T00:00:00Z", "name": "P-256", "public_key": key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode()}
        return {"name": name, "type": self.type, "derived": self.derived, "exportable": False, "keys": keys, "latest_version": len(self.versions),
                "min_decryption_version": self.min_decryption_version, "min_encryption_version": self.min_encryption_version, "supports_signing": self.type != "aes256-gcm96"}

    def version(self, given: dict, needed: set[str], known: set[str]) -> int:
        if not needed <= set(given) <= known:
            raise ValueError(f"unexpected parameters: {sorted(given)}")
        number = given.get("key_version", 0) or len(self.versions)
        if type(number) is not int or not 1 <= number <= len(self.versions):
            raise ValueError("requested version for signing is not available")
        if number < self.min_encryption_version:
            raise ValueError("requested version for encryption is less than the minimum encryption key version")
        return number

    def sign(self, rest: str, given: dict) -> dict:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        number = self.version(given, {"input"}, {"input", "key_version", "prehashed", "marshaling_algorithm", "hash_algorithm"})
        message, key = base64.b64decode(given["input"], validate=True), self.versions[number - 1]
        if self.type == "ed25519":
            if given.get("prehashed") or rest:
                raise ValueError("only Pure Ed25519 signatures supported, prehashed must be false")
            signature = key.sign(message)
        elif self.type == "ecdsa-p256":
            if rest not in ("", "sha2-256") or given.get("marshaling_algorithm", "asn1") != "asn1":
                raise ValueError("not what this stub knows")
            if given.get("prehashed") and len(message) != 32:
                raise ValueError("invalid hash length")
            signature = key.sign(message, ec.ECDSA(utils.Prehashed(hashes.SHA256()) if given.get("prehashed") else hashes.SHA256()))
        else:
            raise ValueError(f"key type {self.type} does not support signing")
        return {"signature": f"vault:v{number}:{base64.b64encode(signature).decode()}", "key_version": number}

    def encrypt(self, rest: str, given: dict) -> dict:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        number = self.version(given, {"plaintext"}, {"plaintext", "associated_data", "key_version"})
        if self.type != "aes256-gcm96" or rest:
            raise ValueError(f"message encryption not supported for key type {self.type}")
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(self.versions[number - 1]).encrypt(nonce, base64.b64decode(given["plaintext"], validate=True), self.associated(given))
        return {"ciphertext": f"vault:v{number}:{base64.b64encode(sealed).decode()}", "key_version": number}

    def decrypt(self, rest: str, given: dict) -> dict:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        if not {"ciphertext"} <= set(given) <= {"ciphertext", "associated_data"} or rest or self.type != "aes256-gcm96":
            raise ValueError("unexpected parameters")
        told = re.fullmatch(r"vault:v(\d+):([A-Za-z0-9+/=]+)", given["ciphertext"])
        if not told or not 1 <= int(told[1]) <= len(self.versions):
            raise ValueError("invalid ciphertext: no prefix")
        if int(told[1]) < self.min_decryption_version:
            raise ValueError("ciphertext or signature version is disallowed by policy (too old)")
        sealed = base64.b64decode(told[2], validate=True)
        try:
            plain = AESGCM(self.versions[int(told[1]) - 1]).decrypt(sealed[:12], sealed[12:], self.associated(given))
        except InvalidTag:
            raise ValueError("invalid ciphertext: unable to decrypt") from None
        return {"plaintext": base64.b64encode(plain).decode()}

    def associated(self, given: dict) -> bytes | None:
        return None if self.ignores_associated_data else base64.b64decode(given.get("associated_data", ""), validate=True)


ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def assumed_secret(access_key: str, session_token: str | None) -> str | None:
    """The secret key that STS gave out with that key and token."""
    from moto.sts.models import sts_backends
    for account in sts_backends.values():
        for backend in account.values():
            if (role := backend.get_assumed_role_from_access_key(access_key)) and role.session_token == session_token:
                return role.secret_access_key
    return None


class CheckedSignatures:
    """WSGI: lets a request through if botocore, given the same request and the secret key, signs it alike."""

    def __init__(self, application):
        self.application = application
        self.refused = 0

    def __call__(self, environ, start_response):
        import io
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if "HTTP_AUTHORIZATION" in environ and not self.good(environ, body):
            self.refused += 1
            start_response("403 Forbidden", [("Content-Type", "application/x-amz-json-1.1")])
            return [b'{"__type":"InvalidSignatureException","message":"The request signature we calculated does not match"}']
        with Digests.of(environ, body):
            return self.application(environ, start_response)

    @staticmethod
    def good(environ, body: bytes) -> bool:
        import botocore.auth
        import botocore.awsrequest
        import botocore.credentials
        told = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})", environ["HTTP_AUTHORIZATION"])
        secret = {ACCESS_KEY: SECRET_KEY}.get(told[1]) if told else None
        if told and not secret:
            secret = assumed_secret(told[1], environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
        if not secret:
            return False
        names = told[5].split(";")
        header = lambda name: environ["CONTENT_TYPE"] if name == "content-type" else environ.get("HTTP_" + name.upper().replace("-", "_"))
        if not {"host", "x-amz-date", "x-amz-target"} <= set(names) or any(header(name) is None for name in names):
            return False
        request = botocore.awsrequest.AWSRequest(environ["REQUEST_METHOD"], f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}", {name: header(name) for name in names}, body)
        request.context["timestamp"] = header("x-amz-date")
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(told[1], secret), told[4], told[3])
        mine = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        now = datetime.datetime.now(datetime.timezone.utc)
        sent = datetime.datetime.strptime(header("x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        return mine == told[6] and abs((now - sent).total_seconds()) < 300


class Digests:
    """moto 5.2 hashes what it signs even if MessageType says that it is a digest; KMS does not. Only that is mended here."""

    now = threading.local()

    @classmethod
    @contextlib.contextmanager
    def of(cls, environ, body: bytes):
        cls.now.digest = environ.get("HTTP_X_AMZ_TARGET") == "TrentService.Sign" and json.loads(body).get("MessageType") == "DIGEST"
        try:
            yield
        finally:
            cls.now.digest = False

    @classmethod
    def teach_moto(cls) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from moto.kms.utils import ECDSAPrivateKey
        if hasattr(ECDSAPrivateKey, "as_it_was"):
            return
        ECDSAPrivateKey.as_it_was = ECDSAPrivateKey.sign

        def sign(self, message: bytes, signing_algorithm: str) -> bytes:
            if not getattr(cls.now, "digest", False):
                return self.as_it_was(message, signing_algorithm)
            assert signing_algorithm == "ECDSA_SHA_256" and len(message) == 32
            return self.private_key.sign(message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

        ECDSAPrivateKey.sign = sign


class Aws:
    """moto, whole: Secrets Manager and KMS."""

    def __init__(self):
        import moto.server
        import werkzeug.serving
        Digests.teach_moto()
        self.checked = CheckedSignatures(moto.server.DomainDispatcherApplication(moto.server.create_backend_app))
        self.server = werkzeug.serving.make_server("127.0.0.1", 0, self.checked, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def client(self, service: str = "secretsmanager", region: str = "eu-west-1"):
        import boto3
        return boto3.client(service, region_name=region, endpoint_url=self.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "hsm-pin-1234"


class SoftHsm:
    """A token "hauberk" of SoftHSM below the folder; `env` leads to it."""

    def __init__(self, folder):
        self.folder, self.count = pathlib.Path(folder), 0
        (self.folder / "tokens").mkdir(parents=True)
        (self.folder / "softhsm2.conf").write_text(f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.env = {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}
        self.util("--init-token", "--free", "--label", "hauberk", "--so-pin", "so-pin-5678")

    def util(self, *arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments, "--pin", PIN], check=True, capture_output=True, env=os.environ | self.env)

    def keep(self, label: str, value: bytes) -> None:
        """A secret, as a data object that only who has the PIN sees."""
        path = self.folder / "data"
        path.write_bytes(value)
        subprocess.run(["pkcs11-tool", "--module", SOFTHSM, "--token-label", "hauberk", "--login", "--pin", PIN, "--write-object", str(path), "--type", "data", "--label", label, "--private"],
                       check=True, capture_output=True, env=os.environ | self.env)
        path.unlink()

    def add(self, label: str, kind: str) -> str:
        """A new key with an id of its own, which is returned."""
        from cryptography.hazmat.primitives import serialization as s
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        self.count += 1
        path, id = self.folder / "key", f"{self.count:02x}"
        if kind.startswith("aes"):
            path.write_text(secrets.token_hex(int(kind[3:]) // 16))  # letters: softhsm2-util 2.6 cuts a key at some bytes
        else:
            key = {"ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()), "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
                   "ed25519": ed25519.Ed25519PrivateKey.generate}[kind]()
            path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
        self.util("--import", str(path), *(["--aes"] if kind.startswith("aes") else []), "--token", "hauberk", "--label", label, "--id", id)
        path.unlink()
        return id
