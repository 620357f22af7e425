#!/usr/bin/env python3
"""Recomputes every number of a transparency report from an auditor's copy of the log, written from the table in appliance/evidence/src/report.rs.

Standard library only. The copy is what GET /api/v1/log/leaves gives, page after page: one JSON object a line with "index" and "leaf" (hexadecimal: version, salt of 16
bytes, time of 8 bytes little-endian in ns since 1970, body).

    report.py COPY --month 2026-11 [--entries N] [--open]   prints the report, byte for byte as the recorder gives it
    report.py COPY --shown FILE                             FILE is what the recorder gives of a month that is not over; prints after how many entries
    report.py COPY --published                              each published report's hash is that of what is recomputed
    report.py COPY --draws                                  each draw comes from the root that the rule names; prints what was drawn, one draw a line
    report.py COPY --checkpoint FILE [--log KEY]            the copy is what the checkpoint is about; with KEY it must be signed by it
Exit code 0: all is as it should be. 1: something is not; a sentence says what.
"""

import argparse
import base64
import calendar
import datetime
import hashlib
import json
import sys

from masters import Bad
from verify import Key, Note

SECOND = 1_000_000_000
PURPOSES = ["traffic_collision", "traffic_offence", "theft", "violence", "property_damage", "fire_or_rescue", "other_crime", "subject_request", "equipment_check"]
CLASSES = ["police", "prosecutor", "court", "defence", "data_subject", "other_authority"]
CHANGES = {
    "accounts": ["change_account", "enrol_approver_key", "remove_approver_key", "remove_second_factor"],
    "cameras_and_settings": ["change_config", "change_station_settings", "accept_camera", "restore_backup", "upload_certificate", "remove_certificate"],
    "disks": ["add_disk", "accept_disk", "retire_disk"],
    "log": ["change_log_key", "distrust_witness", "make_mirror_token", "revoke_mirror_token", "set_witness_push", "trust_witness"],
    "policy": ["propose_policy", "accept_policy", "withdraw_policy"],
    "plugins": ["install_plugin", "approve_plugin", "reject_plugin", "roll_back_plugin", "remove_plugin", "trust_publisher", "distrust_publisher", "set_plugin_dev_mode", "set_plugin_tried_out"],
}
REFUSALS = ["no_footage", "not_identified", "rights_of_others", "inquiry", "unfounded", "other_law"]
POLICY = ["purpose", "enabled", "removed", "retention_days_max", "audio", "masks", "plugins"]
# What exports say of footage that they cannot hand out.
MISSING = ["damaged", "not_stored"]
YEAR = 365 * 86_400 * SECOND
# What may come to nothing, and how many entries that named one case or export are remembered.
UNDOABLE = {"open_case", "request_export", "release_export", "refuse_export", "deliver_export", "place_hold", "release_hold"}
UNDOABLE |= {f"{act}_subject_request" for act in ("register", "extend", "answer", "refuse", "withdraw")}
UNDOABLE |= {action for actions in CHANGES.values() for action in actions}
SAID = 4


class Wrong(Exception):
    pass


def need(truth, sentence):
    if not truth:
        raise Wrong(sentence)


# ------------------------------------------------------------------------------------------------------------------------------------ the log


class Entry:
    def __init__(self, index, leaf):
        need(len(leaf) >= 25 and leaf[0] == 1, f"entry {index} is no leaf of version 1")
        self.index = index
        self.hash = hashlib.sha256(b"\0" + leaf).digest()
        self.ns = int.from_bytes(leaf[17:25], "little", signed=True)
        try:
            self.body = json.loads(leaf[25:])
        except ValueError:
            self.body = {}
        self.action = self.body.get("action") if isinstance(self.body, dict) else None
        outcome = self.body.get("outcome") if self.action is not None else None
        self.allowed = outcome == "allowed"
        # Which entry nothing came of, says this one.
        undoes = outcome.get("came_to_nothing", {}).get("entry") if isinstance(outcome, dict) and self.action in UNDOABLE else None
        self.undoes = undoes if isinstance(undoes, int) and 0 <= undoes < index else None

    def text(self, name):
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    def name(self, name):
        """What names something: a text, or a number."""
        value = self.body.get(name)
        return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""

    def number(self, name):
        value = self.body.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def read_copy(path):
    entries = []
    with open(path, encoding="ascii") as lines:
        for line in lines:
            row = json.loads(line)
            need(row["index"] == len(entries), f"entry {len(entries)} is missing or not in its place")
            entries.append(Entry(row["index"], bytes.fromhex(row["leaf"])))
    return entries


def roots(entries, sizes):
    """RFC 6962 roots of the first so many entries, in one pass: peaks of full subtrees, joined from the right."""
    wanted, found, peaks = set(sizes), {}, []

    def root():
        if not peaks:
            return hashlib.sha256(b"").digest()
        whole = peaks[-1][1]
        for _, peak in reversed(peaks[:-1]):
            whole = hashlib.sha256(b"\1" + peak + whole).digest()
        return whole

    if 0 in wanted:
        found[0] = root()
    for count, entry in enumerate(entries, 1):
        peaks.append((1, entry.hash))
        while len(peaks) > 1 and peaks[-2][0] == peaks[-1][0]:
            (leaves, left), (_, right) = peaks[-2:]
            peaks[-2:] = [(leaves * 2, hashlib.sha256(b"\1" + left + right).digest())]
        if count in wanted:
            found[count] = root()
    return found


def bounds(month):
    year, number = int(month[:4]), int(month[5:])
    start = calendar.timegm((year, number, 1, 0, 0, 0))
    end = calendar.timegm((year + number // 12, number % 12 + 1, 1, 0, 0, 0))
    return start * SECOND, end * SECOND


def month_of(ns):
    moment = datetime.datetime.fromtimestamp(ns // SECOND, datetime.timezone.utc)
    return f"{moment.year:04}-{moment.month:02}"


def beginning(entries, month, before):
    """First entry of a month's stretch: where the newest earlier report ended, of those that were published before entry `before` and not replaced."""
    valid = []
    for entry in entries[:before]:
        if entry.allowed and entry.action == "publish_report":
            valid = [one for one in valid if one[0] < entry.text("month")] + [(entry.text("month"), entry.number("entries"))]
    return max((one for one in valid if one[0] < month), default=("", 0))[1]


# --------------------------------------------------------------------------------------------------------------------------------- the reviews


def week_of(ns):
    """Weeks begin on Monday 00:00 UTC; 1970-01-01 was a Thursday."""
    return (ns // (86_400 * SECOND) + 3) // 7


def due(entries):
    """{entry of a draw: how many entries its root must be of}: up to and with the first one after the draw before that is dated in another week."""
    week, wanted, told = None, None, {}
    for entry in entries:
        week = week_of(entry.ns) if week is None else week
        if wanted is None and week_of(entry.ns) != week:
            wanted = entry.index + 1
        if entry.allowed and entry.action == "draw_reviews":
            told[entry.index] = wanted
            week, wanted = week_of(entries[wanted - 1].ns) if wanted else week, None
    return told


def draws(entries):
    """(entry of the draw, accesses that it drew) in the order of the log; each access takes part in one draw."""
    pool, told = [], []
    for entry in entries:
        if not entry.allowed:
            continue
        if entry.action in ("playback", "export", "request_export", "deliver_export"):
            pool.append(entry.index)
        if entry.action == "draw_reviews":
            until = min(entry.number("entries"), entry.index)
            seed = bytes.fromhex(entry.text("root"))
            these = [index for index in pool if index < until]
            pool = [index for index in pool if index >= until]
            ranked = sorted(these, key=lambda index: hashlib.sha256(seed + index.to_bytes(8, "big")).digest())
            told.append((entry, sorted(ranked[: max(entry.number("at_least"), -(-len(these) * entry.number("percent") // 100))])))
    return told


def reviews(entries, begin):
    """What was drawn and answered from entry `begin` on, and what waits at the end: drawn accesses, emergency cases."""
    by_draw = {entry.index: drawn for entry, drawn in draws(entries)}
    waiting, emergencies = {}, {}
    counts = {"drawn": 0, "ok": 0, "not_ok": 0}
    for entry in entries:
        if entry.undoes is not None and entry.action == "open_case":
            emergencies.pop(entry.undoes, None)
        if not entry.allowed:
            continue
        inside = entry.index >= begin
        if entry.action == "open_case" and entry.body.get("emergency") is True:
            emergencies[entry.index] = entry.ns
        if entry.index in by_draw:
            waiting.update((index, True) for index in by_draw[entry.index])
            counts["drawn"] += len(by_draw[entry.index]) if inside else 0
        if entry.action == "answer_review":
            index = entry.number("entry")
            if index not in waiting and index not in emergencies:
                continue
            if entries[index].number("account") == entry.number("account"):
                continue
            waiting.pop(index, None)
            emergencies.pop(index, None)
            if inside:
                counts["ok" if entry.body.get("ok") is True else "not_ok"] += 1
    return counts, waiting, emergencies


# ---------------------------------------------------------------------------------------------------------------------------------- the report


def report(entries, month, is_over, begin):
    start, end = bounds(month)
    inside = entries[begin:]
    undone = {entry.undoes for entry in entries}
    acts = [entry for entry in inside if entry.allowed and entry.index not in undone]
    newest = min(max(start, entries[-1].ns), end) if inside else start
    if not is_over:
        newest -= newest % (3600 * SECOND)

    def shown(count):
        return "<5" if count < 5 else count if is_over else count // 5 * 5

    def stock(count):
        """What waits: in whole fives always, so that nothing hidden follows from two months and what came and went between."""
        return "<5" if count < 5 else count // 5 * 5

    def split(counts):
        by = {word: shown(count) for word, count in counts.items()}
        total = sum(count for count in by.values() if count != "<5")
        return {"by": by, "total": f"≥{total}" if "<5" in by.values() else total}

    def count(*actions):
        return sum(entry.action in actions for entry in acts)

    # Cases and exports by the entry that last said so before the one that refers to it, and of which something came.
    said = {"open_case": {}, "request_export": {}}

    def say(entry, name, word):
        known = said[entry.action].setdefault(name, [])
        if len(known) < SAID:
            known.append((entry.index, word))

    def last(action, name):
        known = said[action].get(name)
        return known[-1][1] if known else "other"

    views, released = dict.fromkeys(PURPOSES + ["no_case", "other"], 0), dict.fromkeys(CLASSES, 0)
    known_undone = set()
    for entry in entries:
        if entry.undoes is not None and entry.action == "release_export" and entry.undoes >= begin and entry.undoes not in known_undone:
            recipient = last("request_export", entry.name("export"))
            released[recipient] = max(0, released.get(recipient, 0) - 1)
        known_undone.add(entry.undoes)
        if entry.undoes is not None and entry.action in said:
            for known in said[entry.action].values():
                known[:] = [one for one in known if one[0] != entry.undoes]
        if not entry.allowed:
            continue
        counts = entry.index >= begin
        if entry.action == "open_case":
            say(entry, entry.name("case"), entry.text("purpose") if entry.text("purpose") in PURPOSES else "other")
        elif entry.action == "request_export":
            say(entry, entry.name("export"), entry.text("recipient_class") if entry.text("recipient_class") in CLASSES else "other")
        elif entry.action == "playback" and counts:
            case = entry.name("case")
            views["no_case" if case == "" else last("open_case", case)] += 1
        elif entry.action == "release_export" and counts:
            recipient = last("request_export", entry.name("export"))
            released[recipient] = released.get(recipient, 0) + 1

    emergency = [entry for entry in acts if entry.action == "open_case" and entry.body.get("emergency") is True]
    reviewed, waiting, emergencies = reviews(entries, begin)
    overdue = sum(newest - opened > 72 * 3600 * SECOND for opened in emergencies.values())
    refused = [entry for entry in inside if entry.action is not None and not entry.allowed]
    cameras, changes, reviewed_at = policies(entries, begin)
    overdue_cameras = {camera for camera, policy in cameras.items() if policy["enabled"] and newest - reviewed_at[camera] > YEAR}
    station, station_changes = station_policies(entries, begin)
    rules = station["rules"] if station else {}
    beyond = [camera for camera in cameras.values() if camera["enabled"] and (camera["retention_days_max"] > rules.get("retention_days_max", 1 << 64) or (camera["audio"] and rules.get("sound") is False))]
    gaps, missing = {}, dict.fromkeys(MISSING, 0)
    for entry in inside:
        if camera_of(entry) is not None:
            reason = entry.text("reason").replace(" ", "_")
            counted = missing if reason in missing else gaps
            counted[reason] = counted.get(reason, 0) + 1
    answered = {word: reviewed[word] for word in ("ok", "not_ok")}
    return {
        "version": 3,
        "month": month,
        "from_utc_ms": start // 1_000_000,
        "to_utc_ms": end // 1_000_000,
        "over": is_over,
        "from_entry": begin,
        "log_entries": len(entries) if is_over else len(entries) // 1000 * 1000,
        "as_of_utc_ms": newest // 1_000_000,
        "cameras": hours(cameras, inside, acts, shown, (reviewed_at, overdue_cameras)),
        "cameras_beyond_policy": len(beyond),
        "cameras_review_overdue": len(overdue_cameras),
        "cameras_without_contact": sum(1 for camera in cameras.values() if camera["enabled"] and not camera["contact"]),
        "cameras_without_purpose": sum(1 for camera in cameras.values() if camera["enabled"] and camera["purpose"] == ""),
        "views": split(views),
        "live_views": shown(count("live")),
        "cases_opened": shown(count("open_case") - len(emergency)),
        "exports": {
            "requested": shown(count("request_export")),
            "released": split(released),
            "refused": shown(count("refuse_export")),
            "delivered": shown(count("deliver_export")),
            "taken_out_directly": shown(count("export")),
        },
        "holds": {"placed": shown(count("place_hold")), "released": shown(count("release_hold"))},
        "erasures": shown(count("erase")),
        "gaps": split(gaps),
        "missing_from_exports": split(missing),
        "emergency_cases": {"opened": shown(len(emergency)), "unreviewed": stock(len(emergencies)), "overdue": stock(overdue), "any_overdue": overdue > 0},
        "refused": {
            "attempts": shown(sum(entry.action != "sign_in" for entry in refused)),
            "failed_sign_ins": shown(sum(entry.action == "sign_in" for entry in refused)),
        },
        "reviews": {"drawn": shown(reviewed["drawn"]), "answered": split(answered), "unreviewed": stock(len(waiting))},
        "subject_requests": subject_requests(entries, begin, newest, (shown, split, stock)),
        "configuration": split({word: count(*actions) for word, actions in CHANGES.items()}),
        "policy": station,
        "station_policy_changes": station_changes[:100],
        "station_policy_changes_more": max(0, len(station_changes) - 100),
        "policy_changes": changes[:500],
        "policy_changes_more": max(0, len(changes) - 500),
    }


def subject_requests(entries, begin, newest, shows):
    """What became of the requests of people who may be in the footage: only those that wait can be answered, refused, withdrawn or given more time, in the order of the log."""
    shown, split, stock = shows
    counts, refused = dict.fromkeys(("received", "extended", "answered", "late", "withdrawn"), 0), dict.fromkeys(REFUSALS, 0)
    deadline_of, before = {}, {}
    for entry in entries:
        if entry.action is None or not entry.action.endswith("_subject_request"):
            continue
        if entry.undoes in before:
            request, deadline, where, word, late = before.pop(entry.undoes)
            deadline_of.pop(request, None)
            if deadline is not None:
                deadline_of[request] = deadline
            if entry.undoes >= begin:
                where[word] -= 1
                counts["late"] -= late
            continue
        act, request = entry.action.removesuffix("_subject_request"), entry.name("request")
        deadline = deadline_of.get(request)
        if not entry.allowed or (deadline is None and act != "register") or act not in ("register", "extend", "answer", "refuse", "withdraw"):
            continue
        late = act not in ("register", "extend") and entry.ns // 1_000_000 > deadline
        where, word = counts, {"register": "received", "extend": "extended", "answer": "answered", "withdraw": "withdrawn"}.get(act)
        if word is None:
            where, word = refused, entry.text("why") if entry.text("why") in REFUSALS else "other"
        before[entry.index] = (request, deadline, where, word, late)
        if act in ("register", "extend"):
            deadline_of[request] = entry.number("due_utc_ms")
        else:
            del deadline_of[request]
        if entry.index >= begin:
            where[word] = where.get(word, 0) + 1
            counts["late"] += late
    overdue = sum(newest // 1_000_000 > deadline for deadline in deadline_of.values())
    told = {word: shown(count) for word, count in counts.items()}
    return {**told, "refused": split(refused), "waiting": stock(len(deadline_of)), "overdue": stock(overdue), "any_overdue": overdue > 0}


def policies(entries, begin):
    """Of each camera what the log said last, what changed from entry `begin` on, and when somebody last said that it is needed."""
    now, changes, reviewed = {}, [], {}
    for entry in entries:
        camera = entry.number("camera")
        if entry.allowed and entry.action == "review_camera" and camera in reviewed:
            reviewed[camera] = entry.ns
        if not entry.allowed or entry.action != "state_policy":
            continue
        policy = {name: entry.body[name] for name in POLICY}
        policy["contact"] = entry.body.get("contact") is True
        before = now.get(camera)
        now[camera] = policy
        reviewed.setdefault(camera, entry.ns)
        if before != policy and entry.index >= begin:
            changes.append({"at_utc_ms": entry.ns // 1_000_000, "camera": camera, "from": before, "to": policy})
    return now, changes, reviewed


def station_policies(entries, begin):
    """The station's policy as the log said it last, and what changed from entry `begin` on."""
    now, changes = None, []
    for entry in entries:
        if not entry.allowed or entry.action != "state_rules":
            continue
        now, before = {name: entry.body[name] for name in ("policy", "version", "policy_sha256")}, now
        # Numbers and switches alone.
        now["rules"] = {name: value for name, value in entry.body["rules"].items() if isinstance(value, int) and (value is True or value is False or value >= 0)}
        if before != now and entry.index >= begin:
            changes.append({"at_utc_ms": entry.ns // 1_000_000, "from": before, "to": now})
    return now, changes


def camera_of(entry):
    """Camera of a main stream without footage for a while."""
    stream = entry.number("stream") if isinstance(entry.body, dict) and entry.body.get("kind") == "gap" else 0
    return stream // 256 if stream and stream % 256 == 0 else None


def seconds(gap):
    """How long a camera was without footage: of a clock that was wrong nobody knows."""
    length = max(0, int(gap.text("end_ns")) - int(gap.text("start_ns"))) // SECOND
    return 0 if gap.text("reason").replace(" ", "_") == "clock_step" else length


def hours(cameras, inside, acts, shown, looked):
    rows, (reviewed, overdue) = [], looked
    for camera in sorted(cameras):
        told = [one for entry in acts if entry.action == "record_hours" for one in entry.body["cameras"] if one["camera"] == camera]
        gaps = [entry for entry in inside if camera_of(entry) == camera and entry.text("reason") not in MISSING]
        row = {
            **cameras[camera],
            "camera": camera,
            "reviewed_utc_ms": reviewed[camera] // 1_000_000,
            "review_overdue": camera in overdue,
            "recorded_minutes": sum(one["minutes"] for one in told),
            "gap_seconds": sum(map(seconds, gaps)),
            "erased_hours": shown(sum(entry.number("hours") for entry in acts if entry.action == "erase" and entry.number("camera") == camera)),
        }
        if not row["removed"] or row["recorded_minutes"] or row["gap_seconds"] or row["erased_hours"] != "<5":
            rows.append(row)
    return rows


def spelt(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# ---------------------------------------------------------------------------------------------------------------------------------- the checks


def check_published(entries):
    published = [entry for entry in entries if entry.allowed and entry.action == "publish_report"]
    for entry in published:
        month, size = entry.text("month"), entry.number("entries")
        need(size <= entry.index, f"the report of {month} is about entries that were written after it")
        begin = beginning(entries, month, entry.index)
        need(begin < size, f"the report of {month} that entry {entry.index} publishes is about nothing")
        digest = hashlib.sha256(spelt(report(entries[:size], month, True, begin))).hexdigest()
        need(digest == entry.text("report_sha256"), f"the report of {month} is not what entry {entry.index} says: {digest}")
        print(f"{month} {digest}")


def check_draws(entries):
    told = draws(entries)
    sizes = [entry.number("entries") for entry, _ in told]
    found, wanted, begin = roots(entries, sizes), due(entries), 0
    stated = [entry for entry in entries if entry.allowed and entry.action == "state_rules"]
    for (entry, drawn), size in zip(told, sizes):
        rules = next((one.body["rules"] for one in reversed(stated) if one.index < entry.index), {})
        need(size <= entry.index, f"draw {entry.index} comes from a checkpoint that was signed after it")
        need(size == wanted[entry.index], f"draw {entry.index} comes from {size} entries, and not from the first of the week on: {wanted[entry.index]}")
        least = {"percent": max(2, rules.get("review_percent", 2)), "at_least": max(5, rules.get("review_at_least", 5))}
        need(all(entry.number(name) >= number for name, number in least.items()), f"draw {entry.index} takes less than the policy says: {least}")
        need(found[size].hex() == entry.text("root"), f"draw {entry.index} comes from a root that the log never had")
        need(entry.number("from") == begin, f"draw {entry.index} leaves entries out, or draws from some twice")
        begin = size
        print(entry.index, *drawn)


def check_shown(entries, path):
    """Which number of entries gives these bytes; the newest is tried first. After a leaf of footage nothing is different."""
    with open(path, "rb") as file:
        data = file.read()
    given = json.loads(data)
    month, least = given["month"], given["log_entries"]
    for size in range(min(len(entries), least + 999), least - 1, -1):
        changes = size in (0, len(entries), least) or entries[size - 1].body.get("kind") != "segment" or entries[size - 1].ns // (3600 * SECOND) != entries[size - 2].ns // (3600 * SECOND)
        if changes and spelt(report(entries[:size], month, False, beginning(entries, month, size))) == data:
            return print(f"{month} after {size} entries")
    raise Wrong(f"no number of entries from {least} on gives this report of {month}")


def check_checkpoint(entries, path, key):
    with open(path, "rb") as file:
        data = file.read()
    lines = data.decode().split("\n")
    size, root = int(lines[1]), lines[2]
    if key is not None:
        need(Note(data).signed_by([Key(key)], 1), "the checkpoint is not signed by this key")
    need(size <= len(entries), f"the checkpoint is about {size} entries, the copy has {len(entries)}")
    need(base64.b64encode(roots(entries, [size])[size]).decode() == root, "the copy is not what the checkpoint is about")
    print(f"the first {size} entries are what the checkpoint is about")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("copy")
    parser.add_argument("--month")
    parser.add_argument("--entries", type=int)
    parser.add_argument("--open", action="store_true")
    parser.add_argument("--shown")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--draws", action="store_true")
    parser.add_argument("--checkpoint")
    parser.add_argument("--log")
    asked = parser.parse_args()
    entries = read_copy(asked.copy)
    if asked.checkpoint is not None:
        check_checkpoint(entries, asked.checkpoint, asked.log)
    if asked.published:
        check_published(entries)
    if asked.draws:
        check_draws(entries)
    if asked.shown is not None:
        check_shown(entries, asked.shown)
    if asked.month is not None:
        entries = entries[: asked.entries]
        sys.stdout.buffer.write(spelt(report(entries, asked.month, not asked.open, beginning(entries, asked.month, len(entries)))))


if __name__ == "__main__":
    try:
        main()
    except (Wrong, Bad) as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(1)
