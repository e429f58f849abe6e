# SPDX-License-Identifier: Apache-2.0
"""The command `isthmus` against a REST server of a few lines and a daemon that holds what it is told."""

import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localapi import LocalApi, constants, ip, prefix, structs

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('ISTHMUS_BUILD', ROOT / 'build'))


class FakeRest:
    """Resources by path; a list is what lies one id below."""

    def __init__(self):
        self.resources, self.requests = {}, []
        rest = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def reply(self, status, value, etag=None):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header('Content-Length', str(len(body)))
                if etag:
                    self.send_header('ETag', etag)
                self.end_headers()
                self.wfile.write(body)

            def name(self):
                rest.requests.append((self.command, self.path))
                assert self.path.startswith('/networking/v1')
                return self.path[len('/networking/v1'):]

            def missing(self, name):
                self.reply(404, {'error': {'code': 'NotFound', 'message': 'there is none', 'target': name,
                                           'details': [{'code': 'Deep', 'message': 'cause'}]}})

            def do_GET(self):
                name = self.name()
                if name in rest.resources:
                    r = rest.resources[name]
                    self.reply(200, r, 'W/"%d"' % r['version'])
                elif name.count('/') % 2 == 1 and '/bgpRoutes' not in name:
                    below = [r for n, r in sorted(rest.resources.items())
                             if n.startswith(name + '/') and n.count('/') == name.count('/') + 1]
                    self.reply(200, {'value': below})
                else:
                    self.missing(name)

            def do_PUT(self):
                name = self.name()
                body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                old = rest.resources.get(name)
                if body.get('properties', {}).get('bad'):
                    return self.reply(400, {'error': {'code': 'InvalidParameterValue', 'message': 'bad is bad',
                                                      'target': 'properties.bad'}})
                if not old or old['sent'] != body:
                    rest.resources[name] = {'resourceRef': name, 'resourceId': name.rsplit('/', 1)[1], 'sent': body,
                                            'version': old['version'] + 1 if old else 1,
                                            'properties': dict(body['properties'], provisioningState='Succeeded')}
                return self.reply(200 if old else 201, rest.resources[name], 'W/"%d"' % rest.resources[name]['version'])

            def do_DELETE(self):
                name = self.name()
                if rest.resources.pop(name, None):
                    return self.reply(200, {})
                self.send_response(204)
                self.end_headers()

        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = 'http://127.0.0.1:%d' % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def rest():
    fake = FakeRest()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def run(*args, server=None, input=None, **env):
    environment = {'PATH': os.environ['PATH'], 'HOME': '/nonexistent', **env}
    if server:
        environment['ISTHMUS_SERVER'] = server.url
    return subprocess.run([BUILD / 'cli/isthmus', *args], capture_output=True, text=True, timeout=30,
                          input=input, env=environment, check=False)


CONNECTION = {'resourceRef': '/virtualGateways/Contoso/networkConnections/GreGW',
              'properties': {'connectionType': 'GRE', 'destinationIPAddress': '10.127.134.122',
                             'outboundKiloBitsPerSecond': 100000, 'inboundKiloBitsPerSecond': 100000}}
GATEWAY = {'kind': 'vgw', 'resourceId': 'Contoso', 'properties': {'routingType': 'Dynamic'}}


def test_apply_creates_then_finds_nothing_to_do_then_changes(rest, tmp_path):
    file = tmp_path / 'all.json'
    file.write_text(json.dumps([GATEWAY, CONNECTION]))
    out = run('apply', '-f', str(file), server=rest)
    assert (out.returncode, out.stderr) == (0, '')
    assert out.stdout.splitlines() == ['/virtualGateways/Contoso created',
                                       '/virtualGateways/Contoso/networkConnections/GreGW created']
    assert 'unchanged' in run('apply', '-f', str(file), server=rest).stdout
    changed = json.dumps(dict(CONNECTION, properties={'connectionType': 'GRE', 'weight': 2}))
    assert run('apply', '-f', '-', '--wait', server=rest, input=changed).stdout.endswith('configured\n')


def test_get_shows_children_of_all_parents_in_columns_of_the_model(rest):
    run('apply', '-f', '-', server=rest, input=json.dumps([GATEWAY, CONNECTION]))
    out = run('get', 'nc', server=rest).stdout.splitlines()
    assert out[0].split()[:2] == ['NAME', 'TYPE'] and 'REMOTE' in out[0]
    assert out[1].split()[:2] == ['Contoso/GreGW', 'GRE'] and '10.127.134.122' in out[1]
    assert all(len(line) <= 80 for line in out)


@pytest.mark.parametrize('words', [('nc', 'Contoso/GreGW'), ('nc/Contoso/GreGW',), ('networkConnections', 'Contoso/GreGW'),
                                   ('/virtualGateways/Contoso/networkConnections/GreGW',),
                                   ('virtualGateways/Contoso/networkConnections/GreGW',)])
def test_one_resource_has_many_names(rest, words):
    run('apply', '-f', '-', server=rest, input=json.dumps([GATEWAY, CONNECTION]))
    out = run('get', *words, '-o', 'json', server=rest)
    assert json.loads(out.stdout)['resourceId'] == 'GreGW', out.stderr


ROUTER = '/virtualGateways/Contoso/bgpRouters/R1'


def peer_with_routes(rest, name, *routes):
    rest.resources[ROUTER] = {'resourceRef': ROUTER, 'version': 1, 'properties': {}}
    peer = '%s/bgpPeers/%s' % (ROUTER, name)
    rest.resources[peer] = {'resourceRef': peer, 'version': 1, 'properties': {
        'peerIpAddress': '14.1.20.1', 'extAsNumber': '0.64522', 'connectionState': 'Connected', 'provisioningState': 'Succeeded',
        'isthmus': {'session': 'Established', 'receivedPrefixes': 3, 'acceptedPrefixes': 2, 'advertisedPrefixes': 4}}}
    for view in ('', '?view=rejected'):
        value = [dict(r) for r in routes if not view or r['state'] == 'Rejected']
        rest.resources[peer + '/bgpRoutes' + view] = {'value': value, 'total': len(value) + 5, 'version': 1}


ROUTES = ({'prefix': '10.1.0.0/24', 'nextHop': '14.1.20.1', 'asPath': '64522', 'state': 'Best', 'reason': 'only path'},
          {'prefix': '10.9.0.0/24', 'nextHop': '14.1.20.1', 'asPath': '64522 64999', 'state': 'Rejected',
           'reason': "policy map 'In' entry 'NoLab'"})


def test_bgp_peers_show_session_and_prefixes(rest):
    run('apply', '-f', '-', server=rest, input=json.dumps(GATEWAY))
    peer_with_routes(rest, 'SiteA')
    out = run('get', 'bgppeers', server=rest).stdout.splitlines()
    assert out[0].split() == ['NAME', 'ADDRESS', 'AS', 'SESSION', 'RCV', 'ACC', 'ADV', 'PROVISIONED']
    assert out[1].split()[3:7] == ['Established', '3', '2', '4'] and all(len(line) <= 80 for line in out)


def test_bgp_routes_of_one_peer_a_router_or_a_gateway(rest):
    run('apply', '-f', '-', server=rest, input=json.dumps(GATEWAY))
    peer_with_routes(rest, 'SiteA', *ROUTES)
    peer_with_routes(rest, 'SiteB', ROUTES[0])
    out = run('bgp', 'routes', 'Contoso/R1/SiteA', server=rest)
    lines = out.stdout.splitlines()
    assert lines[0].split() == ['PREFIX', 'PEER', 'NEXT', 'HOP', 'AS', 'PATH', 'STATE', 'REASON']
    assert lines[2].split()[:2] == ['10.9.0.0/24', 'SiteA'] and 'Rejected' in lines[2] and all(len(line) <= 80 for line in lines)
    assert 'Contoso/R1/SiteA: the first 2 of 7 routes' in out.stderr
    for name in ('Contoso', 'Contoso/R1'):
        shown = json.loads(run('bgp', 'routes', name, '-o', 'json', server=rest).stdout)['value']
        assert [(r['peer'], r['prefix']) for r in shown] == [('SiteA', '10.1.0.0/24'), ('SiteA', '10.9.0.0/24'), ('SiteB', '10.1.0.0/24')]
    shown = json.loads(run('bgp', 'routes', 'Contoso', '--view', 'rejected', '-o', 'json', server=rest).stdout)['value']
    assert [(r['peer'], r['reason']) for r in shown] == [('SiteA', "policy map 'In' entry 'NoLab'")]
    assert run('bgp', 'routes', 'Contoso/R1/Nobody', server=rest).returncode == 3
    assert run('bgp', 'teapot', 'Contoso', server=rest).returncode == 2
    assert run('bgp', 'routes', 'a/b/c/d', server=rest).returncode == 2


def test_errors_go_to_stderr_with_code_target_and_their_own_exit_code(rest):
    out = run('get', 'vgw', 'Fabrikam', server=rest)
    assert (out.returncode, out.stdout) == (3, '')
    assert 'NotFound: there is none' in out.stderr and 'Deep: cause' in out.stderr
    bad = dict(GATEWAY, properties={'bad': 1})
    out = run('apply', '-f', '-', server=rest, input=json.dumps(bad))
    assert out.returncode == 1 and 'InvalidParameterValue: bad is bad at properties.bad' in out.stderr
    assert run('get', 'teapot', server=rest).returncode == 2
    assert run('get', 'vgw').returncode == 2  # no server named
    assert run('apply', '-f', '-', server=rest, input='{').returncode == 1


def test_wait_ends_when_it_is_so_and_times_out_when_not(rest):
    run('apply', '-f', '-', server=rest, input=json.dumps([GATEWAY, CONNECTION]))
    assert run('wait', 'vgw', 'Contoso', '--for=provisioningState=Succeeded', server=rest).returncode == 0
    out = run('wait', 'nc', 'Contoso/GreGW', '--for=connectionState=Connected', '-t', '0.2', server=rest)
    assert out.returncode == 4 and 'connectionState=Connected' in out.stderr
    timer = threading.Timer(0.3, lambda: rest.resources.clear())
    timer.start()
    assert run('wait', 'vgw', 'Contoso', '--for=delete', '-t', '10', server=rest).returncode == 0
    timer.join()


def test_delete_deletes_and_says_when_there_was_nothing(rest):
    run('apply', '-f', '-', server=rest, input=json.dumps(GATEWAY))
    assert run('delete', 'vgw', 'Contoso', server=rest).stdout == '/virtualGateways/Contoso deleted\n'
    assert 'was not there' in run('delete', 'vgw', 'Contoso', server=rest).stdout


def test_flags_come_before_the_environment_before_the_file(rest, tmp_path):
    config = tmp_path / 'config'
    config.write_text('server %s\n' % rest.url)
    assert run('get', 'vgw', ISTHMUS_CONFIG=str(config)).returncode == 0
    assert run('get', 'vgw', ISTHMUS_CONFIG=str(config), ISTHMUS_SERVER='http://127.0.0.1:1').returncode == 1
    assert run('get', 'vgw', '--server', rest.url, ISTHMUS_SERVER='http://127.0.0.1:1').returncode == 0


def test_help_is_everywhere_and_fits_80_columns():
    for words in ([], ['get'], ['describe'], ['apply'], ['delete'], ['wait'], ['gw'], ['bgp'], ['completion']):
        out = run(*words, '--help')
        assert out.returncode == 0 and out.stdout.startswith('Usage: isthmus')
        assert all(len(line) <= 80 for line in out.stdout.splitlines()), words


def test_bash_completes_commands_kinds_and_subjects():
    script = run('completion', 'bash').stdout
    for line, cword, expected in (('isthmus ap', 1, 'apply'), ('isthmus get networkC', 2, 'networkConnection'),
                                  ('isthmus gw dro', 2, 'drops'), ('isthmus bgp ro', 2, 'routes'),
                                  ('isthmus bgp routes x --view rej', 5, 'rejected')):
        out = subprocess.run(['bash', '-c', script + 'COMP_WORDS=(%s); COMP_CWORD=%d; _isthmus; echo "${COMPREPLY[@]}"'
                              % (line, cword)], capture_output=True, text=True, check=True, timeout=10)
        assert out.stdout.split() == [expected]


@pytest.fixture
def daemon(tmp_path):
    path = tmp_path / 'forwarder.sock'
    process = subprocess.Popen([BUILD / 'tests/agent/fake-forwarder', path])
    end = time.monotonic() + 10
    while True:  # bound, then listening: only an answer says it is there
        try:
            LocalApi(path).close()
            break
        except OSError:
            assert time.monotonic() < end, 'the daemon answers'
            time.sleep(0.005)
    with LocalApi(path) as api:
        api.set('vrf', vrf=4, name=b'Contoso')
        slot = structs['api_slot'](slot=1, active=1, epoch=7)
        slot.pa[0] = ip('10.64.0.100')
        api.set('slot', slot)
        api.set('conn', conn=17, vrf=4, slot=1, type=1, flags=3, gre_key=9, remote=ip('198.51.100.10'), name=b'gre')
        for vrf in (4, 5):
            route = structs['api_route'](vrf=vrf, prefix=prefix('192.168.4.0/24'), source=2, preference=1, path_count=1)
            route.path[0].type, route.path[0].id = constants['API_PATH_CONN'], 17
            api.set('route', route)
    yield path
    process.kill()
    process.wait(10)


def test_gw_shows_what_a_daemon_holds(daemon):
    out = run('gw', 'routes', '--vrf', '4', '--socket', str(daemon))
    lines = out.stdout.splitlines()
    assert lines[0].split() == ['VRF', 'PREFIX', 'SOURCE', 'PREF', 'METRIC', 'PATHS']
    assert lines[1].split() == ['4', '192.168.4.0/24', 'static', '1', '0', 'conn', '17']
    assert len(lines) == 2
    slots = json.loads(run('gw', 'slots', '-o', 'json', '--socket', str(daemon)).stdout)['value']
    assert slots[0]['slot'] == 1 and slots[0]['active'] is True and slots[0]['pa[0]'] == '10.64.0.100'
    conns = json.loads(run('gw', 'connections', '-o', 'json', ISTHMUS_SOCKET=str(daemon)).stdout)['value']
    assert conns[0]['greKey'] == 9 and conns[0]['remote'] == '198.51.100.10' and conns[0]['local'] is None


def test_gw_says_who_does_not_answer_and_what_it_cannot_do(daemon, tmp_path):
    out = run('gw', 'routes', '--socket', str(tmp_path / 'nobody'))
    assert out.returncode == 1 and 'nobody' in out.stderr
    out = run('gw', 'neighbours', '--socket', str(daemon))
    assert out.returncode == 1 and 'fake-forwarder knows no such request' in out.stderr
    assert run('gw', 'teapot').returncode == 2
