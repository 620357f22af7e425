#!/usr/bin/python3
"""A camera, by GStreamer's RTSP server: plays footage in a loop as a live source with unbroken timestamps.

Usage: gst_camera.py --footage DIR [--address A] [--port N] [--user NAME --password TEXT] [--audio none|aac|pcmu|pcma] [--transport both|tcp|udp] [--tls DIR]
  DIR is made by prepare_footage.sh; each entry of its footage.json is a mount: /main /sub /main2 /sub2 /hevc. Nothing is encoded here: pictures are cut out of the
  files once and pushed at their rate, which costs about 1 % of a core a camera. /bframes (two B-frames between others) and /long (a key frame every 12 s) are MP4 files that
  are played once from their beginning, with the times that are in them. An entry with "aligned": true plays the picture whose turn it is by the clock of the day, so
  that all such mounts show the same one at any moment, whenever they were opened.
  With --tls everything is encrypted; a key and a certificate for it are made in that DIR, unless they are there, by the openssl program: camera.pem.
Says `READY rtsp://ADDRESS:PORT/` (`rtsps:` with --tls) on standard output once it listens, and ends when its standard input does. Commands on standard input, one a line:
  silence              keep every connection and send nothing
  resume               send again
  resolution WxH       /main goes on in another size, in mid-stream, at the next key frame (encoded once by ffmpeg, kept in DIR)
  drop                 close every connection
  stop                 end
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

SECOND = 1_000_000_000
# An access unit delimiter with its start code: H.264 NAL type 9, H.265 NAL type 35.
DELIMITERS = {"264": b"\x00\x00\x00\x01\x09", "265": b"\x00\x00\x00\x01\x46\x01"}
VIDEO = {
    "264": "appsrc name=video ! rtph264pay name=pay0 pt=96 config-interval=-1 mtu=1400",
    "265": "appsrc name=video ! rtph265pay name=pay0 pt=96 config-interval=-1 mtu=1400",
}
VIDEO_CAPS = {
    "264": "video/x-h264,stream-format=byte-stream,alignment=au,framerate={fps}/1",
    "265": "video/x-h265,stream-format=byte-stream,alignment=au,framerate={fps}/1",
}
AUDIO = {
    "none": "",
    "aac": " appsrc name=audio ! aacparse ! rtpmp4gpay name=pay1 pt=97",
    "pcmu": " appsrc name=audio ! rtppcmupay name=pay1 pt=0",
    "pcma": " appsrc name=audio ! rtppcmapay name=pay1 pt=8",
}
AUDIO_CAPS = {
    "aac": "audio/mpeg,mpegversion=4,stream-format=adts,framed=true,rate=44100,channels=1",
    "pcmu": "audio/x-mulaw,rate=8000,channels=1",
    "pcma": "audio/x-alaw,rate=8000,channels=1",
}


def access_units(path):
    """Cuts an Annex B file with access unit delimiters into pictures."""
    data = open(path, "rb").read()
    delimiter = DELIMITERS[path.rsplit(".", 1)[1]]
    starts = []
    at = data.find(delimiter)
    while at >= 0:
        starts.append(at)
        at = data.find(delimiter, at + 4)
    if not starts:
        raise SystemExit(f"{path} has no access unit delimiters; make it with prepare_footage.sh")
    return [data[a:b] for a, b in zip(starts, starts[1:] + [len(data)])]


def adts_frames(path):
    data, frames, at = open(path, "rb").read(), [], 0
    while at + 7 <= len(data):
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        frames.append(data[at : at + length])
        at += length
    return frames


def certificate(folder):
    """A file with a key and a certificate that the camera made itself, as most cameras do."""
    path = os.path.join(folder, "camera.pem")
    if not os.path.exists(path):
        key, made = os.path.join(folder, "key"), os.path.join(folder, "certificate")
        words = "openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj /CN=camera".split()
        subprocess.run([*words, "-keyout", key, "-out", made], check=True, stderr=subprocess.DEVNULL)
        with open(path, "w") as file:
            file.write(open(made).read() + open(key).read())
    return path


class Loop:
    """Frames that are played over and over, and may be exchanged."""

    def __init__(self, frames, frame_ns, caps, aligned=False):
        self.frames, self.frame_ns, self.caps, self.aligned = frames, frame_ns, caps, aligned
        self.wanted = None

    def begin(self):
        """Where to begin, and when that picture was due."""
        if not self.aligned:
            return 0, time.monotonic_ns()
        now = time.time_ns()
        return now // self.frame_ns % len(self.frames), time.monotonic_ns() - now % self.frame_ns

    def frame(self, index):
        # Exchanged at a key frame only: the files begin with one, and repeat it every 2 s.
        if index % len(self.frames) == 0 or self.key_due(index):
            if self.wanted is not None:
                self.frames, self.wanted = self.wanted, None
        return self.frames[index % len(self.frames)]

    def key_due(self, index):
        return (index * self.frame_ns) % (2 * SECOND) == 0


class Camera:
    def __init__(self, args):
        self.args = args
        self.silent = threading.Event()
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address(args.address)
        self.server.set_service(str(args.port))
        self.loops = {}
        if args.user is not None or args.tls is not None:
            self.lock(args)
        for name in ("bframes", "long"):
            path = os.path.join(args.footage, name + ".mp4")
            self.add(name, f"( filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 mtu=1400 )", shared=False)
        for mount, entry in json.load(open(os.path.join(args.footage, "footage.json"))).items():
            self.mount(mount, entry)
        GLib.timeout_add_seconds(5, self.clean_up)

    def lock(self, args):
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        if args.user is not None:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(args.user, args.password, token)
        else:
            auth.set_default_token(token)
        if args.tls is not None:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate(args.tls)))
        self.server.set_auth(auth)

    def mount(self, mount, entry):
        path = os.path.join(self.args.footage, entry["file"])
        kind, fps = path.rsplit(".", 1)[1], entry["fps"]
        self.loops[mount] = Loop(access_units(path), SECOND // fps, VIDEO_CAPS[kind].format(fps=fps), entry.get("aligned", False))
        audio = self.args.audio if mount.startswith("main") else "none"
        factory = self.add(mount, f"( {VIDEO[kind]}{AUDIO[audio]} )", shared=True)
        factory.connect("media-configure", lambda _, media: self.configure(media, mount, audio))

    def add(self, mount, launch, shared):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(shared)
        lower = GstRtsp.RTSPLowerTrans
        factory.set_protocols({"both": lower.TCP | lower.UDP, "tcp": lower.TCP, "udp": lower.UDP}[self.args.transport])
        if self.args.user is not None or self.args.tls is not None:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("user", "media.factory.access", True)
            permissions.add_permission_for_role("user", "media.factory.construct", True)
            factory.set_permissions(permissions)
        self.server.get_mount_points().add_factory("/" + mount, factory)
        return factory

    def configure(self, media, mount, audio):
        over = threading.Event()
        media.connect("unprepared", lambda _: over.set())
        element = media.get_element()
        loops = [("video", self.loops[mount])]
        if audio == "aac":
            frames = adts_frames(os.path.join(self.args.footage, "audio.aac"))
            loops.append(("audio", Loop(frames, 1024 * SECOND // 44100, AUDIO_CAPS["aac"])))
        elif audio != "none":
            # 20 ms of a 400 Hz square wave at a moderate level, in µ-law; in A-law it is one, too.
            frame = bytes(0xA0 if (sample // 10) % 2 else 0x20 for sample in range(160))
            loops.append(("audio", Loop([frame], SECOND // 50, AUDIO_CAPS[audio])))
        for name, loop in loops:
            source = element.get_by_name_recurse_up(name) if hasattr(element, "get_by_name_recurse_up") else element.get_by_name(name)
            source.set_property("format", Gst.Format.TIME)
            source.set_property("is-live", True)
            source.set_property("caps", Gst.Caps.from_string(loop.caps))
            threading.Thread(target=self.push, args=(source, loop, over), daemon=True).start()

    def push(self, source, loop, over):
        (first, start), index = loop.begin(), 0
        while not over.is_set():
            due = index * loop.frame_ns
            wait = (start + due - time.monotonic_ns()) / SECOND
            if wait > 0:
                time.sleep(wait)
            if not self.silent.is_set():
                buffer = Gst.Buffer.new_wrapped(loop.frame(first + index))
                buffer.pts = due
                buffer.dts = due
                buffer.duration = loop.frame_ns
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            index += 1

    def clean_up(self):
        self.server.get_session_pool().cleanup()
        return True

    def resolution(self, size):
        width, height = size.split("x")
        path = os.path.join(self.args.footage, f"variant-{int(width)}x{int(height)}.264")
        if not os.path.exists(path):
            part = f"{path}.{os.getpid()}.part"
            subprocess.run(
                ["ffmpeg", "-v", "error", "-nostdin", "-y", "-r", "25", "-i", os.path.join(self.args.footage, "main.264"), "-t", "20", "-vf", f"scale={width}:{height},setsar=1"]
                + "-c:v libx264 -preset ultrafast -profile:v main -g 50 -keyint_min 50 -sc_threshold 0 -bf 0 -x264-params aud=1 -f h264".split()
                + [part],
                check=True,
            )
            os.replace(part, path)
        self.loops["main"].wanted = access_units(path)

    def drop(self):
        self.server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)

    def command(self, line):
        words = line.split()
        if words == ["silence"]:
            self.silent.set()
        elif words == ["resume"]:
            self.silent.clear()
        elif words == ["drop"]:
            GLib.idle_add(self.drop)
        elif len(words) == 2 and words[0] == "resolution":
            self.resolution(words[1])
        elif words:
            print(f"unknown command {line!r}", file=sys.stderr)
            return
        if words:
            print("OK " + line.strip(), flush=True)


def serve(kind, args):
    """Runs a camera of this class until standard input ends."""
    Gst.init(None)
    camera = kind(args)
    loop = GLib.MainLoop()
    if camera.server.attach(None) == 0:
        raise SystemExit(f"port {args.port} is taken")
    threading.Thread(target=loop.run, daemon=True).start()
    scheme = "rtsp" if args.tls is None else "rtsps"
    print(f"READY {scheme}://{args.address}:{camera.server.get_bound_port()}/", flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        camera.command(line)
    # The threads are GStreamer's; there is nothing to save.
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--audio", choices=sorted(AUDIO), default="none")
    parser.add_argument("--tls")
    parser.add_argument("--transport", choices=["both", "tcp", "udp"], default="both")
    args = parser.parse_args()
    serve(Camera, args)


if __name__ == "__main__":
    main()
