#!/usr/bin/python3
"""A camera whose pictures tell when they were given out: to measure how old a picture is when somebody sees it.

Usage: clock_camera.py --footage DIR [--port N]
  DIR gets clock-main.264 and clock-sub.264, once: moving test pictures with a bar code of their number along the top. Mounts: /main 1280x720 at 25 pictures a second, /sub
  640x360 at 10. Picture n is given out when the machine's clock shows n times the time of a picture, so whoever reads the bar code (`lib/barcode.mjs` of the browser tests)
  knows when that was. Nothing is encoded while it runs, so what a camera needs to encode a picture is no part of what is measured.
Says `READY rtsp://ADDRESS:PORT/` on standard output once it listens, and ends when its standard input does.

The bar code: 20 cells of equal width. White, black, nine bits of the number modulo 512 from the highest, then the same nine bits inverted; a white cell is 1.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time

import gst_camera

# Pictures until the bar codes repeat: 20 s at 25 a second, far longer than any delay that is measured.
NUMBERS = 512
BITS = 9
STREAMS = {"main": (1280, 720, 25, "2M"), "sub": (640, 360, 10, "300k")}


def row(number, width):
    """One line of the bar code, a byte a pixel."""
    bits = [number >> (BITS - 1 - place) & 1 for place in range(BITS)]
    cells = [1, 0, *bits, *(1 - bit for bit in bits)]
    return b"".join((b"\xeb" if cell else b"\x10") * (width // len(cells)) for cell in cells)


def encode(path, width, height, fps, rate):
    """A key frame every two seconds and at the beginning, no B-frames, as the other footage."""
    lines = height // 6
    part = f"{path}.{os.getpid()}.part"
    strip = f"-f rawvideo -pix_fmt gray -s {width}x{lines} -r {fps} -i -".split()
    test = f"-f lavfi -i testsrc2=size={width}x{height}:rate={fps}".split()
    coder = f"-c:v libx264 -preset veryfast -profile:v main -g {2 * fps} -keyint_min {2 * fps} -sc_threshold 0 -bf 0 -b:v {rate} -maxrate {rate} -bufsize {rate} -x264-params aud=1".split()
    graph = ["-filter_complex", "[0:v][1:v]overlay=0:0,format=yuv420p", "-frames:v", str(NUMBERS)]
    with tempfile.TemporaryFile() as bars:
        for number in range(NUMBERS):
            bars.write(row(number, width) * lines)
        bars.seek(0)
        subprocess.run(["ffmpeg", "-v", "error", "-y", *test, *strip, *graph, *coder, "-f", "h264", part], stdin=bars, check=True)
    os.replace(part, path)


class ClockCamera(gst_camera.Camera):
    """Pushes by the machine's clock instead of from the beginning."""

    def push(self, source, loop, over):
        first = time.time_ns() // loop.frame_ns + 1
        index = first
        while not over.is_set():
            wait = (index * loop.frame_ns - time.time_ns()) / gst_camera.SECOND
            if wait > 0:
                time.sleep(wait)
            buffer = gst_camera.Gst.Buffer.new_wrapped(loop.frame(index))
            buffer.pts = buffer.dts = (index - first) * loop.frame_ns
            buffer.duration = loop.frame_ns
            if source.emit("push-buffer", buffer) != gst_camera.Gst.FlowReturn.OK:
                return
            index += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", required=True)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    folder = os.path.join(args.footage, "clock")
    os.makedirs(folder, exist_ok=True)
    mounts = {}
    for name, (width, height, fps, rate) in STREAMS.items():
        path = os.path.join(folder, f"clock-{name}.264")
        if not os.path.exists(path):
            encode(path, width, height, fps, rate)
        mounts[name] = {"file": os.path.basename(path), "fps": fps}
    with open(os.path.join(folder, "footage.json"), "w") as file:
        json.dump(mounts, file)
    gst_camera.serve(ClockCamera, argparse.Namespace(footage=folder, address="127.0.0.1", port=args.port, user=None, password="", audio="none", tls=None, transport="both"))


if __name__ == "__main__":
    main()
