# SPDX-License-Identifier: Apache-2.0
"""A gateway's end of the southbound, as far as a test needs one: joins, polls, reports, beats."""

import http.client
import json
import ssl
import subprocess

from controller import BUILD


def bootstrap(folder):
    subprocess.run([BUILD / "controller" / "isthmus-controller", "bootstrap", "--dir", folder, "--name", "127.0.0.1"],
                   check=True, capture_output=True)


def token(folder):
    return subprocess.run([BUILD / "controller" / "isthmus-controller", "token", "--dir", folder],
                          check=True, capture_output=True, text=True).stdout.strip()


class Gateway:
    def __init__(self, controller, name):
        self.controller, self.name, self.folder = controller, name, controller.folder
        self.port = int(controller.wait_log(r"serving gateways on \S+ port (\d+)").group(1))
        self.since, self.term, self.objects, self.beat_count = 0, 0, {}, 0
        self.cert, self.key = self.folder / (name + ".crt"), self.folder / (name + ".key")

    def ask(self, method, path, body=None, certificate=True):
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if certificate and self.cert.exists():
            context.load_cert_chain(self.cert, self.key)
        conn = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        conn.request(method, "/southbound/v1/" + path, None if body is None else json.dumps(body))
        response = conn.getresponse()
        text = response.read()
        conn.close()
        return response.status, json.loads(text)

    def csr(self, key=None):
        return subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                               "-keyout", key or self.key, "-subj", "/CN=anything"], check=True, capture_output=True, text=True).stdout

    def csr_with_new_key(self):
        return self.csr(self.folder / (self.name + ".new.key"))

    def keep(self, answer):
        self.cert.write_text(answer["certificate"])

    def take(self, answer):
        """The new certificate and the key that csr_with_new_key() made."""
        self.keep(answer)
        self.key.write_text((self.folder / (self.name + ".new.key")).read_text())

    def enrol(self, secret=None):
        secret = secret or token(self.folder).split(":")[0]
        status, answer = self.ask("POST", "enrol", {"token": secret, "gateway": self.name, "csr": self.csr()}, certificate=False)
        if status == 200:
            self.keep(answer)
        return status

    def poll(self, wait=0):
        status, answer = self.ask("GET", "objects?since=%d&wait=%d" % (self.since, wait))
        assert status == 200, answer
        if answer["full"]:
            self.objects = {}
        for o in answer["objects"]:
            if o.get("deleted"):
                self.objects.pop((o["kind"], o["key"]), None)
            else:
                self.objects[o["kind"], o["key"]] = o["value"]
        self.since, self.term = answer["revision"], answer["term"]
        return answer

    def report(self, **more):
        status, answer = self.ask("POST", "report", {"version": "1.0", "instance": "test", "term": self.term,
                                                     "revision": self.since, **more})
        assert status == 200, answer

    def beat(self):
        """Two heartbeats: only a count that was seen to move proves that the workers do."""
        self._beat()
        return self._beat()

    def _beat(self):
        self.beat_count += 1
        return self.ask("POST", "heartbeat", {"beat": self.beat_count, "workers": self.beat_count})

    def of(self, kind):
        return {key: value for (k, key), value in self.objects.items() if k == kind}
