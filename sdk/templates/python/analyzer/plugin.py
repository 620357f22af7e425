"""Counts how often the brightness of the picture changes at once."""

import json

from wit_world import exports
from wit_world.exports.about import Card
from wit_world.exports.analyzer import Setup
from wit_world.imports.frames import Frame
from wit_world.imports.types import Area, Mark

WHOLE = Area(0, 0, 65535, 65535)

settings: dict = {}
state: dict = {"before": None, "changes": 0}


class About(exports.About):
    def describe(self) -> Card:
        return Card(id="{{id}}", version="0.1.0", api="0.1")


class Analyzer(exports.Analyzer):
    def start(self, s: Setup) -> None:
        settings.update(json.loads(s.settings_json))
        if s.saved:
            state["changes"] = int(s.saved)

    # Python is slow with pixels: let the host make the picture small.
    def on_frame(self, f: Frame) -> list[Mark]:
        small = f.luma_area(WHOLE, 32, 18)
        now = sum(small) // len(small)
        was, state["before"] = state["before"], now
        if was is None or abs(now - was) < settings["step"]:
            return []
        state["changes"] += 1
        note = f"from {was} to {now}, change {state['changes']}"
        return [Mark("brightness", 1.0, f.info().utc_ns, None, None, [], note)]

    def stop(self) -> bytes:
        return str(state["changes"]).encode()
