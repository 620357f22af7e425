#!/usr/bin/env python3
"""A second verifier of evidence bundles, written from appliance/evidence/FORMAT.md alone: what the page says is then what both check.

Standard library only. Slow on purpose where that is plainer. Called like watchbook-verify:
    verify.py BUNDLE --log KEY [--witness KEY]... [--quorum N] [--known FILE] [--consistency FILE] [--quiet]
"""

import argparse
import base64
import hashlib
import json
import os
import re
import stat
import sys
import unicodedata

from forms import INT_MAX, check_copy, fields, hex_bytes, integer, nanos, text
from masters import Bad, Master, need

JSON_MAX = 268_435_456
NOTE_MAX = 1_048_576
SECOND = 1_000_000_000

EXIT = {
    "unreadable": 3,
    "file-missing": 10, "file-altered": 10, "file-unlisted": 10,
    "run-altered": 11, "segment-leaf": 11, "segment-altered": 11, "segment-order": 11, "coverage": 11,
    "runs-withheld": 12, "gap-leaf": 12, "gap-unexplained": 12, "delivered-wrong": 12, "incomplete": 12,
    "export-missing": 13, "manifest-altered": 13, "export-early": 13,
    "proof-wrong": 14,
    "checkpoint-origin": 15, "key-change": 15, "checkpoint-unsigned": 15, "checkpoint-forged": 15,
    "witness-forged": 16, "witness-early": 16, "witness-missing": 16,
    "fork": 17, "older": 17, "unconnected": 17,
}


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


# ---------------------------------------------------------------------------------------------------------------- Ed25519, RFC 8032 §5.1

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e = (y1 - x1) * (y2 - x2) % P
    f = (y1 + x1) * (y2 + x2) % P
    g = 2 * t1 * t2 * D % P
    h = 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_mul(scalar, point):
    total = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            total = point_add(total, point)
        point = point_add(point, point)
        scalar >>= 1
    return total


def point_decode(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P != 0 or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def point_encode(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = point_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verifies(public, message, signature):
    if len(signature) != 64:
        return False
    a, s = point_decode(public), int.from_bytes(signature[32:], "little")
    if a is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    minus_a = (P - a[0], a[1], a[2], P - a[3])
    return point_encode(point_add(point_mul(s, BASE), point_mul(k, minus_a))) == signature[:32]


# ---------------------------------------------------------------------------------------------------------------- texts

def b64(text, strict=True):
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise Bad("not base64") from error
    again = base64.b64encode(data).decode()
    # Leftover bits change the last character before the padding only.
    same = again == text if strict else len(again) == len(text) and again.count("=") == text.count("=")
    need(same, "base64 of another spelling")
    return data


def hash_line(text):
    data = b64(text)
    need(len(data) == 32, "not a hash")
    return data


def load_json(data):
    def no(what):
        raise Bad(f"not allowed: {what}")

    try:
        value = json.loads(data.decode("utf-8"), parse_float=no, parse_constant=no)
    except (ValueError, RecursionError) as error:
        raise Bad(f"not JSON: {error}") from error
    return value


def dump_json(value, sort=True):
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=sort, separators=(",", ":")).encode("utf-8")
    except (ValueError, UnicodeEncodeError) as error:
        raise Bad("not writable as JSON") from error


def canonical(data):
    value = load_json(data)
    need(dump_json(value) == data, "not the one spelling")
    return value


# ---------------------------------------------------------------------------------------------------------------- keys, notes, checkpoints

def is_name(name):
    bad = any(c.isspace() or c == "+" or unicodedata.category(c) == "Cc" for c in name)
    return 1 <= len(name.encode()) <= 255 and not bad


class Key:
    def __init__(self, line):
        parts = line.split("+", 2)
        need(len(parts) == 3, "a key has three parts")
        self.name, key_id, blob = parts
        blob = b64(blob)
        need(is_name(self.name) and len(blob) == 33 and blob[0] in (1, 4), "not a key")
        self.kind, self.public = blob[0], blob[1:]
        self.id = sha256(self.name.encode(), b"\n", blob)[:4]
        need(self.id.hex() == key_id, "the id does not fit the key")
        self.line = line


class Note:
    def __init__(self, data):
        need(len(data) <= NOTE_MAX, "too large")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Bad("not UTF-8") from error
        need(not any(ord(c) < 0x20 and c != "\n" for c in whole), "a control character")
        at = whole.rfind("\n\n")
        need(at >= 0, "no empty line")
        self.text, lines = whole[: at + 1], whole[at + 2 :]
        need(lines.endswith("\n"), "the last line has no end")
        lines = lines[:-1].split("\n")
        need(len(lines) <= 100, "too many signatures")
        self.signatures = [self.line(line) for line in lines]
        need(self.text.endswith("\n"), "the text has no end")

    @staticmethod
    def line(line):
        need(line.startswith("— "), "not a signature")
        parts = line[2:].split(" ", 1)
        need(len(parts) == 2 and is_name(parts[0]), "not a signature")
        blob = b64(parts[1], strict=False)
        need(len(blob) > 4, "not a signature")
        return parts[0], blob[:4], blob[4:]

    def signed_by(self, keys, kind):
        """(name, line of the key, time) of each good signature of `kind`; Bad when one of any given key is false."""
        good = []
        for name, key_id, blob in self.signatures:
            own = {key.line: key for key in keys if (key.name, key.id) == (name, key_id)}
            need(len(own) < 2, f"two of the given keys are {name}")
            for key in own.values():
                when, message = None, self.text.encode()
                if key.kind == 4:
                    when = int.from_bytes(blob[:8], "big")
                    need(len(blob) == 72 and when < 2**63, f"{name} has not signed this")
                    message, blob = f"cosignature/v1\ntime {when}\n".encode() + message, blob[8:]
                need(ed25519_verifies(key.public, message, blob), f"{name} has not signed this")
                if key.kind == kind and (name, key.line, when) not in good:
                    good.append((name, key.line, when))
        return good


class Checkpoint(Note):
    def __init__(self, data):
        super().__init__(data)
        lines = self.text[:-1].split("\n")
        need(len(lines) >= 3 and all(lines), "not three lines")
        self.origin = lines[0]
        need(len(self.origin.encode()) <= 255, "the origin is too long")
        need(re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1], re.ASCII) and int(lines[1]) < 2**63, "no size")
        self.size, self.root = int(lines[1]), hash_line(lines[2])


# ---------------------------------------------------------------------------------------------------------------- Merkle trees

def leaf_hash(leaf):
    return sha256(b"\0", leaf)


def node_hash(left, right):
    return sha256(b"\1", left, right)


def root_of(hashes):
    if not hashes:
        return sha256()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return node_hash(root_of(hashes[:k]), root_of(hashes[k:]))


def included(leaf, index, size, root, path):
    """RFC 9162 §2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistent(first, first_hash, second, second_hash, path):
    """RFC 9162 §2.1.4.2."""
    if first == 0:
        return not path and first_hash == sha256() and (second > 0 or second_hash == first_hash)
    if first == second:
        return not path and first_hash == second_hash
    path = list(path)
    if first & (first - 1) == 0:
        path.insert(0, first_hash)
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_hash and sr == second_hash


# ---------------------------------------------------------------------------------------------------------------- the two JSON files

CLOCKS = {"unknown": 0, "synchronised": 1, "free": 2}


def interval(value):
    end, start = fields(value, "end_ns", "start_ns")
    need(nanos(start) <= nanos(end), "an interval that ends before it begins")


def check_manifest(data):
    manifest = canonical(data)
    names = ["case", "delivered", "files", "format", "origin", "requested", "software", "streams"]
    redacted = type(manifest) is dict and manifest.get("format") == "watchbook-redacted/1"
    fields(manifest, *sorted(names + ["copy_class", "redaction"] if redacted else names))
    case, delivered, files, version, origin, requested, software, streams = (manifest[name] for name in names)
    need(redacted or version == "watchbook-bundle/1", "another format")
    text(case), text(origin), text(software), interval(delivered), interval(requested)
    need(type(files) is list and len(files) <= 1000 and type(streams) is list, "no lists")
    for file in files:
        size, kind, name, digest = fields(file, "bytes", "kind", "name", "sha256")
        integer(size, INT_MAX), hex_bytes(digest, 32)
        need(kind in ("master", "working", "other"), "kind of a file")
        need(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", text(name)), "name of a file")
        need(name not in ("manifest.json", "proofs.json", "checkpoint"), "name of a file")
    names = [file["name"] for file in files]
    need(all(a < b for a, b in zip(names, names[1:])), "files out of order")
    runs = ranges = told = 0
    for stream in streams:
        camera, gaps, segments, number = fields(stream, "camera", "gaps", "segments", "stream")
        text(camera), integer(number, 2**32 - 1)
        need(type(gaps) is list and type(segments) is list, "no lists")
        told += len(gaps)
        for gap in gaps:
            integer(gap, INT_MAX)
        for segment in segments:
            leaf, listed = fields(segment, "leaf", "runs")
            integer(leaf, INT_MAX)
            need(type(listed) is list, "no list")
            runs += len(listed)
            for run in listed:
                check_run(run, redacted)
                ranges += len(run.get("ranges", []))
    need(runs <= 1_048_576 and ranges <= 4_194_304 and told <= 65_536, "too many runs, ranges or gaps")
    numbers = [stream["stream"] for stream in streams]
    need(all(a < b for a, b in zip(numbers, numbers[1:])), "streams out of order")
    if redacted:
        check_copy(manifest)
    return manifest


def check_run(run, redacted):
    need(type(run) is dict, "not a run")
    if "withheld" in run:
        hex_bytes(fields(run, "withheld")[0], 32)
        return
    if redacted:
        clock, dts, utc, length, samples, digest = fields(
            run, "clock", "first_dts", "first_utc_ns", "length", "samples", "sha256"
        )
        need(type(clock) is str and clock in CLOCKS, "clock of a run")
        integer(dts, INT_MAX, -INT_MAX), nanos(utc), integer(length, 2**32 - 1), integer(samples, 2**32 - 1)
        hex_bytes(digest, 32)
        return
    names = ("clock", "file", "first_dts", "first_utc_ns", "length", "ranges", "samples", "sha256", "table")
    clock, file, dts, utc, length, ranges, samples, digest, table = fields(run, *names)
    need(type(clock) is str and clock in CLOCKS, "clock of a run")
    text(file), integer(dts, INT_MAX, -INT_MAX), nanos(utc), integer(length, 2**32 - 1), integer(samples, 2**32 - 1)
    hex_bytes(digest, 32), b64(text(table))
    need(type(ranges) is list and ranges, "no ranges")
    for piece in ranges:
        need(type(piece) is list and len(piece) == 2, "not a range")
        integer(piece[0], INT_MAX), integer(piece[1], INT_MAX, 1)


def check_proofs(data):
    proofs = canonical(data)
    export, version, leaves = fields(proofs, "export", "format", "leaves")
    need(version == "watchbook-proofs/1" and type(leaves) is list, "another format")
    integer(export, INT_MAX)
    for leaf in leaves:
        body, index, path, salt, utc = fields(leaf, "body", "index", "path", "salt", "utc_ns")
        need(len(text(body).encode()) <= 16384, "a body too long")
        integer(index, INT_MAX), hex_bytes(salt, 16), nanos(utc)
        need(type(path) is list and len(path) <= 63, "a path too long")
        for line in path:
            hash_line(text(line))
    numbers = [leaf["index"] for leaf in leaves]
    need(all(a < b for a, b in zip(numbers, numbers[1:])), "leaves out of order")
    return proofs


KINDS = {
    "segment": ("recording", "root", "runs", "stream"),
    "gap": ("end_ns", "reason", "start_ns", "stream"),
    "export": ("account", "approver", "manifest"),
    "log_key": ("note",),
}
WIDTHS = {"recording": 2**64, "runs": 2**32, "stream": 2**32, "account": 2**32, "approver": 2**32}


def record(body, kind):
    """The fields of a leaf's body of that kind, None for any other body."""
    try:
        value = load_json(body.encode())
        need(type(value) is dict and list(value) == ["kind", *KINDS[kind]] and value["kind"] == kind, "another kind")
        for name in KINDS[kind]:
            if name in WIDTHS:
                integer(value[name], WIDTHS[name] - 1)
            else:
                text(value[name])
        need(dump_json(value, sort=False) == body.encode(), "another spelling")
        return value
    except Bad:
        return None


# ---------------------------------------------------------------------------------------------------------------- the checks

class Verifier:
    def __init__(self, folder, trust):
        self.folder, self.trust, self.findings, self.latest = folder, trust, [], None

    def fail(self, code, subject, detail):
        self.findings.append((code, str(subject), detail))

    def path(self, name):
        return os.path.join(self.folder, name)

    def size(self, name):
        try:
            found = os.lstat(self.path(name))
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def piece(self, name, at, length):
        with open(self.path(name), "rb") as file:
            file.seek(at)
            return file.read(length)

    def load(self, name, most, check):
        size = self.size(name)
        try:
            need(size is not None and size <= most, "not there or too large")
            self.raw[name] = self.piece(name, 0, size)
            return check(self.raw[name])
        except (Bad, OSError) as error:
            self.fail("unreadable", name, str(error))
            return None

    def later(self, when):
        self.latest = when if self.latest is None else max(self.latest, when)

    def run(self):
        self.raw = {}
        self.manifest = self.load("manifest.json", JSON_MAX, check_manifest)
        self.proofs = self.load("proofs.json", JSON_MAX, check_proofs)
        self.checkpoint = self.load("checkpoint", NOTE_MAX, Checkpoint)
        self.redacted = self.manifest is not None and self.manifest["format"] == "watchbook-redacted/1"
        if self.findings:
            return
        self.leaves = {leaf["index"]: leaf for leaf in self.proofs["leaves"]}
        self.check_files()
        self.check_streams()
        self.check_export()
        self.check_leaves()
        self.check_checkpoint()
        self.check_witnesses()
        self.check_known()

    def check_files(self):
        for file in self.manifest["files"]:
            name = file["name"]
            size = self.size(name)
            if size is None:
                self.fail("file-missing", name, "it is not there")
            elif size != file["bytes"] or sha256(self.piece(name, 0, size)).hex() != file["sha256"]:
                self.fail("file-altered", name, "it is another file")
        named = {file["name"] for file in self.manifest["files"]} | {"manifest.json", "proofs.json", "checkpoint"}
        there = {os.fsencode(name).decode("utf-8", "replace") for name in os.listdir(self.folder)}
        for name in sorted(there - named):
            self.fail("file-unlisted", name, "the manifest does not name it")

    def record(self, leaf, kind):
        found = self.leaves.get(leaf)
        return found and record(found["body"], kind)

    def check_streams(self):
        self.masters = {file["name"] for file in self.manifest["files"] if file["kind"] == "master"}
        used, self.runs = {name: [] for name in self.masters}, 0
        for stream in self.manifest["streams"]:
            for segment in stream["segments"]:
                for run in segment["runs"]:
                    if run.get("file") in self.masters:
                        used[run["file"]] += [(at, at + length) for at, length in run["ranges"]]
        # Where runs lie over each other none is read: the work could be without end.
        self.used = {name: sorted(ranges) for name, ranges in used.items()}
        for name, ranges in self.used.items():
            if any(a[1] > b[0] for a, b in zip(ranges, ranges[1:])):
                self.used[name] = None
        starts, ends = [], []
        for stream in self.manifest["streams"]:
            for start, end in self.check_stream(stream):
                starts.append(start)
                ends.append(end)
        delivered = nanos(self.manifest["delivered"]["start_ns"]), nanos(self.manifest["delivered"]["end_ns"])
        if starts:
            self.later(max(ends))
        if starts and self.redacted:
            # It has no picture from outside of what was asked for.
            asked = [nanos(self.manifest["requested"][name]) for name in ("start_ns", "end_ns")]
            starts = [max(asked[0], min(asked[1], min(starts)))]
            ends = [max(asked[0], min(asked[1], max(ends)))]
        if delivered != (min(starts), max(ends)) if starts else delivered[0] != delivered[1]:
            self.fail("delivered-wrong", "interval", "it is not what the runs cover")
        for name in sorted(self.masters):
            self.check_coverage(name)

    def check_stream(self, stream):
        number, segments, times = stream["stream"], stream["segments"], []
        leaves = [segment["leaf"] for segment in segments]
        if any(a >= b for a, b in zip(leaves, leaves[1:])):
            self.fail("segment-order", number, "its segments are out of order")
        for at, segment in enumerate(segments):
            subject = f"{number}/{segment['leaf']}"
            out = ["withheld" not in run for run in segment["runs"]]
            shape = "".join("r" if one else "." for one in out)
            before = r"\.*" if at == 0 else ""
            behind = r"\.*" if at == len(segments) - 1 else ""
            if not re.fullmatch(before + "r+" + behind, shape):
                self.fail("runs-withheld", subject, "runs are held back")
            times += self.check_segment(number, segment, subject)
        gaps = []
        for leaf in stream["gaps"]:
            gap = self.record(leaf, "gap")
            try:
                need(gap is not None and gap["stream"] == number, "no gap of this stream")
                gaps.append((nanos(gap["start_ns"]), nanos(gap["end_ns"])))
            except Bad as error:
                self.fail("gap-leaf", f"{number}/{leaf}", str(error))
        for (_, end), (start, _) in zip(times, times[1:]):
            if abs(end - start) <= SECOND:
                continue
            at = end
            for gap_start, gap_end in gaps:
                if abs(at - gap_start) <= SECOND:
                    at = gap_end
            if abs(at - start) > SECOND:
                self.fail("gap-unexplained", f"{number}/{end}", "no gap says why")
        self.check_complete(number, times + gaps)
        return times

    def check_complete(self, number, told):
        reached, end = nanos(self.manifest["requested"]["start_ns"]), nanos(self.manifest["requested"]["end_ns"])
        for start, stop in [*sorted(told), (end, end)]:
            if min(start, end) - reached > SECOND:
                self.fail("incomplete", number, f"nothing tells of the time from {reached}")
                return
            reached = max(reached, stop)

    def check_segment(self, number, segment, subject):
        leaf = self.record(segment["leaf"], "segment")
        if leaf is None or leaf["stream"] != number:
            self.fail("segment-leaf", subject, "no segment of this stream")
            return []
        hashes, times = [], []
        for at, run in enumerate(segment["runs"]):
            if "withheld" in run:
                hashes.append(bytes.fromhex(run["withheld"]))
                continue
            utc = nanos(run["first_utc_ns"])
            said = bytes([1, CLOCKS[run["clock"]]])
            for value, size in (
                (number, 4), (leaf["recording"], 8), (run["first_dts"], 8), (run["length"], 4), (utc, 8), (run["samples"], 4)
            ):
                said += (value % 2 ** (8 * size)).to_bytes(size, "little")
            hashes.append(leaf_hash(said + bytes.fromhex(run["sha256"])))
            digest = run["sha256"] if self.redacted else self.digest(run)
            self.runs += digest == run["sha256"]
            if digest not in (run["sha256"], "unread"):
                self.fail("run-altered", f"{subject}/{at}", "its samples are not what was recorded")
            times.append((utc, utc + run["length"] * 100_000 // 9))
        if len(hashes) != leaf["runs"] or root_of(hashes).hex() != leaf["root"]:
            self.fail("segment-altered", subject, "its runs are not what the log has")
        return times

    def digest(self, run):
        size = self.size(run["file"]) if run["file"] in self.masters else None
        if size is None:
            return None
        if self.used[run["file"]] is None:
            return "unread"
        digest = hashlib.sha256(b64(run["table"]))
        for at, length in run["ranges"]:
            if at + length > size:
                return None
            digest.update(self.piece(run["file"], at, length))
        return digest.hexdigest()

    def check_coverage(self, name):
        size = self.size(name)
        if size is None:
            return
        try:
            need(self.used[name] is not None, "runs lie over each other")
            master = Master(self.used[name])
            master.read(size, lambda at, length: self.piece(name, at, length))
            need(merged(self.used[name]) == merged(master.media), "media data of no run, or a run elsewhere")
        except Bad as error:
            self.fail("coverage", name, str(error))

    def check_export(self):
        number = self.proofs["export"]
        export = self.record(number, "export")
        if export is None:
            self.fail("export-missing", number, "the log has no such export")
            return
        if sha256(self.raw["manifest.json"]).hex() != export["manifest"]:
            self.fail("manifest-altered", "manifest.json", "it is not the one that was released")
        used = [s["leaf"] for stream in self.manifest["streams"] for s in stream["segments"]]
        used += [leaf for stream in self.manifest["streams"] for leaf in stream["gaps"]]
        if any(leaf >= number for leaf in used):
            self.fail("export-early", number, "it is older than what it contains")

    def check_leaves(self):
        for leaf in self.proofs["leaves"]:
            utc = nanos(leaf["utc_ns"])
            self.later(utc)
            stored = b"\1" + bytes.fromhex(leaf["salt"]) + (utc % 2**64).to_bytes(8, "little") + leaf["body"].encode()
            path = [hash_line(line) for line in leaf["path"]]
            if not included(leaf_hash(stored), leaf["index"], self.checkpoint.size, self.checkpoint.root, path):
                self.fail("proof-wrong", leaf["index"], "it is not in the tree at this place")

    def check_checkpoint(self):
        if self.checkpoint.origin != self.manifest["origin"]:
            self.fail("checkpoint-origin", "checkpoint", "of another log")
        keys = list(self.trust.log)
        for leaf in self.proofs["leaves"]:
            change = record(leaf["body"], "log_key")
            if change is None:
                continue
            try:
                old, new = self.key_change(change["note"])
                if old.line in [key.line for key in keys]:
                    keys = [key for key in keys if key.line not in (old.line, new.line)] + [new]
            except Bad as error:
                self.fail("key-change", leaf["index"], str(error))
        try:
            if not self.checkpoint.signed_by(keys, 1):
                self.fail("checkpoint-unsigned", "checkpoint", "by none of the keys given")
        except Bad as error:
            self.fail("checkpoint-forged", "checkpoint", str(error))

    def key_change(self, text):
        note = Note(text.encode())
        lines = note.text[:-1].split("\n")
        need(len(lines) == 4 and lines[0] == "watchbook log key v1", "no change of key")
        old, new = Key(lines[2]), Key(lines[3])
        need(old.kind == new.kind == 1 and old.line != new.line, "no two keys of a log")
        need(lines[1] == self.manifest["origin"] and lines[1], "a change of another log's key")
        need({line for _, line, _ in note.signed_by([old, new], 1)} == {old.line, new.line}, "one key has not signed")
        return old, new

    def check_witnesses(self):
        try:
            cosigned = self.checkpoint.signed_by(self.trust.witness, 4)
        except Bad as error:
            self.fail("witness-forged", "checkpoint", str(error))
            cosigned = []
        good = set()
        for name, key, when in cosigned:
            if self.latest is not None and when + 60 < self.latest // SECOND:
                self.fail("witness-early", name, "before what it is said to have seen")
            else:
                good.add(key)
        if len(good) < self.trust.quorum:
            self.fail("witness-missing", "checkpoint", f"{len(good)} of {self.trust.quorum}")

    def check_known(self):
        known, here, proof = self.trust.known, self.checkpoint, self.trust.consistency
        if known is None:
            return
        old, new = (known, here) if known.size <= here.size else (here, known)
        if old.size == new.size:
            if old.root != new.root:
                self.fail("fork", "checkpoint", "two roots of one size")
        elif proof is None:
            self.fail("older" if known is new else "unconnected", "checkpoint", "no consistency proof was given")
        elif not consistent(old.size, old.root, new.size, new.root, proof):
            self.fail("fork", "checkpoint", "the consistency proof does not verify")


def merged(stretches):
    whole = []
    for start, end in sorted(stretches):
        if start == end:
            continue
        if whole and whole[-1][1] == start:
            whole[-1][1] = end
        else:
            whole.append([start, end])
    return whole


def bounded(path, most):
    """The bytes of a file that is one, and not too large."""
    need(stat.S_ISREG(os.stat(path).st_mode), f"{path} is not a file")
    with open(path, "rb") as file:
        data = file.read(most + 1)
    need(len(data) <= most, f"{path} is too large")
    return data


def keys_of(given):
    found = []
    for one in given:
        try:
            found.append(Key(one))
        except Bad:
            need(os.path.isfile(one), f"{one} is no key and no file with keys")
            lines = bounded(one, NOTE_MAX).decode("utf-8").splitlines()
            found += [Key(line.strip()) for line in lines if line.strip()]
    return found


def trust_of(options):
    options.log, options.witness = keys_of(options.log), keys_of(options.witness)
    need(options.log, "no key of a log")
    if options.quorum is None:
        options.quorum = 1 if options.witness else 0
    need(0 <= options.quorum < 2**32, "not a number of witnesses")
    if options.known:
        options.known = Checkpoint(bounded(options.known, NOTE_MAX))
        need(options.known.signed_by(options.log, 1), "the known checkpoint is not signed by the log")
        try:
            path = os.path.join(options.bundle, "manifest.json")
            need(not os.path.islink(path), "a link")
            origin = check_manifest(bounded(path, JSON_MAX))["origin"]
        except (Bad, OSError):
            origin = options.known.origin
        need(origin == options.known.origin, "the known checkpoint is of another log")
    if options.consistency:
        lines = bounded(options.consistency, NOTE_MAX).decode("utf-8").splitlines()
        options.consistency = [hash_line(line) for line in lines]
        need(len(options.consistency) <= 63, "the proof is too long")
    return options


TURNS = re.compile("[\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")


def plain(text):
    """Text for a terminal: nothing in a bundle can look like a line of the verifier's."""
    hide = (c if unicodedata.category(c) != "Cc" and not TURNS.match(c) else f"\\u{{{ord(c):x}}}" for c in text)
    return "".join(hide).encode("utf-8", "replace").decode("utf-8")


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle")
    parser.add_argument("--log", action="append", default=[])
    parser.add_argument("--witness", action="append", default=[])
    parser.add_argument("--quorum", type=int)
    parser.add_argument("--known")
    parser.add_argument("--consistency")
    parser.add_argument("--quiet", action="store_true")
    try:
        verifier = Verifier(None, trust_of(parser.parse_args()))
    except (Bad, OSError, ValueError) as error:
        print(f"verify.py: {plain(str(error))}", file=sys.stderr)
        return 2
    verifier.folder = verifier.trust.bundle
    verifier.run()
    for code, subject, detail in verifier.findings:
        print(f"FAIL {code} {plain(subject)}: {plain(detail)}")
    if verifier.redacted:
        said = "altered" if verifier.findings else f"intact: made of {verifier.runs} runs"
        print(f"REDACTED WORKING COPY, {said}")
    else:
        print("NOT VERIFIED" if verifier.findings else f"VERIFIED: {verifier.runs} runs")
    return min((EXIT[code] for code, _, _ in verifier.findings), default=20 if verifier.redacted else 0)


if __name__ == "__main__":
    sys.exit(main())
