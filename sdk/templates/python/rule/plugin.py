"""Marks motion outside office hours and tells people on duty."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.about import Card
from wit_world.exports.rule import Proposal_Notify, Proposal_Tag, Situation, Verdict
from wit_world.imports.types import Fault_Config

settings: dict = {}


class About(exports.About):
    def describe(self) -> Card:
        return Card(id="{{id}}", version="0.1.0", api="0.1")


class Rule(exports.Rule):
    def configure(self, settings_json: str) -> None:
        settings.update(json.loads(settings_json))
        if settings["office_from"] >= settings["office_until"]:
            raise Err(Fault_Config("`office_until` must be later than `office_from`"))

    def evaluate(self, s: Situation) -> list[Verdict]:
        begin, end = settings["office_from"], settings["office_until"]
        office = s.local.weekday < 5 and begin <= s.local.hour < end
        if s.event.mark.kind != "motion" or office:
            return []
        reason = f"motion at {s.local.hour}:{s.local.minute:02}, outside office hours {begin} to {end}"
        verdicts = [Verdict(Proposal_Tag("after-hours"), reason)]
        if settings["notify"]:
            verdicts.append(Verdict(Proposal_Notify(f"Motion outside office hours: {s.camera_name}"), reason))
        return verdicts
