# SPDX-License-Identifier: Apache-2.0
"""The agent and the real isthmus-ike: connections reach it, and its states the controller."""

import pytest

import scene
from conftest import wait_until
from localapi import LocalApi, constants, ip_text

CONNECTION = ('connection', '17')


@pytest.fixture
def dialling(bare_rig):
    rig = bare_rig
    rig.certify()
    rig.start_forwarder()
    rig.start_ike()
    rig.start_agent()
    return rig


def ipsec(rig, **more):
    return scene.connection(17, 4, type='IPSec', local=rig.ike_address, remote='127.0.0.9',
                            ipsec={'authenticationMethod': 'PSK', **more})


def credential(secret='s3cret'):
    return ('credential', '17', {'type': 'PSK', 'secret': secret})


def filled(rig, **more):
    rig.controller.put(scene.gateway(), scene.slot(), scene.vrf(4), ipsec(rig, **more), credential())
    rig.controller.wait_reached(rig.controller.revision)


def conns(rig):
    with LocalApi(rig.ike_path) as api:
        return api.dump('ike_conn')


def messages(rig, word):
    with LocalApi(rig.ike_path) as api:
        (count,) = [c for c in api.dump('message_count') if c.type == constants['API_TYPE_' + word.upper()]]
        return count


def test_a_connection_and_its_key_reach_isthmus_ike(dialling):
    rig = dialling
    filled(rig, mainMode={'encryptionAlgorithm': 'AES256', 'diffieHellmanGroup': 'ECP384', 'integrityAlgorithm': 'SHA384'})
    (conn,) = conns(rig)
    assert (conn.conn, conn.vrf, conn.slot, ip_text(conn.remote)) == (17, 4, 1, '127.0.0.9')
    assert (conn.proposal[0].encr, conn.proposal[0].encr_bits, conn.proposal[0].integ, conn.proposal[0].dh) == (12, 256, 13, 20)
    assert messages(rig, 'ike_credential').sets == 1
    assert [c.type for c in rig.dump('conn')] == [constants['API_CONN_IPSEC']]


def test_weak_algorithms_are_obeyed_with_a_warning(dialling):
    rig = dialling
    filled(rig)
    rig.controller.wait(lambda: '3DES' in rig.controller.state.get(CONNECTION, {}).get('warning', ''))
    rig.controller.put(ipsec(rig, mainMode={'encryptionAlgorithm': 'AES256', 'diffieHellmanGroup': 'Group14',
                                               'integrityAlgorithm': 'SHA256'},
                             quickMode={'cipherTransformationConstant': 'GCMAES256', 'authenticationTransformationConstant': 'GCMAES256'}))
    rig.controller.wait(lambda: 'warning' not in rig.controller.state[CONNECTION])


def test_what_cannot_be_is_refused_in_words_and_the_old_stays(dialling):
    rig = dialling
    filled(rig)
    rig.controller.put(ipsec(rig, mainMode={'encryptionAlgorithm': 'DES'}))
    rig.controller.wait(lambda: CONNECTION in rig.controller.errors)
    assert 'use AES256' in rig.controller.errors[CONNECTION]['message']
    assert conns(rig)[0].proposal[0].encr == 3


def test_why_a_tunnel_is_not_up_is_reported(dialling):
    """Nobody answers at the other end."""
    rig = dialling
    filled(rig)
    rig.controller.wait(lambda: 'errorReason' in rig.controller.state.get(CONNECTION, {}))
    with LocalApi(rig.ike_path) as api:
        (state,) = api.dump('ike_state')
    assert state.initiator or state.state in (constants['API_IKE_DOWN'], constants['API_IKE_CONNECTING'])


def test_a_restarted_isthmus_ike_is_told_connections_and_keys_again(dialling):
    rig = dialling
    filled(rig)
    rig.kill(rig.ike)
    rig.start_ike()
    wait_until(lambda: len(conns(rig)) == 1 and messages(rig, 'ike_credential').sets == 1)


def test_a_restarted_agent_disturbs_no_tunnel(dialling):
    rig = dialling
    filled(rig)
    before = messages(rig, 'ike_conn').sets
    rig.kill(rig.agent)
    rig.start_agent()
    rig.controller.wait_reached(rig.controller.put(scene.vrf(5)))
    assert messages(rig, 'ike_conn').sets == before
    assert messages(rig, 'ike_credential').sets == 1  # told again, and equal


def test_only_the_holder_of_the_slot_keys(dialling):
    rig = dialling
    filled(rig)
    rig.controller.wait_reached(rig.controller.put(scene.slot(active=False)))
    wait_until(lambda: conns(rig) == [])
    assert len(rig.dump('conn')) == 1  # ready to be taken over
    rig.controller.wait_reached(rig.controller.put(scene.slot(epoch=9)))
    wait_until(lambda: len(conns(rig)) == 1)


def test_a_question_why_a_tunnel_is_not_up_is_answered(dialling):
    """Nobody answers at the other end; then isthmus-ike itself does not."""
    rig = dialling
    filled(rig)

    def diagnosis():
        return rig.controller.question(ask='diagnose', key='17')['value']
    wait_until(lambda: 'does not answer IKE_SA_INIT' in diagnosis()['verdicts'][0]['verdict'])
    value = diagnosis()
    assert value['verdicts'][0]['field'] == 'destinationIPAddress' and value['verdicts'][0]['exchange'] == 'IKE_SA_INIT'
    assert [e for e in value['exchanges'] if e['direction'] == 'out' and 'SA(' in e['payloads']]
    assert 's3cret' not in str(value)
    assert 'no connection 99' in rig.controller.question(ask='diagnose', key='99')['error']
    assert 'not know' in rig.controller.question(ask='something new', key='17')['error']
    rig.kill(rig.ike)
    wait_until(lambda: 'does not run' in rig.controller.question(ask='diagnose', key='17').get('error', ''))


def test_weak_algorithms_are_refused_where_the_pool_says_so(dialling):
    """A tunnel that was allowed goes down; the words name the member, the switch and the way out."""
    rig = dialling
    filled(rig)
    rig.controller.wait(lambda: '3DES' in rig.controller.state.get(CONNECTION, {}).get('warning', ''))
    assert conns(rig)[0].flags & constants['API_IKE_F_ENABLED']
    strict = ipsec(rig, mainMode={'encryptionAlgorithm': 'AES256', 'diffieHellmanGroup': 'Group2', 'integrityAlgorithm': 'SHA256'})
    strict[2]['refuseWeak'] = True
    rig.controller.put(strict)
    rig.controller.wait(lambda: CONNECTION in rig.controller.errors)
    message = rig.controller.errors[CONNECTION]['message']
    for words in ('mainMode.diffieHellmanGroup Group2', 'use Group14', 'isthmus.refuseWeakCiphers'):
        assert words in message, message
    wait_until(lambda: not conns(rig)[0].flags & constants['API_IKE_F_ENABLED'])
    strong = ipsec(rig, mainMode={'encryptionAlgorithm': 'AES256', 'diffieHellmanGroup': 'Group14', 'integrityAlgorithm': 'SHA256'},
                   quickMode={'cipherTransformationConstant': 'GCMAES256', 'authenticationTransformationConstant': 'GCMAES256'})
    strong[2]['refuseWeak'] = True
    rig.controller.put(strong)
    wait_until(lambda: conns(rig)[0].flags & constants['API_IKE_F_ENABLED'])
    rig.controller.wait(lambda: CONNECTION not in rig.controller.errors)
