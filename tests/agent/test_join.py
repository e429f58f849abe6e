# SPDX-License-Identifier: Apache-2.0
"""A token becomes a certificate, a certificate the next one, and nothing drops."""

import os
import time

import scene
from conftest import wait_until


def enrolling(rig, token, seconds=None):
    rig.controller.certificate_seconds = seconds
    rig.controller.tokens.add('s3cret')
    rig.pki.mkdir()
    (rig.dir / 'token').write_text(token + '\n')
    rig.start_forwarder()
    rig.start_agent()


def test_a_token_becomes_a_certificate_and_is_used_up(bare_rig):
    rig = bare_rig
    enrolling(rig, 's3cret:' + rig.authority.fingerprint())
    rig.controller.put(scene.slot(), *scene.tenant(4))
    rig.controller.wait_reached(1)
    assert rig.controller.enrolled[0]['gateway'] == 'GW1'
    assert not (rig.dir / 'token').exists()
    assert os.stat(rig.pki / 'identity.pem').st_mode & 0o777 == 0o600


def test_a_server_without_the_pinned_ca_gets_no_token(bare_rig):
    rig = bare_rig
    enrolling(rig, 's3cret:' + 'ab' * 32)
    wait_until(lambda: 'asking for a certificate' in rig.agent_log())
    time.sleep(1.2)  # one more try
    assert rig.controller.enrolled == [] and rig.controller.tokens == {'s3cret'}
    assert (rig.dir / 'token').exists()


def test_a_certificate_renews_itself_and_no_request_fails(bare_rig):
    rig = bare_rig
    enrolling(rig, 's3cret:' + rig.authority.fingerprint(), seconds=6)
    controller = rig.controller
    controller.wait(lambda: len(controller.heartbeats) > 3)
    controller.wait(lambda: len(controller.renewed) >= 2, 20)
    beats = [t for t, _ in controller.heartbeats]
    assert max(b - a for a, b in zip(beats, beats[1:])) < 0.5
    revision = controller.put(scene.slot(), *scene.tenant(4))
    controller.wait_reached(revision)
    serials = {certificate['serialNumber'] for certificate, _ in controller.renewed}
    assert len(serials) == len(controller.renewed)  # each renewal was asked for with another one
    assert 'does not serve' not in rig.agent_log()


def test_the_next_certificate_is_for_another_key(bare_rig):
    rig = bare_rig
    enrolling(rig, 's3cret:' + rig.authority.fingerprint(), seconds=3)
    first = wait_until(lambda: (rig.pki / 'identity.pem').exists() and (rig.pki / 'identity.pem').read_text())
    rig.controller.wait(lambda: rig.controller.renewed, 20)
    second = wait_until(lambda: (t := (rig.pki / 'identity.pem').read_text()) != first and t)
    assert first.split('BEGIN PRIVATE')[1] != second.split('BEGIN PRIVATE')[1]
