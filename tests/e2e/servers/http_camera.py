#!/usr/bin/python3
"""A camera that sends JPEG pictures over HTTP: with real muxers, by hand as cameras do, and wrongly on purpose.

Usage: http_camera.py [--port N] [--user NAME --password TEXT] [--tls DIR [--x509-v1] [--authority] [--old]]
Says `READY http://127.0.0.1:PORT/` (`https` with --tls, with a key and certificate made in DIR: camera.pem; --x509-v1: of version 1 of X.509; --authority: by one whose own is authority.pem there; --old: only TLS 1.1 and older) on standard output; ends when its standard input does. The path chooses what is sent:
  ffmpeg          what the ffmpeg program's mpjpeg muxer writes, 320x180, 10 pictures a second
  gstreamer       what GStreamer's multipartmux writes, 320x180, 10 pictures a second
  stream          25 a second, numbered pictures of 160x90, with lengths
  no-length       the same without lengths
  snapshot        the newest of these for each request
  basic/X         X after Basic authentication, digest/X after Digest (a new nonce every third answer), where Basic is offered first and not taken
  still           stream, the same picture again and again
Faults:
  hang            takes the connection and never answers
  silent          answers, then sends nothing
  close-later     stream, closed after a second
  endless-part    a picture that never ends
  endless-header  a part's header that never ends
  endless-head    an answer's head that never ends
  wrong-lengths   stream with lengths that are too small and too large in turn
  huge-lengths    stream with lengths that are half a megabyte too large
  cut             each picture breaks off
  html            a page with status 200
  html-parts      stream with a page in every part
  garbage         bytes that are no HTTP
  redirect        302 to another address
  status-NNN      this status
  size-once       stream, after a second in another size
  sizes           stream, each picture in another size
  huge            a snapshot of 6 MiB
  slow-snapshot   a snapshot whose bytes never end coming
"""
import argparse
import base64
import hashlib
import os
import socketserver
import ssl
import subprocess
import sys
import threading
import time

import self_signed

FPS = 25
# gst-launch-1.0, whose package nothing else needs.
GSTREAMER = """
import sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch(sys.argv[1])
pipeline.set_state(Gst.State.PLAYING)
pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.ERROR | Gst.MessageType.EOS)
"""
PART = b"--frame\r\nContent-Type: image/jpeg\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache\r\n"


def jpegs(size, count):
    """Numbered moving pictures."""
    source = f"testsrc2=size={size}:rate={FPS}"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(count), "-c:v", "mjpeg", "-q:v", "5", "-f", "mjpeg", "-"]
    data = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    # ffmpeg stuffs every 0xFF of its data, so an end of image is an end.
    return [b"\xff\xd8" + part for part in data.split(b"\xff\xd8")[1:]]


class Camera(socketserver.BaseRequestHandler):
    def setup(self):
        self.trusted = True
        if TLS is not None:
            try:
                self.request = TLS.wrap_socket(self.request, server_side=True)
            except (ssl.SSLError, OSError):
                # Whoever came does not trust the certificate, or speaks another TLS.
                self.trusted = False

    def handle(self):
        try:
            if not self.trusted:
                return
            while True:
                request = self.request_head()
                if request is None:
                    return
                line, fields = request
                path = line.split(" ")[1].lstrip("/")
                for scheme in ("basic", "digest"):
                    if path.startswith(scheme + "/"):
                        if not getattr(self, scheme)(fields.get("authorization", ""), "/" + path):
                            return
                        path = path.split("/", 1)[1]
                return self.answer(path)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass

    def request_head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.request.recv(4096)
            if not piece:
                return None
            data += piece
        lines = data.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        print(lines[0], fields.get("authorization", "").split(" ")[0], file=sys.stderr, flush=True)
        return lines[0], fields

    def refuse(self, *challenges):
        body = b"<html>who are you?</html>"
        self.request.sendall(b"HTTP/1.1 401 Unauthorized\r\nConnection: close")
        for challenge in challenges:
            self.request.sendall(b"\r\nWWW-Authenticate: " + challenge.encode())
        self.request.sendall(b"\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        return False

    def basic(self, authorization, _path):
        right = base64.b64encode(f"{options.user}:{options.password}".encode()).decode()
        return authorization == "Basic " + right or self.refuse('Basic realm="camera"')

    def digest(self, authorization, path):
        """RFC 7616 section 3.4.1, MD5 with qop=auth."""
        nonce = f"n{server.answers // 3}"
        server.answers += 1
        told = dict(part.strip().split("=", 1) for part in authorization[len("Digest "):].split(",") if "=" in part)
        told = {name: value.strip('"') for name, value in told.items()}
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
        ha1 = md5(f"{options.user}:camera:{options.password}")
        ha2 = md5(f"GET:{path}")
        right = md5(":".join([ha1, nonce, told.get("nc", ""), told.get("cnonce", ""), "auth", ha2]))
        if told.get("response") == right and told.get("uri") == path and told.get("nonce") == nonce:
            return True
        return self.refuse('Basic realm="camera"', f'Digest realm="camera", qop="auth", nonce="{nonce}"')

    def answer(self, path):
        send = self.request.sendall
        multipart = HEAD + b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        if path.startswith("status-"):
            return send(b"HTTP/1.1 %s Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % path[7:].encode())
        if path == "hang":
            return self.wait()
        if path == "silent":
            send(multipart)
            return self.wait()
        if path == "garbage":
            return send(os.urandom(4000).replace(b"H", b"x") + b"\r\n\r\n")
        if path == "redirect":
            return send(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
        if path == "html":
            page = b"<html>Log in</html>"
            return send(HEAD + b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
        if path == "endless-head":
            send(HEAD)
            while True:
                send(b"X-More: " + b"of this " * 100 + b"\r\n")
        if path in ("snapshot", "huge", "slow-snapshot"):
            return self.snapshot(path)
        send(multipart.replace(b"boundary=frame", b"boundary=ffmpeg") if path == "ffmpeg" else multipart)
        if path == "ffmpeg":
            return self.pipe(["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10", "-c:v", "mjpeg", "-f", "mpjpeg", "-"])
        if path == "gstreamer":
            caps = "video/x-raw,width=320,height=180,framerate=10/1"
            return self.pipe([sys.executable, "-c", GSTREAMER, f"videotestsrc is-live=true ! {caps} ! jpegenc ! multipartmux boundary=frame ! fdsink fd=1"])
        if path == "endless-header":
            send(PART)
            while True:
                send(b"X-More: " + b"of this " * 100 + b"\r\n")
        if path == "endless-part":
            send(PART + b"\r\n" + PICTURES[0][:-2])
            while True:
                send(b"\x55" * 65536)
        self.stream(path)

    def snapshot(self, path):
        data = PICTURES[int(time.monotonic() * FPS) % len(PICTURES)]
        if path == "slow-snapshot":
            self.request.sendall(HEAD + b"Content-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n" + data[:100])
            return self.wait()
        if path == "huge":
            data = data[:-2] + b"\x55" * (6 << 20) + b"\xff\xd9"
        self.request.sendall(HEAD + b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))

    def stream(self, path):
        begun = time.monotonic()
        for number in range(1 << 30):
            data = PICTURES[number % len(PICTURES)]
            if path == "close-later" and number == FPS:
                return
            if path == "still":
                data = PICTURES[0]
            if path == "cut":
                data = data[: len(data) // 2]
            if path == "html-parts":
                data = b"<html>busy</html>"
            if path == "sizes":
                # The height of the frame header: T.81 section B.2.2.
                at = data.index(b"\xff\xc0") + 5
                data = data[:at] + (90 + number % 50).to_bytes(2, "big") + data[at + 2 :]
            if path == "size-once" and number >= FPS:
                data = OTHERS[number % len(OTHERS)]
            off = {"wrong-lengths": 7 if number % 2 else -7, "huge-lengths": 500_000}.get(path, 0)
            length = len(data) + off
            told = b"" if path == "no-length" else b"Content-Length: %d\r\n" % length
            self.request.sendall(PART + told + b"\r\n" + data + b"\r\n")
            time.sleep(max(0, begun + (number + 1) / FPS - time.monotonic()))

    def pipe(self, command):
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as muxer:
            try:
                while piece := muxer.stdout.read1(65536):
                    self.request.sendall(piece)
            finally:
                muxer.kill()

    def wait(self):
        while self.request.recv(4096):
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    answers = 0


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--user", default="guard")
parser.add_argument("--password", default="night watch")
parser.add_argument("--tls")
parser.add_argument("--x509-v1", action="store_true")
parser.add_argument("--authority", action="store_true")
parser.add_argument("--old", action="store_true")
options = parser.parse_args()
TLS = self_signed.context(options.tls, options.x509_v1, options.old, options.authority) if options.tls else None
PICTURES = jpegs("160x90", 50)
OTHERS = jpegs("320x180", 10)
server = Server(("127.0.0.1", options.port), Camera)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"READY {'https' if TLS else 'http'}://127.0.0.1:{server.server_address[1]}/", flush=True)
sys.stdin.read()
