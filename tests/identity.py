"""An identity provider (OpenID Connect) on 127.0.0.1 that signs in whoever it is told to."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "portal"


@dataclass
class Provider:
    address: str
    person: dict[str, Any] = field(default_factory=dict)  # the claims of who sits before the browser
    codes: dict[str, str] = field(default_factory=dict)  # code: nonce
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def answer(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        match path:
            case "/.well-known/openid-configuration":
                ends = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
                found = {f"{name}_endpoint": f"{self.address}/{end}" for name, end in ends.items()}
                return found | {"issuer": self.address, "jwks_uri": f"{self.address}/jwks"}
            case "/jwks":
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
                return {"keys": [public | {"kid": "1", "alg": "RS256", "use": "sig"}]}
            case "/token":
                now = int(time.time())
                nonce = self.codes.pop(query["code"])
                claims = self.person | {"iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 60}
                signed = jwt.encode(claims | {"nonce": nonce}, self.key, "RS256", headers={"kid": "1"})
                return {"access_token": "opens userinfo", "token_type": "Bearer", "id_token": signed}
            case _:
                return self.person


@contextmanager
def identity_provider() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/authorize":
                code = secrets.token_hex(8)
                provider.codes[code] = query.get("nonce", "")
                self.send_response(302)
                back = urlencode({"code": code, "state": query["state"]})
                self.send_header("Location", f"{query['redirect_uri']}?{back}")
                self.end_headers()
            else:
                self.send_json(provider.answer(parts.path, query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent = {name: values[0] for name, values in parse_qs(body).items()}
            self.send_json(provider.answer(self.path, sent))

        def send_json(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield provider
        server.shutdown()
        thread.join()
