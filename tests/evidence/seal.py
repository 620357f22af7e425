#!/usr/bin/env python3
"""A second verifier of the seal of a master, written from the ONVIF Export File Format (26.06) and RFC 8017 alone: RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt of 20 bytes.

Standard library only. Prints SEALED and the name in the certificate, or NOT SEALED with the reason; ends with 0 or 1.
    seal.py MASTER
"""

import hashlib
import sys

SALT = 20
HASH = 32
# What a box holds before its boxes: version and flags; in ipro also the number of protections.
HEAD = {b"meta": 4, b"ipro": 6, b"sinf": 0, b"schi": 0}


class Bad(Exception):
    pass


def need(what, why):
    if not what:
        raise Bad(why)


def boxes(data, start, end):
    """Name, start and end of the content of each box."""
    while start < end:
        need(start + 8 <= end, "a box is too short")
        size, name, head = int.from_bytes(data[start:start + 4], "big"), data[start + 4:start + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8:start + 16], "big"), 16
        if size == 0:
            size = end - start
        need(size >= head and start + size <= end, "a box has no possible size")
        yield name, start + head, start + size
        start += size


def inner(data, place, names):
    """Content of the one box under these names."""
    for name in names:
        found = [(start, end) for kind, start, end in boxes(data, *place) if kind == name]
        need(len(found) == 1, f"there is no single {name.decode()}")
        place = (found[0][0] + HEAD.get(name, 0), found[0][1])
    return place


def der(data, at):
    """Tag, start and end of a DER value."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[at:at + count], "big"), at + count
    need(at + length <= len(data), "the certificate is too short")
    return tag, at, at + length


def values(data, start, end):
    found = []
    while start < end:
        tag, content, after = der(data, start)
        found.append((tag, content, after))
        start = after
    return found


def public_key(certificate):
    """Modulus, exponent and common name (X.509, RFC 5280 section 4.1; RSAPublicKey, RFC 8017 appendix A.1.1)."""
    _, start, end = der(certificate, 0)
    tbs = values(certificate, start, end)[0]
    fields = [one for one in values(certificate, tbs[1], tbs[2]) if one[0] != 0xA0]
    # Without the version: serial, algorithm, issuer, validity, subject, key.
    subject, info = fields[4], fields[5]
    parts = values(certificate, info[1], info[2])
    oid = certificate[parts[0][1]:parts[0][2]]
    need(bytes.fromhex("2a864886f70d010101") in oid, "the key of the certificate is no RSA key")
    _, start, end = der(certificate, parts[1][1] + 1)
    modulus, exponent = (int.from_bytes(certificate[a:b], "big") for _, a, b in values(certificate, start, end))
    names = []
    for _, a, b in values(certificate, subject[1], subject[2]):
        for _, c, d in values(certificate, a, b):
            kind, text = values(certificate, c, d)
            if certificate[kind[1]:kind[2]] == bytes.fromhex("550403"):
                names.append(certificate[text[1]:text[2]].decode())
    return modulus, exponent, ", ".join(names)


def mgf1(seed, length):
    out = b""
    for counter in range((length + HASH - 1) // HASH):
        out += hashlib.sha256(seed + counter.to_bytes(4, "big")).digest()
    return out[:length]


def pss_verifies(digest, signature, modulus, exponent):
    """RFC 8017 sections 8.1.2 and 9.1.2."""
    bits = modulus.bit_length()
    length = (bits - 1 + 7) // 8
    value = int.from_bytes(signature, "big")
    if len(signature) != (bits + 7) // 8 or value >= modulus:
        return False
    encoded = pow(value, exponent, modulus).to_bytes((bits + 7) // 8, "big")[-length:]
    masked, hashed, trailer = encoded[:length - HASH - 1], encoded[length - HASH - 1:-1], encoded[-1]
    spare = 8 * length - (bits - 1)
    if trailer != 0xBC or masked[0] >> (8 - spare):
        return False
    block = bytearray(a ^ b for a, b in zip(masked, mgf1(hashed, len(masked))))
    block[0] &= 0xFF >> spare
    zeros = length - HASH - SALT - 2
    if any(block[:zeros]) or block[zeros] != 1:
        return False
    return hashlib.sha256(bytes(8) + digest + bytes(block[-SALT:])).digest() == hashed


def check(data):
    """The name in the certificate of a file whose seal is right."""
    seal = inner(data, (0, len(data)), [b"meta", b"ipro", b"sinf"])
    scheme = inner(data, seal, [b"schm"])
    need(data[scheme[0] + 4:scheme[1]] == b"oeff\x00\x01\x00\x00", "the scheme is another one")
    place, certificate = (inner(data, seal, [b"schi", name]) for name in (b"sibo", b"cert"))
    modulus, exponent, name = public_key(data[slice(*certificate)])
    need(modulus.bit_length() >= 2048, "the key is too short")
    digest = hashlib.sha256(data[:place[0]] + bytes(place[1] - place[0]) + data[place[1]:]).digest()
    need(pss_verifies(digest, data[slice(*place)], modulus, exponent), "the signature is not one of this file")
    return name


def main():
    if len(sys.argv) != 2:
        sys.exit(2)
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    try:
        print(f"SEALED by {check(data)}")
    except (Bad, IndexError, ValueError) as error:
        print(f"NOT SEALED: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
