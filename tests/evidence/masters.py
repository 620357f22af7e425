"""What a master of an evidence bundle can show: section "Masters" of appliance/evidence/FORMAT.md, for verify.py."""

import bisect

TABLES_MAX = 268_435_456
BOXES_MAX = 1_048_576
SAMPLES_MAX = 16_777_216
ONCE = {
    "moov": "mvhd mvex meta",
    "trak": "tkhd edts mdia tref meta",
    "edts": "elst",
    "mdia": "mdhd hdlr minf",
    "minf": "vmhd smhd nmhd sthd dinf stbl",
    "dinf": "dref",
    "stbl": "stsd stts ctts stss sdtp stsc stsz stco co64",
    "mvex": "mehd",
    "moof": "mfhd",
    "traf": "tfhd tfdt sdtp",
    "meta": "hdlr suep cstb ipro",
}
OFTEN = {"moov": "trak", "mvex": "trex", "moof": "traf", "traf": "trun"}


class Bad(Exception):
    """Something is not in its format."""


def need(condition, why):
    if not condition:
        raise Bad(why)


class Fields:
    """Big-endian integers one behind the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size=4, signed=False):
        need(self.at + size <= len(self.data), "a box is too short")
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big", signed=signed)

    def flags(self):
        return self.take() & 0xFFFFFF

    def end(self):
        need(self.at == len(self.data), "a box is too long")


def boxes_in(parent, data):
    found, at = [], 0
    while at < len(data):
        need(at + 8 <= len(data), "a broken box")
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8].decode("latin-1")
        need(8 <= length <= len(data) - at, "a broken box")
        if name != OFTEN.get(parent):
            need(name in ONCE[parent].split(), f"{name} in {parent}")
            need(name not in [other for other, _ in found], f"{name} twice in {parent}")
        found.append((name, data[at + 8 : at + length]))
        at += length
    return found


def only(found, name):
    for other, data in found:
        if other == name:
            return data
    raise Bad(f"no {name}")


class Master:
    """Walks through a file whose runs lie in `runs`: sorted, none over another."""

    def __init__(self, runs):
        self.runs, self.media, self.defaults, self.samples = runs, [], {}, 0

    def read(self, size, piece):
        at, boxes, seen = 0, 0, set()
        while at < size:
            boxes += 1
            need(boxes <= BOXES_MAX, "too many boxes")
            head = piece(at, min(16, size - at))
            need(len(head) >= 8, "a broken box")
            length, name, header = int.from_bytes(head[:4], "big"), head[4:8].decode("latin-1"), 8
            if length == 0:
                length = size - at
            elif length == 1:
                need(len(head) == 16, "a broken box")
                length, header = int.from_bytes(head[8:], "big"), 16
            need(header <= length <= size - at, "a broken box")
            need((name == "ftyp") == (at == 0), "ftyp is the first box and no other")
            need(name in ("ftyp", "styp", "prft", "mdat", "moof", "moov", "meta"), f"{name} in the file")
            need(name not in ("moov", "meta") or name not in seen, f"{name} twice")
            seen.add(name)
            if name == "mdat":
                self.media.append((at + header, at + length))
            elif name in ("moof", "moov", "meta"):
                need(length <= TABLES_MAX, "a box too large")
                data = piece(at + header, length - header)
                {"moof": self.moof, "moov": self.moov, "meta": self.meta}[name](data, at)
            at += length

    def count(self, samples):
        self.samples += samples
        need(self.samples <= SAMPLES_MAX, "too many samples")

    def sample(self, at, length):
        if length:
            place = bisect.bisect_right(self.runs, (at, float("inf"))) - 1
            need(place >= 0 and at + length <= self.runs[place][1], f"a sample at {at} of no run")
        return at + length

    def meta(self, data, _at=None):
        fields = Fields(data)
        fields.take()
        boxes_in("meta", data[4:])

    def moov(self, data, _at):
        for name, body in boxes_in("moov", data):
            if name == "trak":
                self.track(boxes_in("trak", body))
            elif name == "meta":
                self.meta(body)
            elif name == "mvex":
                for inner, trex in boxes_in("mvex", body):
                    if inner == "trex":
                        fields = Fields(trex)
                        _, track, _, _, size, _ = [fields.take() for _ in range(6)]
                        fields.end()
                        need(track not in self.defaults, "two defaults of a track")
                        self.defaults[track] = size

    def track(self, trak):
        for name, body in trak:
            if name == "meta":
                self.meta(body)
            elif name == "edts":
                boxes_in("edts", body)
        minf = boxes_in("minf", only(boxes_in("mdia", only(trak, "mdia")), "minf"))
        dref = Fields(only(boxes_in("dinf", only(minf, "dinf")), "dref"))
        dref.take()
        for _ in range(dref.take()):
            need(dref.take(12) == int.from_bytes(b"\0\0\0\x0curl \0\0\0\1", "big"), "samples of another file")
        dref.end()
        self.tables(boxes_in("stbl", only(minf, "stbl")))

    def tables(self, stbl):
        sizes = Fields(only(stbl, "stsz"))
        sizes.take()
        uniform, count = sizes.take(), sizes.take()
        self.count(count)
        names = [name for name, _ in stbl]
        need(("stco" in names) != ("co64" in names), "no or two tables of chunks")
        width = 4 if "stco" in names else 8
        chunks = Fields(only(stbl, "stco" if width == 4 else "co64"))
        chunks.take()
        number = chunks.take()
        need(len(chunks.data) == 8 + width * number, "a table of another length")
        plan = Fields(only(stbl, "stsc"))
        plan.take()
        entries = [[plan.take() for _ in range(3)] for _ in range(plan.take())]
        plan.end()
        firsts = [entry[0] for entry in entries]
        need(all(a < b for a, b in zip(firsts, firsts[1:])), "chunks out of order")
        need(all(1 <= first <= number for first in firsts), "a chunk that is not there")
        per_chunk, left, next_entry = 0, count, 0
        for chunk in range(1, number + 1):
            if next_entry < len(entries) and firsts[next_entry] == chunk:
                per_chunk = entries[next_entry][1]
                next_entry += 1
            need(per_chunk <= left, "too many samples in chunks")
            left -= per_chunk
            at = chunks.take(width)
            for _ in range(per_chunk):
                at = self.sample(at, uniform or sizes.take())
        need(left == 0, "samples in no chunk")
        sizes.end()

    def moof(self, data, start):
        for name, body in boxes_in("moof", data):
            if name != "traf":
                continue
            traf = boxes_in("traf", body)
            head = Fields(only(traf, "tfhd"))
            flags, track = head.flags(), head.take()
            need(flags & 0x02_0000 and not flags & ~0x03_003A, "a fragment that does not count from its moof")
            need(track in self.defaults, "a fragment of no track")
            values = {flag: head.take() for flag in (0x02, 0x08, 0x10, 0x20) if flags & flag}
            head.end()
            for inner, trun in traf:
                if inner == "trun":
                    self.trun(Fields(trun), start, values.get(0x10, self.defaults[track]))

    def trun(self, fields, start, default):
        flags, count = fields.flags(), fields.take()
        need(flags & 0x01 and not flags & ~0xF05, "a fragment without a place")
        self.count(count)
        at = start + fields.take(signed=True)
        need(at >= 0, "before the file")
        if flags & 0x04:
            fields.take()
        for _ in range(count):
            values = {flag: fields.take() for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag}
            at = self.sample(at, values.get(0x200, default))
        fields.end()
