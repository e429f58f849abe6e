# SPDX-License-Identifier: Apache-2.0
"""A client of the controller's REST API as a script of an operator would have it: PUT, poll, GET."""

import http.client
import json
import ssl

from net import wait_for


class Refused(Exception):
    """An answer that is no success: .status and the error body's .code, .target, .message."""

    def __init__(self, method, path, status, body):
        error = body.get("error", {}) if isinstance(body, dict) else {}
        self.status, self.body = status, body
        self.code, self.target, self.message = error.get("code"), error.get("target"), error.get("message")
        super().__init__("%s %s: %d %s" % (method, path, status, json.dumps(body)))


class NetworkController:
    """One connection, kept open. `netns` is where it is made from."""

    def __init__(self, netns, address, port, ca, headers=None, certificate=None):
        self.netns, self.address, self.port = netns, address, port
        self.context = ssl.create_default_context(cafile=str(ca))
        self.context.check_hostname = False
        if certificate:
            self.context.load_cert_chain(*map(str, certificate))
        self.headers = {"Content-Type": "application/json; charset=UTF-8", "Accept": "application/json", **(headers or {})}
        self.connection = None

    def _connect(self):
        connection = http.client.HTTPSConnection(self.address, self.port, timeout=20, context=self.context)
        with self.netns.entered():
            connection.connect()
        return connection

    def request(self, method, path, body=None, headers=None):
        """(status, headers, decoded body). A kept connection that the server closed is made again once."""
        data = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
        for attempt in (1, 2):
            fresh = self.connection is None
            try:
                self.connection = self.connection or self._connect()
                self.connection.request(method, "/networking/v1/" + path, data, {**self.headers, **(headers or {})})
                answer = self.connection.getresponse()
                raw = answer.read()
                break
            except (http.client.HTTPException, ConnectionError):
                self.close()
                if fresh or attempt == 2:
                    raise
        return answer.status, answer.headers, json.loads(raw) if raw else None

    def get(self, path):
        status, _, body = self.request("GET", path)
        if status != 200:
            raise Refused("GET", path, status, body)
        return body

    def put(self, path, properties, wait=True, **top):
        body = {"resourceId": path.rsplit("/", 1)[-1], "properties": properties, **top}
        return self.put_whole(path, body, wait)

    def put_whole(self, path, body, wait=True):
        status, _, answer = self.request("PUT", path, body)
        if status not in (200, 201):
            raise Refused("PUT", path, status, answer)
        return self.wait_provisioned(path) if wait else answer

    def wait_provisioned(self, path, seconds=20):
        def settled():
            body = self.get(path)
            return body if body["properties"]["provisioningState"] != "Updating" else None
        body = wait_for(settled, seconds, path + " is provisioned", step=0.01)
        if body["properties"]["provisioningState"] != "Succeeded":
            raise AssertionError("%s: %s" % (path, json.dumps(body)))
        return body

    def delete(self, path, wait=True):
        status, _, body = self.request("DELETE", path)
        if status not in (200, 202, 204):
            raise Refused("DELETE", path, status, body)
        if wait:
            wait_for(lambda: self.request("GET", path)[0] == 404, 20, path + " is gone", step=0.01)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None
