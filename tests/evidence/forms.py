"""The forms of values in the JSON files of a bundle, and of what one says of a redacted copy: sections "JSON" and "Redacted copies" of appliance/evidence/FORMAT.md,
for verify.py."""

import re

from masters import need

INT_MAX = 2**53 - 1


def hex_bytes(text, size):
    need(isinstance(text, str) and re.fullmatch(r"[0-9a-f]{%d}" % (2 * size), text), "not hexadecimal")
    return bytes.fromhex(text)


def nanos(text):
    need(isinstance(text, str) and re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text), "not nanoseconds")
    value = int(text)
    need(-(2**63) <= value < 2**63, "nanoseconds out of range")
    return value


def integer(value, most, least=0):
    need(type(value) is int and least <= value <= most, "not an integer in its range")
    return value


def text(value):
    need(type(value) is str, "not a string")
    return value


def fields(value, *names):
    need(type(value) is dict and sorted(value) == sorted(names), "missing or unknown fields")
    return [value[name] for name in names]


def check_redaction(value):
    names = ("encoder", "everything_but", "frames", "left_out", "regions")
    more = [name for name in ("master", "padded") if type(value) is dict and name in value]
    fields(value, *names, *more)
    encoder, everything_but, frames, left_out, regions = (value[name] for name in names)
    need("padded" not in more or value["padded"] is True, "padding that is none")
    need(type(everything_but) is bool and len(text(encoder).encode()) <= 64, "no switch, or a long name")
    integer(frames, INT_MAX), integer(left_out, INT_MAX)
    if "master" in more:
        for digest in fields(value["master"], "file", "manifest"):
            hex_bytes(digest, 32)
    need(type(regions) is list and len(regions) <= 32, "too many regions")
    for region in regions:
        check_region(region)


def check_region(region):
    need(type(region) is dict and set(region) <= {"from_ns", "keys", "polygon", "to_ns"}, "not a region")
    times = [nanos(region[name]) for name in ("from_ns", "to_ns") if name in region]
    need(len(times) < 2 or times[0] < times[1], "a region that ends before it begins")
    need(("keys" in region) != ("polygon" in region), "a region is a polygon or moves")
    if "polygon" in region:
        need(type(region["polygon"]) is list and 3 <= len(region["polygon"]) <= 64, "corners of a region")
        for corner in region["polygon"]:
            need(type(corner) is list and len(corner) == 2, "a corner")
            integer(corner[0], 65535), integer(corner[1], 65535)
        return
    need(type(region["keys"]) is list and 1 <= len(region["keys"]) <= 64, "keys of a region")
    moments = []
    for key in region["keys"]:
        at, rectangle = fields(key, "at_ns", "rectangle")
        moments.append(nanos(at))
        need(type(rectangle) is list and len(rectangle) == 4, "a rectangle")
        for side in rectangle:
            integer(side, 65535)
        left, top, right, bottom = rectangle
        need(left < right and top < bottom, "an empty rectangle")
    need(all(a < b for a, b in zip(moments, moments[1:])), "keys out of order")


def check_copy(manifest):
    """A redacted copy's bundle has working files of one camera, named so, and neither master nor samples."""
    need(manifest["copy_class"] == "redacted", "another class of copy")
    check_redaction(manifest["redaction"])
    need(len(manifest["streams"]) <= 1, "more than one camera")
    for file in manifest["files"]:
        need(file["kind"] != "master", "a master in a redacted copy")
        need(file["name"].startswith("WORKING-REDACTED-") == (file["kind"] == "working"), "name of a working copy")
