# SPDX-License-Identifier: Apache-2.0
"""Certification authorities of a test, made by openssl: a chain, end entities, CRLs."""

from net import run

KEYS = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ecdsa": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ed25519": ["-algorithm", "ED25519"],
}


class Authority:
    """Key and certificate of a CA below `parent` (None: its own root), in `folder`."""

    def __init__(self, folder, name, kind="ecdsa", parent=None):
        self.folder, self.name, self.kind, self.parent = folder, name, kind, parent
        self.key, self.pem = folder / (name + ".key"), folder / (name + ".pem")
        self.revoked = []
        (parent or self)._issue(name, kind, "/O=Test/CN=" + name, "basicConstraints=critical,CA:TRUE\n"
                                "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n", self)

    def _issue(self, name, kind, subject, extensions, child=None, days=30):
        key, pem, csr = (self.folder / (name + suffix) for suffix in (".key", ".pem", ".csr"))
        conf = self.folder / (name + ".ext")
        conf.write_text(extensions)
        run(["openssl", "genpkey", *KEYS[kind], "-out", key])
        run(["openssl", "req", "-new", "-key", key, "-subj", subject, "-out", csr])
        signer = ["-signkey", key] if child is self else ["-CA", self.pem, "-CAkey", self.key, "-CAcreateserial"]
        run(["openssl", "x509", "-req", "-in", csr, *signer, "-days", str(days), "-extfile", conf, "-out", pem])
        return key, pem

    def issue(self, name, kind="ecdsa", days=30):
        """Key and certificate of the host `name`, which is in its subjectAltName too."""
        return self._issue(name, kind, "/O=Test/CN=" + name,
                           "subjectAltName=DNS:%s\nkeyUsage=digitalSignature\n" % name, days=days)

    def crl(self, *revoked):
        """The CRL that names those certificates, as DER."""
        index, conf, out = (self.folder / (self.name + s) for s in (".index", ".cnf", ".crl"))
        index.write_text("")
        (self.folder / (self.name + ".number")).write_text("01\n")
        conf.write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=%s\ncrlnumber=%s.number\ndefault_md=sha256\n"
                        "default_crl_days=7\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"
                        % (index, self.folder / self.name))
        ca = ["openssl", "ca", "-config", conf, "-cert", self.pem, "-keyfile", self.key]
        for pem in revoked:
            run([*ca, "-revoke", pem])
        run([*ca, "-gencrl", "-out", out])
        run(["openssl", "crl", "-in", out, "-outform", "DER", "-out", str(out) + ".der"])
        self.crl_pem = out
        return out.with_name(out.name + ".der").read_bytes()


def certificate_der(pem):
    run(["openssl", "x509", "-in", pem, "-outform", "DER", "-out", str(pem) + ".der"])
    return pem.with_name(pem.name + ".der").read_bytes()


def key_der(pem):
    run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", pem, "-outform", "DER", "-out", str(pem) + ".der"])
    return pem.with_name(pem.name + ".der").read_bytes()
