"""Runs without WebAssembly, after a build: PYTHONPATH=target/watchbook-plugin/bindings python3 -m unittest"""

import unittest
from dataclasses import replace

import plugin
from componentize_py_types import Err
from wit_world.exports.rule import LocalTime, Occurrence, Situation
from wit_world.imports.types import Mark

MARK = Mark("motion", 1.0, 1764000000000000000, None, None, [], "")
LOCAL = LocalTime(2025, 11, 24, 16, 0, 0, 0, 0, "UTC")
MONDAY = Situation("camera", "Camera", Occurrence("org.example.source", MARK), LOCAL, [], [])


class RuleTest(unittest.TestCase):
    def test_motion_counts_outside_office_hours_only(self):
        rule = plugin.Rule()
        rule.configure('{"office_from": 8, "office_until": 17, "notify": true}')
        self.assertEqual(rule.evaluate(MONDAY), [])
        tag, notice = rule.evaluate(replace(MONDAY, local=replace(LOCAL, hour=17)))
        self.assertEqual(tag.what.value, "after-hours")
        self.assertEqual(tag.reason, "motion at 17:00, outside office hours 8 to 17")
        self.assertEqual(notice.what.value, "Motion outside office hours: Camera")

    def test_hours_that_make_no_sense_are_refused(self):
        with self.assertRaises(Err):
            plugin.Rule().configure('{"office_from": 17, "office_until": 8, "notify": true}')


if __name__ == "__main__":
    unittest.main()
