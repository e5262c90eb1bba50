"""A local server that hands out files as torchvision's and the hub's do, with the faults that networks have."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CUT = ("cut", "stall", "broken")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Server(ThreadingHTTPServer):
    """``files``: path to content.  ``faults``: what happens to the next requests for content, one after the other:

    ``("cut", n)`` n bytes and the connection breaks; ``("stall", n)`` n bytes and nothing more; ``("status", code)``;
    ``("whole", None)`` the range is ignored, ``("broken", n)`` that and a cut after n bytes; ``("slow", n)`` n bytes
    every 20 ms.  ``renamed``: repositories by their old names.  ``log`` has (method, path, range, authorisation) of
    each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[tuple[str, Any]] = []
        self.log: list[tuple[str, str, str | None, str | None]] = []
        self.bodies: list[tuple[str, bytes]] = []
        self.renamed: dict[str, str] = {}
        self.closing = threading.Event()
        self.pause = 0.0
        """Seconds before each answer with content."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def repository(self, name: str, files: dict[str, bytes], *, commit: str = COMMIT, branch: str = "main") -> None:
        """Put a repository on the hub; earlier files of that branch are gone."""
        for path in [path for path in self.files if path.startswith(f"/{name}/resolve/{branch}/")]:
            del self.files[path]
        for file, content in files.items():
            for revision in (branch, commit):
                self.files[f"/{name}/resolve/{revision}/{file}"] = content
        self.commits = {**getattr(self, "commits", {}), name: commit}

    def gets(self, part: str = "") -> list[str | None]:
        """The ranges of the requests for content whose path holds ``part``."""
        return [span for method, path, span, _ in self.log if method == "GET" and part in path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the test."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._note()
        if self._moved():
            return
        content = self.server.files.get(self.path)
        if content is None:
            known = any(path.startswith("/".join(self.path.split("/")[:3]) + "/") for path in self.server.files)
            # As the hub: who shows no token learns nothing of repositories that he may not see.
            self._empty(
                *((404, {"X-Error-Code": "EntryNotFound"}) if known else (401, {"X-Error-Code": "RepoNotFound"}))
            )
            return
        hub = re.match(r"/([^/]+/[^/]+)/resolve/([^/]+)/", self.path)
        if hub is None:
            self._empty(200, {"Content-Length": str(len(content)), "ETag": _tag(content)})
            return
        fixed = re.fullmatch("[0-9a-f]{40}", hub[2])
        headers = {"X-Repo-Commit": hub[2] if fixed else self.server.commits[hub[1]]}
        if self.path.endswith(".json"):
            self._empty(200, {**headers, "Content-Length": str(len(content)), "ETag": _tag(content, "sha1")})
            return
        # As the hub does for large files: the answer sends one to a store, and says what will be found there.
        self.server.files[f"/store/{hashlib.sha256(content).hexdigest()}"] = content
        self._empty(
            302,
            {
                **headers,
                "X-Linked-Etag": _tag(content),
                "X-Linked-Size": str(len(content)),
                "Location": f"http://localhost:{self.server.server_address[1]}/store/{_tag(content)[1:-1]}",
            },
        )

    def do_GET(self) -> None:
        self._note()
        if self.path.startswith("/api/"):
            self._api()
            return
        if self._moved():
            return
        content = self.server.files.get(self.path)
        if content is None:
            self._empty(404)
            return
        if "/resolve/" in self.path and not self.path.endswith(".json"):
            name = hashlib.sha256(content).hexdigest()
            self.server.files[f"/store/{name}"] = content
            self._empty(302, {"Location": f"http://localhost:{self.server.server_address[1]}/store/{name}"})
            return
        time.sleep(self.server.pause)
        kind, value = self.server.faults.pop(0) if self.server.faults else ("", None)
        if kind == "status":
            self._empty(value)
            return
        self._content(content, kind, value)

    def _moved(self) -> bool:
        """As the hub does for a renamed repository: a relative address, and the commit."""
        old, slash, rest = self.path.removeprefix("/").partition("/resolve/")
        if not slash or old not in self.server.renamed:
            return False
        self._empty(307, {"Location": f"/{self.server.renamed[old]}/resolve/{rest}"})
        return True

    def _content(self, content: bytes, kind: str, value: Any) -> None:
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(span[1]) if span and kind not in ("whole", "broken") else 0
        condition = self.headers.get("If-Range")
        if start and condition not in (None, _tag(content)):
            start = 0
        if start >= len(content):
            self._empty(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", _tag(content))
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        step = value if kind == "slow" else len(content)
        end = start + value if kind in CUT else len(content)
        for place in range(start, end, step):
            self.wfile.write(content[place : min(place + step, end)])
            self.server.closing.wait(0.02 if kind == "slow" else 0)
        self.wfile.flush()
        if kind == "stall":
            self.server.closing.wait(5)
        if kind in CUT:
            self.close_connection = True

    # -- what push_to_hub asks for, as huggingface_hub sends it ------------------------------------------------------

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.bodies.append((self.path, body))
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else f"me/{asked['name']}"
            self._json({"url": f"{self.server.url}/{name}", "id": name})
        elif self.path.startswith("/api/models/") and "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None} for one in files
            ]
            self._json({"files": modes, "commitOid": COMMIT})
        elif "/commit/" in self.path:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            self._json(
                {"commitUrl": f"{self.server.url}/{name}/commit/{COMMIT}", "commitOid": COMMIT, "hookOutput": ""}
            )
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        else:
            self._empty(404)

    def _api(self) -> None:
        if re.match(r"/api/models/[^/]+/[^/]+/revision/|/api/models/[^/]+/[^/]+$", self.path):
            self._json({"id": self.path.split("/models/")[1], "sha": COMMIT, "siblings": []})
            return
        self._empty(404)

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _empty(self, code: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _note(self) -> None:
        self.server.log.append((self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization")))


def _tag(content: bytes, method: str = "sha256") -> str:
    return f'"{hashlib.new(method, content).hexdigest()}"'
