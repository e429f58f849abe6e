# SPDX-License-Identifier: Apache-2.0
"""A controller of its own for a test, on loopback with a port the kernel chooses, and its client."""

import http.client
import json
import os
import pathlib
import re
import select
import signal
import ssl
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("ISTHMUS_BUILD", ROOT / "build"))
START_S = 20


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.raw = response.status, response.headers, body
        self.json = json.loads(body) if body else None

    @property
    def error(self):
        return self.json["error"]

    @property
    def properties(self):
        return self.json["properties"]


def certificate(folder, name, subject):
    """A self-signed pair; returns its SHA-256 thumbprint."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", folder / (name + ".key"), "-out", folder / (name + ".pem"), "-days", "2", "-subj", subject,
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    text = subprocess.run(["openssl", "x509", "-in", folder / (name + ".pem"), "-noout", "-fingerprint", "-sha256"],
                          check=True, capture_output=True, text=True).stdout
    return text.strip().split("=")[1].replace(":", "").lower()


class Controller:
    def __init__(self, folder, **config):
        self.folder = pathlib.Path(folder)
        if not (self.folder / "server.pem").exists():
            certificate(self.folder, "server", "/CN=controller")
        self.config = {"listen": "127.0.0.1", "port": 0, "southboundPort": 0, "authentication": "none", **config}
        self.process = None
        self.start()

    def start(self):
        self.log = ""
        (self.folder / "controller.json").write_text(json.dumps(self.config))
        self.process = subprocess.Popen([BUILD / "controller" / "isthmus-controller", "-c", self.folder / "controller.json"],
                                        stderr=subprocess.PIPE)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.port = int(self.wait_log(r"serving the API on \S+ port (\d+)").group(1))

    def read_log(self, wait_s):
        if select.select([self.process.stderr], [], [], wait_s)[0]:
            self.log += (self.process.stderr.read() or b"").decode(errors="replace")
        return self.log

    def wait_log(self, pattern):
        end = time.monotonic() + START_S
        while not (found := re.search(pattern, self.log)):
            assert self.process.poll() is None and time.monotonic() < end, self.read_log(0)
            self.read_log(0.2)
        return found

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(timeout=START_S)
        self.log += (self.process.stderr.read() or b"").decode(errors="replace")
        self.process.stderr.close()
        return status

    def context(self, client=None):
        context = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        if client:
            context.load_cert_chain(self.folder / (client + ".pem"), self.folder / (client + ".key"))
        return context

    def connect(self, client=None, timeout=20):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(client), timeout=timeout)

    def ask(self, method, path, body=None, headers=None, client=None, connection=None):
        """path is under /networking/v1 unless it begins with /networking."""
        if not path.lower().startswith("/networking"):
            path = "/networking/v1/" + path.lstrip("/")
        conn = connection or self.connect(client)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        conn.request(method, path, data, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})})
        response = conn.getresponse()
        answer = Answer(response, response.read())
        if not connection:
            conn.close()
        return answer

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def put(self, path, body, **options):
        return self.ask("PUT", path, body, **options)

    def delete(self, path, **options):
        return self.ask("DELETE", path, **options)

    def must_put(self, path, properties, **more):
        answer = self.put(path, {"resourceId": path.rstrip("/").rsplit("/", 1)[1], "properties": properties, **more})
        assert answer.status in (200, 201), (path, answer.raw)
        return answer
