# SPDX-License-Identifier: Apache-2.0
"""A southbound server (docs/southbound.md) small enough to see through, and its certificates."""

import hashlib
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


def openssl(*args, **kwargs):
    return subprocess.run(['openssl', *map(str, args)], check=True, capture_output=True, **kwargs).stdout


class Authority:
    """A CA in a directory: ca.pem, server.pem + server.key."""

    def __init__(self, directory):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.key, self.cert = self.dir / 'ca.key', self.dir / 'ca.pem'
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                '-keyout', self.key, '-out', self.cert, '-days', '2', '-subj', '/CN=test CA',
                '-addext', 'basicConstraints=critical,CA:TRUE')
        self.issue('server', 'subjectAltName=IP:127.0.0.1')

    def fingerprint(self):
        return hashlib.sha256(openssl('x509', '-in', self.cert, '-outform', 'DER')).hexdigest()

    def sign(self, csr_pem, extension='basicConstraints=CA:FALSE', seconds=None):
        csr, out = self.dir / 'in.csr', self.dir / 'out.pem'
        ext = self.dir / 'ext.cnf'
        csr.write_text(csr_pem)
        ext.write_text(extension + '\n')
        if seconds is None:
            openssl('x509', '-req', '-in', csr, '-CA', self.cert, '-CAkey', self.key, '-days', '1',
                    '-CAcreateserial', '-extfile', ext, '-out', out)
        else:
            self._sign_for(csr, ext, out, seconds)
        return out.read_text()

    def _sign_for(self, csr, ext, out, seconds):
        """`openssl x509` counts in days; `openssl ca` takes dates."""
        (self.dir / 'index.txt').touch()
        (self.dir / 'ca.cnf').write_text(
            '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index.txt\nserial=%s/ca.srl\nnew_certs_dir=%s\n'
            'default_md=sha256\npolicy=p\nunique_subject=no\nrand_serial=yes\n[p]\ncommonName=supplied\n'
            % (self.dir, self.dir, self.dir))
        now = time.time()
        dates = [time.strftime('%Y%m%d%H%M%SZ', time.gmtime(t)) for t in (now - 1, now + seconds)]
        openssl('ca', '-batch', '-config', self.dir / 'ca.cnf', '-in', csr, '-cert', self.cert,
                '-keyfile', self.key, '-startdate', dates[0], '-enddate', dates[1],
                '-extfile', ext, '-notext', '-out', out)

    def issue(self, name, extension='basicConstraints=CA:FALSE', seconds=None):
        key = self.dir / (name + '.key')
        csr = openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                      '-keyout', key, '-subj', '/CN=' + name).decode()
        cert = self.dir / (name + '.pem')
        cert.write_text(self.sign(csr, extension, seconds))
        return cert, key


class FakeController:
    def __init__(self, authority, port=0, objects=None, revision=0):
        self.authority = authority
        self.changed = threading.Condition()
        self.objects = objects if objects is not None else {}  # (kind, key) -> object as sent
        self.revision = revision
        self.term = 1
        self.reports, self.heartbeats, self.polls, self.enrolled, self.renewed = [], [], [], [], []
        self.tokens = set()
        self.certificate_seconds = None
        self.questions, self.answers = [], []
        self.state, self.errors = {}, {}
        self.refuse = False
        self.answered = []  # bytes of each answer with objects
        controller = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_GET(self):
                controller.get(self)

            def do_POST(self):
                size = int(self.headers.get('Content-Length', 0))
                controller.post(self, json.loads(self.rfile.read(size) or '{}'))

        self.server = ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.server.daemon_threads = True
        self.connections = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain = authority.dir / 'chain.pem'
        chain.write_text((authority.dir / 'server.pem').read_text() + authority.cert.read_text())
        context.load_cert_chain(chain, authority.dir / 'server.key')
        context.load_verify_locations(authority.cert)
        context.verify_mode = ssl.CERT_OPTIONAL
        plain = self.server.get_request

        def get_request():
            sock, address = plain()
            wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            controller.connections.append(wrapped)
            return wrapped, address
        self.server.get_request = get_request
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        self.url = 'https://127.0.0.1:%d' % self.port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        """As if killed: the port is closed and so is every connection."""
        self.server.shutdown()
        self.server.server_close()
        with self.changed:
            self.refuse = True
            self.changed.notify_all()
        for sock in self.connections:
            try:
                sock.shutdown(2)
            except OSError:
                pass
            sock.close()

    # -- what tests say

    def put(self, *objects):
        """(kind, key, value) each; value None deletes. One revision, one answer."""
        with self.changed:
            self.revision += 1
            for kind, key, value in objects:
                entry = {'kind': kind, 'key': key, 'revision': self.revision}
                if value is None:
                    entry['deleted'] = True
                else:
                    entry['value'] = value
                self.objects[kind, key] = entry
            self.changed.notify_all()
            return self.revision

    def wait(self, what, timeout=10):
        """Until what() is true, looked at after every request."""
        with self.changed:
            if not self.changed.wait_for(what, timeout):
                raise TimeoutError('the agent did not get there: reports %r' % self.reports[-3:])

    def wait_reached(self, revision, timeout=10):
        self.wait(lambda: any(r['revision'] >= revision for r in self.reports), timeout)

    def question(self, **question):
        """Asked with the next heartbeat; the answer."""
        with self.changed:
            number = len(self.answers) + 1
            self.questions.append({'id': number, **question})
        self.wait(lambda: any(a['id'] == number for a in self.answers))
        return next(a for a in self.answers if a['id'] == number)

    # -- requests

    def answer(self, request, status, value):
        body = json.dumps(value).encode()
        request.send_response(status)
        request.send_header('Content-Length', str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def get(self, request):
        url = urlsplit(request.path)
        query = {k: int(v[0]) for k, v in parse_qs(url.query).items()}
        if not request.connection.getpeercert():
            return self.answer(request, 403, {})
        since = query['since']
        with self.changed:
            self.polls.append(query)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.revision > since or self.refuse, query.get('wait', 0))
            if self.refuse:
                return self.answer(request, 503, {})
            full = since == 0
            objects = [o for o in self.objects.values()
                       if o['revision'] > since and not (full and o.get('deleted'))]
            answer = {'version': '1.0', 'term': self.term, 'revision': self.revision, 'full': full,
                      'objects': objects}
            if objects:
                self.answered.append(len(json.dumps(answer)))
        return self.answer(request, 200, answer)

    def post(self, request, body):
        what = request.path.rsplit('/', 1)[1]
        certificate = request.connection.getpeercert()
        with self.changed:
            status, value = getattr(self, 'post_' + what)(body, certificate)
            self.changed.notify_all()
        return self.answer(request, status, value)

    def post_report(self, body, certificate):
        if not certificate or self.refuse:
            return 403, {}
        self.reports.append(body)
        for e in body['errors']:
            if e.get('code'):
                self.errors[e['kind'], e['key']] = e
            else:
                self.errors.pop((e['kind'], e['key']), None)
        for s in body['state']:
            self.state[s['kind'], s['key']] = s['value']
        for g in body['gone']:
            self.state.pop((g['kind'], g['key']), None)
            self.errors.pop((g['kind'], g['key']), None)
        return 200, {}

    def post_heartbeat(self, body, certificate):
        if not certificate:
            return 403, {}
        self.heartbeats.append((time.monotonic(), body))
        asked, self.questions = self.questions, []
        return 200, {'term': self.term, 'epochs': self.epochs(), **({'ask': asked} if asked else {})}

    def epochs(self):
        """Of all the slots that are the gateway's own."""
        slots = [o.get('value') or {} for (kind, _), o in list(self.objects.items()) if kind == 'slot']
        return {str(s['slot']): s['epoch'] for s in slots if s.get('active')}

    def post_answers(self, body, certificate):
        if not certificate:
            return 403, {}
        self.answers += body['answers']
        return 200, {}

    def post_enrol(self, body, certificate):
        if body.get('token') not in self.tokens:
            return 403, {'error': {'code': 'Forbidden', 'message': 'the token is unknown or used'}}
        self.tokens.discard(body['token'])
        self.enrolled.append(body)
        return 200, {'certificate': self.authority.sign(body['csr'], seconds=self.certificate_seconds),
                     'ca': self.authority.cert.read_text()}

    def post_renew(self, body, certificate):
        if not certificate:
            return 403, {}
        self.renewed.append((certificate, body))
        return 200, {'certificate': self.authority.sign(body['csr'], seconds=self.certificate_seconds),
                     'ca': self.authority.cert.read_text()}
