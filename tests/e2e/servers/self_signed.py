"""TLS with a certificate that a camera made itself, as most cameras do, or that an authority made for it."""

import os
import ssl
import subprocess


def context(folder, version_1=False, old=False, authority=False):
    """A key and its certificate are made in `folder`: camera.pem. `version_1`: of the first version of X.509; `authority`: by one, for 127.0.0.1, whose own certificate is
    authority.pem there; `old`: only TLS 1.1 and older is spoken."""
    made = os.path.join(folder, "camera.pem")
    openssl = lambda words: subprocess.run(["openssl"] + words.split(), check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    words = "-newkey rsa:2048 -nodes -sha256 -subj /CN=camera -keyout camera.pem"
    if version_1:
        # Without extensions it is one of version 1.
        openssl(f"req {words} -out camera.csr")
        openssl("x509 -req -in camera.csr -signkey camera.pem -days 3650 -out camera.crt")
    elif authority:
        openssl("req -x509 -newkey rsa:2048 -nodes -sha256 -subj /CN=station -days 3650 -keyout authority.key -out authority.pem")
        openssl(f"req {words} -out camera.csr")
        with open(os.path.join(folder, "host"), "w") as host:
            host.write("subjectAltName=IP:127.0.0.1")
        openssl("x509 -req -in camera.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 3650 -extfile host -out camera.crt")
    else:
        openssl(f"req -x509 {words} -days 3650 -out camera.crt")
    with open(made, "a") as both:
        both.write(open(os.path.join(folder, "camera.crt")).read())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made)
    if old:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context
