"""Keepers of secrets for tests: a strict stub of Vault's documented HTTP API (no server of it can be had here), and moto
as Secrets Manager behind a check of every signature by botocore's own signer."""
import datetime
import http.server
import json
import re
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
        if match := re.fullmatch(r"/v1/kv/(.+)", url.path):
            data = self.plain.get(match[1])
            return (200, self.envelope(data)) if data else (404, {"errors": []})
        return 404, {"errors": [f'no handler for route "{url.path[4:]}". route entry not found.']}

    def write(self, request, body: bytes):
        refused = self.common(request)
        if refused:
            return refused
        if request.path != "/v1/auth/approle/login":
            return 405, {"errors": ["unsupported operation"]}
        given = json.loads(body)
        if self.roles.get(given.get("role_id")) != given.get("secret_id"):
            return 400, {"errors": ["invalid role or secret ID"]}
        self.logins += 1
        token = f"hvs.login-{self.logins}"
        self.tokens.add(token)
        return 200, self.envelope(None) | {"auth": {"client_token": token, "accessor": "a", "policies": ["default"], "lease_duration": 3600, "renewable": True}}

    @staticmethod
    def envelope(data):
        return {"request_id": "1", "lease_id": "", "renewable": False, "lease_duration": 0, "data": data, "wrap_info": None, "warnings": None, "auth": None}


ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


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
        return self.application(environ, start_response)

    @staticmethod
    def good(environ, body: bytes) -> bool:
        import botocore.auth
        import botocore.awsrequest
        import botocore.credentials
        told = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})", environ["HTTP_AUTHORIZATION"])
        if not told or told[1] != ACCESS_KEY:
            return False
        names = told[5].split(";")
        header = lambda name: environ["CONTENT_TYPE"] if name == "content-type" else environ.get("HTTP_" + name.upper().replace("-", "_"))
        if not {"host", "x-amz-date", "x-amz-target"} <= set(names) or any(header(name) is None for name in names):
            return False
        request = botocore.awsrequest.AWSRequest(environ["REQUEST_METHOD"], f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}", {name: header(name) for name in names}, body)
        request.context["timestamp"] = header("x-amz-date")
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY), told[4], told[3])
        mine = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        now = datetime.datetime.now(datetime.timezone.utc)
        sent = datetime.datetime.strptime(header("x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        return mine == told[6] and abs((now - sent).total_seconds()) < 300


class SecretsManager:
    def __init__(self):
        import moto.server
        import werkzeug.serving
        self.checked = CheckedSignatures(moto.server.DomainDispatcherApplication(moto.server.create_backend_app))
        self.server = werkzeug.serving.make_server("127.0.0.1", 0, self.checked, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def client(self, region: str = "eu-west-1"):
        import boto3
        return boto3.client("secretsmanager", region_name=region, endpoint_url=self.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
