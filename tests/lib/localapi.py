# SPDX-License-Identifier: Apache-2.0
"""The local socket protocol for tests: structs read from the C headers, a blocking client.

    with LocalApi('/run/isthmus/forwarder.sock') as api:
        api.set('vrf', vrf=7, name=b'Contoso')
        for conn in api.dump('conn_stats'):
            print(conn.conn, conn.in_packets)

A type's word is the enum member without API_TYPE_, lower case; its struct is found by that name.
`python3 localapi.py --check` compiles assertions on every size and offset against the headers.
"""

import ctypes
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADERS = [ROOT / 'lib/ipaddr.h', ROOT / 'api/proto.h'] + sorted(
    p for p in (ROOT / 'api').glob('*.h')
    if p.name not in ('proto.h', 'reader.h', 'link.h', 'server.h', 'server_peer.h', 'client.h', 'sync.h'))
SCALARS = {
    'uint8_t': ctypes.c_uint8, 'uint16_t': ctypes.c_uint16, 'uint32_t': ctypes.c_uint32,
    'uint64_t': ctypes.c_uint64, 'int32_t': ctypes.c_int32, 'int64_t': ctypes.c_int64,
    'char': ctypes.c_char, 'int': ctypes.c_int, 'unsigned': ctypes.c_uint, 'bool': ctypes.c_bool,
}

constants = {}  # every enumerator and #define that is a number
structs = {}    # 'api_conn' -> ctypes class
struct_header = {}


def _number(expr):
    expr = re.sub(r'\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b', r'\1', expr.strip())
    return int(eval(expr, {'__builtins__': {}}, constants))  # pylint: disable=eval-used


def _read_enum(body):
    value = -1
    for part in body.split(','):
        part = part.strip()
        if not part:
            continue
        name, _, expr = part.partition('=')
        value = _number(expr) if expr else value + 1
        constants[name.strip()] = value


def _read_struct(name, body, header):
    fields = []
    for line in body.split(';'):
        line = ' '.join(line.split())
        if not line:
            continue
        kind, _, names = line.partition(' ')
        if kind == 'struct':
            kind, _, names = names.partition(' ')
            ctype = structs[kind]
        elif kind == 'enum':
            _, _, names = names.partition(' ')
            ctype = ctypes.c_uint
        else:
            ctype = SCALARS[kind]
        for field in names.split(','):
            whole = ctype
            for dim in reversed(re.findall(r'\[([^\]]*)\]', field)):
                whole = whole * (_number(dim) if dim else 0)
            fields.append((field.partition('[')[0].strip(), whole))
    structs[name] = type(name, (ctypes.Structure,), {'_fields_': fields, '__repr__': _show})
    struct_header[name] = header


def _show(self):
    return '%s(%s)' % (type(self).__name__, ', '.join(
        '%s=%r' % (n, getattr(self, n)) for n, _ in self._fields_ if not n.startswith('pad')))


def _read_headers():
    token = re.compile(r'#define (\w+)[ \t]+([^\n]+)|enum\s*(?:\w+)?\s*\{([^}]*)\}\s*;'
                       r'|struct (\w+)\s*\{([^{}]*)\}\s*;')
    for header in HEADERS:
        text = re.sub(r'//[^\n]*', '', header.read_text())
        for m in token.finditer(text):
            if m.group(1):
                try:
                    constants[m.group(1)] = _number(m.group(2))
                except (SyntaxError, NameError, TypeError, ValueError):
                    pass  # not a number
            elif m.group(3) is not None:
                _read_enum(m.group(3))
            else:
                _read_struct(m.group(4), m.group(5), header)


_read_headers()
Header, Hello = structs['api_header'], structs['api_hello']
OP = {k[7:].lower(): v for k, v in constants.items() if k.startswith('API_OP_')}
TYPE = {k[9:].lower(): v for k, v in constants.items()
        if k.startswith('API_TYPE_') and k != 'API_TYPE_END'}


class ApiError(OSError):
    """A request was refused: errno and the server's words."""


def struct_of(word):
    return structs['api_' + word]


def ip(text):
    """'10.0.0.1' or '2001:db8::1' as a struct ip_addr."""
    addr = structs['ip_addr']()
    family = socket.AF_INET6 if ':' in text else socket.AF_INET
    raw = socket.inet_pton(family, text)
    addr.family = 6 if ':' in text else 4
    for i, byte in enumerate(raw):
        addr.bytes[i] = byte
    return addr


def ip_text(addr):
    if addr.family == 0:
        return ''
    if addr.family == 4:
        return socket.inet_ntop(socket.AF_INET, bytes(addr.bytes[:4]))
    return socket.inet_ntop(socket.AF_INET6, bytes(addr.bytes))


def prefix(text):
    """'10.0.0.0/24' as a struct ip_prefix."""
    address, length = text.split('/')
    return structs['ip_prefix'](addr=ip(address), len=int(length))


def prefix_text(p):
    return '%s/%d' % (ip_text(p.addr), p.len)


def mac(text):
    return structs['mac_addr']((ctypes.c_uint8 * 6)(*bytes.fromhex(text.replace(':', ''))))


def mac_text(m):
    return ':'.join('%02x' % b for b in m.bytes)


def item(obj):
    raw = bytes(obj)
    return len(raw).to_bytes(4, sys.byteorder) + bytes(4) + raw + bytes(-len(raw) % 8)


def items(payload):
    at = 0
    while at < len(payload):
        size = int.from_bytes(payload[at:at + 4], sys.byteorder)
        yield payload[at + 8:at + 8 + size]
        at += 8 + (size + 7) // 8 * 8


class LocalApi:
    """One connection, one request at a time; every wait is bounded by `timeout` seconds."""

    def __init__(self, path=None, sock=None, timeout=10, name=b'tests'):
        self.sock = sock or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if path:
            self.sock.connect(str(path))
        self.seq = 0
        self.fds = []
        self.events = []  # (type, raw object), gathered while waiting for answers
        hello = Hello(major=constants['API_MAJOR'], minor=constants['API_MINOR'],
                      pid=os.getpid(), name=name)
        self.send_raw(OP['hello'], 0, bytes(hello))
        header, payload = self.receive()
        assert header.op == OP['hello']
        self.server = Hello.from_buffer_copy(payload.ljust(ctypes.sizeof(Hello), b'\0'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def send_raw(self, op, kind, payload=b'', flags=0, fd=None):
        self.seq += 1
        if fd is not None:
            flags |= constants['API_F_FD']
        header = Header(size=len(payload), op=op, type=kind, seq=self.seq, flags=flags)
        data = bytes(header) + payload
        sent = socket.send_fds(self.sock, [data], [fd]) if fd is not None else 0
        self.sock.sendall(data[sent:])
        return self.seq

    def _read(self, size):
        data = b''
        while len(data) < size:
            part, fds, _, _ = socket.recv_fds(self.sock, size - len(data), 4)
            if not part:
                raise ConnectionResetError('the server closed the connection')
            self.fds += fds
            data += part
        return data

    def receive(self):
        header = Header.from_buffer_copy(self._read(ctypes.sizeof(Header)))
        return header, self._read(header.size)

    def _answer(self, seq, each):
        while True:
            header, payload = self.receive()
            if header.op == OP['event']:
                self.events += [(header.type, raw) for raw in items(payload)]
            elif header.seq == seq and header.op == OP['items']:
                for raw in items(payload):
                    each(raw)
            elif header.seq == seq and header.op == OP['ack']:
                if header.status < 0:
                    raise ApiError(-header.status, payload.split(b'\0')[0].decode())
                return header

    @staticmethod
    def make(word, **fields):
        return struct_of(word)(**fields)

    @staticmethod
    def _object(word, obj, fields):
        return obj if obj is not None else struct_of(word)(**fields)

    def set(self, word, obj=None, fd=None, must=False, **fields):
        payload = item(self._object(word, obj, fields))
        flags = constants['API_F_MUST'] if must else 0
        self._answer(self.send_raw(OP['set'], TYPE[word], payload, flags, fd), None)

    def _many(self, op, word, objs):
        payload = b''
        for obj in objs:
            payload += item(obj)
            if len(payload) > 500000:
                self._answer(self.send_raw(OP[op], TYPE[word], payload), None)
                payload = b''
        if payload:
            self._answer(self.send_raw(OP[op], TYPE[word], payload), None)

    def set_many(self, word, objs):
        """Many objects in few messages; stops at the first that is refused."""
        self._many('set', word, objs)

    def delete_many(self, word, objs):
        self._many('del', word, objs)

    def delete(self, word, obj=None, **fields):
        payload = item(self._object(word, obj, fields))
        self._answer(self.send_raw(OP['del'], TYPE[word], payload), None)

    def dump(self, word, struct=None, **filters):
        cls = structs[struct] if struct else struct_of(word)
        out = []

        def each(raw):
            out.append(cls.from_buffer_copy(raw.ljust(ctypes.sizeof(cls), b'\0')))
        payload = item(struct_of(word)(**filters)) if filters else b''
        self._answer(self.send_raw(OP['dump'], TYPE[word], payload), each)
        return out

    def call(self, word, obj=None, struct=None, fd=None, **fields):
        """The answer's objects: as `struct` if named, else raw bytes."""
        out = []
        self._answer(self.send_raw(OP['call'], TYPE[word], item(self._object(word, obj, fields)),
                                   fd=fd), out.append)
        if struct:
            cls = structs[struct]
            out = [cls.from_buffer_copy(raw.ljust(ctypes.sizeof(cls), b'\0')) for raw in out]
        return out

    def subscribe(self, *words):
        payload = b''.join(TYPE[w].to_bytes(4, sys.byteorder) for w in words)
        self._answer(self.send_raw(OP['subscribe'], 0, payload), None)

    def wait_event(self, word):
        """The next event of that type."""
        while True:
            for i, (kind, raw) in enumerate(self.events):
                if kind == TYPE[word]:
                    del self.events[i]
                    cls = struct_of(word)
                    return cls.from_buffer_copy(raw.ljust(ctypes.sizeof(cls), b'\0'))
            header, payload = self.receive()
            if header.op == OP['event']:
                self.events += [(header.type, raw) for raw in items(payload)]

    def counters(self):
        return {c.name.decode(): c.value for c in self.dump('counter')}


def check_against_compiler():
    """Every struct's size and every field's offset, as gcc sees them."""
    lines = ['#include <stddef.h>', '#include <stdbool.h>']
    lines += ['#include "%s"' % h for h in HEADERS]
    for name, cls in structs.items():
        lines.append('_Static_assert(sizeof(struct %s) == %d, "size of %s");'
                     % (name, ctypes.sizeof(cls), name))
        for field, _ in cls._fields_:
            lines.append('_Static_assert(offsetof(struct %s, %s) == %d, "%s.%s");'
                         % (name, field, getattr(cls, field).offset, name, field))
    for name in list(TYPE):
        lines.append('_Static_assert(API_TYPE_%s == %d, "type %s");'
                     % (name.upper(), TYPE[name], name))
    with tempfile.NamedTemporaryFile('w', suffix='.c') as f:
        f.write('\n'.join(lines) + '\n')
        f.flush()
        subprocess.run(['cc', '-std=gnu2x', '-D_GNU_SOURCE', '-fsyntax-only', '-I', ROOT / 'lib',
                        '-I', ROOT / 'api', f.name], check=True)
    return len(lines)


if __name__ == '__main__':
    print('%d assertions hold' % check_against_compiler())
