#!/usr/bin/python3
"""A camera that misbehaves on purpose: a small RTSP server for what real servers do not do on request.

Usage: bad_camera.py --video FILE.264 [--port N]
  FILE is an Annex B stream with access unit delimiters, as prepare_footage.sh makes it. The path of the address chooses the fault; `udp` or `tcp` as it is asked.
Says `READY rtsp://127.0.0.1:PORT/` on standard output; ends when its standard input does. Faults:
  good           none: proves that what the others show is the fault's doing
  hang-before    takes the connection and never answers
  hang-setup     answers DESCRIBE, not SETUP
  hang-play      answers PLAY, then sends nothing
  hang-later     sends two seconds of video, then nothing, the connection open
  close-later    sends two seconds of video, then closes
  no-video       a session description with sound only
  jpeg           a session description with motion JPEG only
  no-parameters  no parameter sets, neither in the description nor in band
  sdp-only       parameter sets in the description only
  band-only      parameter sets in band only
  broken-nal     every 20th picture has a packet with the forbidden bit set; the others are good
  cut-fu         every 60th picture breaks off inside a fragmented NAL unit without a lost packet
  lost           every 50th packet is missing
  all-broken     no picture can be read
  jump-back      after two seconds sequence numbers go back by 1000
  new-ssrc       after two seconds another SSRC
  time-jump      after two seconds RTP time runs ahead by an hour
  wrap           RTP time and sequence numbers wrap after two seconds
  huge-header    answers DESCRIBE with header lines without end
  http           answers as a web server
  redirect       301 to another address
  status-NNN     answers DESCRIBE with this status
  port-65535     answers SETUP with the last port there is (asked for UDP)
  huge-picture   two seconds in, a picture of 6 MiB
  reorder        the packets of each picture come in the wrong order, the last one first, and one of them twice
  other-channels sends on channels 6 and 7, whatever was asked for, and nonsense on 0, 1 and 9
  same-channels  has sound, too, and sends both on channels 0 and 1
  g726           has sound in G.726
  get-parameter  a session ends after two seconds without GET_PARAMETER; OPTIONS says that there is no SET_PARAMETER, and the server closes when it gets one
  set-parameter  the same the other way round
  options        the same with OPTIONS alone
  deaf           answers every such request with 501, and takes it for a sign of life
  no-timeout     names no time-out of the session
  one-session    plays for one viewer at a time; all others are told 453
  source-ADDRESS names ADDRESS as the source of its packets over UDP
  base-PORT      calls itself an old live555, gives an address at PORT as that of its streams, and closes after two seconds
"""
import argparse
import base64
import os
import socket
import struct
import sys
import threading
import time

FPS = 25
TICKS = 90000 // FPS
MTU = 1400
SSRC = 0x5EED0001
KEEP_ALIVES = {"get-parameter": "GET_PARAMETER", "set-parameter": "SET_PARAMETER", "options": "OPTIONS"}
TURN = threading.Lock()


def pictures(path):
    """The pictures of an Annex B file, each a list of NAL units without delimiters."""
    data = open(path, "rb").read()
    parts = data.split(b"\x00\x00\x00\x01\x09")[1:]
    result = []
    for part in parts:
        # What is left of the delimiter is one byte of payload; start codes of three bytes occur inside.
        nals = [nal.rstrip(b"\x00") for nal in part[1:].split(b"\x00\x00\x01")]
        result.append([nal for nal in nals if nal])
    return result


def nal_type(nal):
    return nal[0] & 31



def tell(line):
    """A line for the test, in one piece: viewers are served side by side, and print writes text and line end one after the other."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

class Stream:
    """RTP packets of the pictures, with the fault in them."""

    def __init__(self, fault, frames, sound):
        self.fault, self.frames, self.sound = fault, frames, sound
        self.sequence = 65530 - 2 * FPS if fault == "wrap" else 1000
        self.offset = (1 << 32) - 2 * FPS * TICKS if fault == "wrap" else 77777
        self.ssrc, self.sent, self.dropped = SSRC, 0, 0

    def packet(self, payload, stamp, mark):
        header = struct.pack("!BBHII", 0x80, 96 | (0x80 if mark else 0), self.sequence & 0xFFFF, stamp & 0xFFFFFFFF, self.ssrc)
        self.sequence += 1
        self.sent += 1
        if self.fault == "lost" and self.sent % 50 == 0:
            self.dropped += 1
            return b""
        return self.framed(header + payload, 6 if self.fault == "other-channels" else 0)

    @staticmethod
    def framed(packet, channel):
        return struct.pack("!cBH", b"$", channel, len(packet)) + packet

    @staticmethod
    def packets(data):
        while data:
            length = 4 + struct.unpack("!H", data[2:4])[0]
            yield data[:length]
            data = data[length:]

    def nal(self, nal, stamp, last, cut=False):
        if len(nal) <= MTU:
            return self.packet(nal, stamp, last)
        out, indicator, kind, body = b"", (nal[0] & 0xE0) | 28, nal_type(nal), nal[1:]
        pieces = [body[at : at + MTU] for at in range(0, len(body), MTU)]
        for index, piece in enumerate(pieces):
            end = index == len(pieces) - 1
            if cut and end:
                return out
            flags = (0x80 if index == 0 else 0) | (0x40 if end else 0)
            out += self.packet(bytes([indicator, flags | kind]) + piece, stamp, last and end)
        return out

    def picture(self, index):
        nals = list(self.frames[index % len(self.frames)])
        fault, later = self.fault, index >= 2 * FPS
        if fault in ("no-parameters", "sdp-only"):
            nals = [nal for nal in nals if nal_type(nal) not in (7, 8)]
        stamp = self.offset + index * TICKS
        if fault == "time-jump" and later:
            stamp += 3600 * 90000
        if fault == "jump-back" and index == 2 * FPS:
            self.sequence -= 1000
        if fault == "new-ssrc" and later:
            self.ssrc = SSRC + 1
        if fault == "huge-picture" and index == 2 * FPS + 1:
            nals = [bytes([0x41]) + b"\xAA" * (6 << 20)]
        if fault == "all-broken" or (fault == "broken-nal" and index % 20 == 10):
            nals = [bytes([nal[0] | 0x80]) + nal[1:] for nal in nals]
        cut = fault == "cut-fu" and index % 60 == 50
        if fault == "other-channels":
            strange = b"".join(self.framed(b"\x80nonsense", channel) for channel in (0, 1, 9))
            return strange + b"".join(self.nal(nal, stamp, at == len(nals) - 1, cut) for at, nal in enumerate(nals))
        if fault == "reorder":
            parts = list(self.packets(b"".join(self.nal(nal, stamp, at == len(nals) - 1) for at, nal in enumerate(nals))))
            return b"".join(reversed(parts[:1] + parts))
        if self.sound:
            # G.711 has 8,000 units a second.
            sound = struct.pack("!BBHII", 0x80, 0, index & 0xFFFF, index * 320, SSRC + 9) + b"\xFF" * 320
            return self.framed(sound, 0) + b"".join(self.nal(nal, stamp, at == len(nals) - 1, cut) for at, nal in enumerate(nals))
        return b"".join(self.nal(nal, stamp, at == len(nals) - 1, cut) for at, nal in enumerate(nals))


class Connection:
    viewer = None

    def __init__(self, sock, address, frames):
        self.sock, self.address, self.frames = sock, address, frames
        self.lock, self.fault, self.playing = threading.Lock(), "good", False
        self.udp, self.alive, self.sound = None, time.monotonic(), False

    def description(self):
        parameters = {nal_type(nal): nal for nal in self.frames[0] if nal_type(nal) in (7, 8)}
        text = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n"
        if self.fault.startswith("base-"):
            text += "a=tool:LIVE555 Streaming Media v2013.04.08\r\n"
        if self.fault == "no-video":
            return text + "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track0\r\n"
        if self.fault == "jpeg":
            return text + "m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\na=control:track0\r\n"
        text += "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track0\r\na=fmtp:96 packetization-mode=1"
        if self.fault not in ("no-parameters", "band-only"):
            text += ";sprop-parameter-sets=" + ",".join(base64.b64encode(parameters[kind]).decode() for kind in (7, 8))
        text += "\r\n"
        if self.fault == "g726":
            text += "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 G726-32/8000\r\na=control:track1\r\n"
        if self.fault == "same-channels":
            text += "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track1\r\n"
        return text

    def send(self, data):
        with self.lock:
            self.sock.sendall(data)

    def send_media(self, data):
        if self.udp is None:
            return self.send(data)
        sock, port = self.udp
        for packet in Stream.packets(data):
            if packet[1] % 2 == 0:
                sock.sendto(packet[4:], (self.address[0], port))

    def answer(self, cseq, status="200 OK", headers=(), body=""):
        lines = [f"RTSP/1.0 {status}", f"CSeq: {cseq}", *headers]
        if body:
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        self.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def describe(self, url, cseq):
        fault = self.fault
        if fault == "huge-header":
            self.send(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n".encode())
            while True:
                self.send(b"X-Padding: " + b"a" * 65536 + b"\r\n")
                time.sleep(0.005)
        elif fault == "http":
            self.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        elif fault == "redirect":
            self.answer(cseq, "301 Moved Permanently", ["Location: rtsp://127.0.0.1:1/elsewhere"])
        elif fault.startswith("status-"):
            self.answer(cseq, fault[7:] + " Because")
        else:
            base = f"rtsp://127.0.0.1:{fault[5:]}/" if fault.startswith("base-") else f"{url}/"
            self.answer(cseq, headers=[f"Content-Base: {base}"], body=self.description())

    def request(self, method, url, cseq, headers):
        if self.fault == "hang-before":
            return
        if method == "DESCRIBE":
            self.describe(url, cseq)
        elif method == "SETUP":
            if self.fault == "hang-setup":
                return
            self.setup(url, cseq, headers.get("transport", ""))
        elif method == "PLAY":
            self.answer(cseq, headers=["Session: 1"])
            if self.fault != "hang-play":
                self.playing = True
                threading.Thread(target=self.play, daemon=True).start()
        elif method == "TEARDOWN":
            self.playing = False
            self.leave()
            self.answer(cseq)
        else:
            self.keep_alive(method, cseq)

    def setup(self, url, cseq, transport):
        if self.fault == "one-session" and not self.take_turn():
            return self.answer(cseq, "453 Not Enough Bandwidth")
        short = self.fault in KEEP_ALIVES or self.fault == "deaf"
        session = "Session: 1" + ("" if self.fault == "no-timeout" else f";timeout={2 if short else 60}")
        if "TCP" in transport:
            self.sound = self.sound or (self.fault == "same-channels" and url.endswith("track1"))
            channels = "6-7" if self.fault == "other-channels" else "0-1"
            return self.answer(cseq, headers=[session, f"Transport: RTP/AVP/TCP;unicast;interleaved={channels}"])
        if self.fault == "port-65535":
            return self.answer(cseq, headers=[session, f"Transport: {transport};server_port=65535-65536"])
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        self.udp = sock, int(transport.partition("client_port=")[2].split("-")[0])
        source = f";source={self.fault[7:]}" if self.fault.startswith("source-") else ""
        port = sock.getsockname()[1]
        # The port of RTCP is one that nobody listens on.
        self.answer(cseq, headers=[session, f"Transport: RTP/AVP;unicast{source};client_port={self.udp[1]}-{self.udp[1] + 1};server_port={port}-{port}"])

    def take_turn(self):
        with TURN:
            taken = Connection.viewer not in (None, self)
            if not taken:
                Connection.viewer = self
        return not taken

    def leave(self):
        with TURN:
            if Connection.viewer is self:
                Connection.viewer = None

    def keep_alive(self, method, cseq):
        wanted = KEEP_ALIVES.get(self.fault)
        if wanted is not None and method not in ("OPTIONS", wanted):
            tell(f"closed because of {method}")
            return self.sock.shutdown(socket.SHUT_RDWR)
        if method == wanted or self.fault == "deaf":
            self.alive = time.monotonic()
        if self.fault == "deaf":
            return self.answer(cseq, "501 Not Implemented")
        more = ", GET_PARAMETER" if wanted is None else "" if wanted == "OPTIONS" else f", {wanted}"
        self.answer(cseq, headers=["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN" + more])

    def play(self):
        stream, start = Stream(self.fault, self.frames, self.sound), time.monotonic()
        self.alive, short = start, self.fault in KEEP_ALIVES or self.fault == "deaf"
        try:
            for index in range(1 << 30):
                later = index >= 2 * FPS
                if not self.playing or (later and self.fault == "hang-later"):
                    return
                if later and (self.fault == "close-later" or self.fault.startswith("base-")):
                    self.sock.shutdown(socket.SHUT_RDWR)
                    return
                if short and time.monotonic() - self.alive > 2 + 2:
                    tell("no sign of life")
                    self.sock.shutdown(socket.SHUT_RDWR)
                    return
                time.sleep(max(0.0, start + index / FPS - time.monotonic()))
                self.send_media(stream.picture(index))
        except OSError:
            pass
        finally:
            tell(f"dropped {stream.dropped} of {stream.sent} packets")

    def run(self):
        pending = b""
        try:
            while True:
                while b"\r\n\r\n" not in pending:
                    data = self.sock.recv(65536)
                    if not data:
                        return
                    pending += data
                head, pending = pending.split(b"\r\n\r\n", 1)
                if head.startswith(b"$"):
                    continue
                first, *lines = head.decode("latin-1").split("\r\n")
                method, url, _ = first.split(" ", 2)
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                if method == "DESCRIBE":
                    self.fault = url.split("/", 3)[3].strip("/")
                self.request(method, url, headers.get("cseq", "0"), headers)
        except (OSError, ValueError):
            pass
        finally:
            self.playing = False
            self.leave()
            self.sock.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", required=True)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    frames = pictures(args.video)
    listener = socket.create_server(("127.0.0.1", args.port))
    print(f"READY rtsp://127.0.0.1:{listener.getsockname()[1]}/", flush=True)

    def accept():
        while True:
            sock, address = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(sock, address, frames).run, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    while sys.stdin.readline():
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
