"""Runs without WebAssembly, after a build: PYTHONPATH=target/watchbook-plugin/bindings python3 -m unittest"""

import unittest

import plugin
from wit_world.exports.analyzer import Setup
from wit_world.imports.types import FrameInfo


class Frame:
    def __init__(self, grey: int, seq: int):
        self.grey, self.seq = grey, seq

    def info(self) -> FrameInfo:
        return FrameInfo("camera", self.seq, 1764000000000000000 + self.seq * 10**9, 320, 180, False, 0)

    def luma_area(self, part, width: int, height: int) -> bytes:
        return bytes([self.grey]) * (width * height)


class AnalyzerTest(unittest.TestCase):
    def test_each_step_of_brightness_is_one_mark(self):
        analyzer = plugin.Analyzer()
        analyzer.start(Setup("camera", [], '{"step": 30}', b"4"))
        marks = [mark for seq, grey in enumerate([40, 50, 90, 90, 20]) for mark in analyzer.on_frame(Frame(grey, seq))]
        self.assertEqual([mark.note for mark in marks], ["from 50 to 90, change 5", "from 90 to 20, change 6"])
        self.assertEqual(analyzer.stop(), b"6")


if __name__ == "__main__":
    unittest.main()
