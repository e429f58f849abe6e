# SPDX-License-Identifier: Apache-2.0
"""A site's IKEv2 peer: strongSwan in a namespace, with ESP in user space (ESP-in-UDP always).

Everything of an instance lies in its own directory: nothing of the machine's configuration is read.
"""

from net import run, wait_for

PLUGINS = ("random nonce openssl x509 pubkey pem pkcs1 pkcs8 revocation constraints kdf hmac sha1 sha2 gmp "
           "curve25519 drbg kernel-libipsec kernel-netlink socket-default vici")


class StrongSwan:
    """charon-systemd in `ns`, run by hand; `connections` is swanctl.conf text."""

    def __init__(self, net, name, ns, plugins=PLUGINS, settings=""):
        self.dir = net.dir / ("strongswan-" + name)
        self.dir.mkdir()
        self.ns, self.uri = ns, "unix://%s/vici" % self.dir
        conf = self.dir / "strongswan.conf"
        conf.write_text("charon-systemd {\n  load = %s\n  plugins { vici { socket = %s } }\n"
                        "  filelog { stderr { default = 1 } }\n  journal { default = -1 }\n%s}\n"
                        % (plugins, self.uri, settings))
        self.env = {"STRONGSWAN_CONF": str(conf)}
        self.process = net.spawn("strongswan-" + name, ["/usr/sbin/charon-systemd"], ns, env=self.env)
        wait_for(self._answers, 15, "strongSwan of %s answers" % name)

    def _answers(self):
        return self.swanctl("--stats", check=False).returncode == 0

    def swanctl(self, *words, check=True, timeout=40):
        # Its own folder instead of /etc/swanctl: private keys lie in DIR/private.
        return self.ns.run(["env", "SWANCTL_DIR=%s" % self.dir, "swanctl", *words, "--uri", self.uri], check=check, timeout=timeout)

    def load(self, text):
        conf = self.dir / "swanctl.conf"
        conf.write_text(text)
        self.swanctl("--load-all", "--clear", "--file", str(conf))

    def initiate(self, child, timeout=20, check=True):
        return self.swanctl("--initiate", "--child", child, "--timeout", str(timeout), check=check)

    def sas(self):
        return self.swanctl("--list-sas").stdout


def connection(name, local, remote, local_id, remote_id, secret, ike="aes256-sha256-modp2048",
               esp="aes256gcm16", local_ts="0.0.0.0/0", remote_ts="0.0.0.0/0", extra=""):
    """swanctl.conf of one PSK connection with one child of the same name."""
    return """connections { %(name)s {
  version = 2
  local_addrs = %(local)s
  remote_addrs = %(remote)s
  proposals = %(ike)s
  %(extra)s
  local { auth = psk
    id = %(local_id)s }
  remote { auth = psk
    id = %(remote_id)s }
  children { %(name)s {
    local_ts = %(local_ts)s
    remote_ts = %(remote_ts)s
    esp_proposals = %(esp)s } } } }
secrets { ike-%(name)s {
  secret = %(secret)s
  id = %(remote_id)s } }
""" % locals()
