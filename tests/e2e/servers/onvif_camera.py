#!/usr/bin/python3
"""An ONVIF camera: device, media, media2, events and PTZ services over real SOAP, and WS-Discovery. Written from ONVIF's Core, Media, Media2 and PTZ specifications.

Usage: onvif_camera.py [--port N] [--discovery-port N] [--user NAME --password TEXT] [--auth wsse|digest] [--media 1|2|both]
                       [--clock-offset-s N] [--window-s N] [--host TEXT] [--rtsp URL] [--subscription path|parameter] [--fault NAME] [--tls DIR]

Says `READY http://127.0.0.1:PORT/` on standard output once it listens (`https` with --tls: everything is encrypted, a key and certificate are made in DIR: camera.pem); ends when its standard input does. With --discovery-port it answers Probes that reach that
port of 127.0.0.1 by unicast. --host is the host that it writes into the addresses that it gives; --rtsp the address of its streams. A token is refused when its
time is more than --window-s away from the camera's clock (300), which runs --clock-offset-s ahead. Calls and what came of them go to standard error. A subscription is
named by the path of its address, or by a reference parameter. `GET /control/WHAT/VALUE` makes something happen (`onvif_services.py`: motion, tamper, input, other,
masks, subscriptions, serial) and answers with the camera's state as JSON. Faults:

    huge         an endless answer              slow      an answer that never ends         redirect  302 to another port
    bomb         entities in entities           html      a page instead of SOAP            nested    elements in elements
    local-time   no UTC in GetSystemDateAndTime           no-services   GetServices is not known, only GetCapabilities
    media2-broken  Media2 is offered and fails            hostile-uri   its streams are on 169.254.169.254, with a password in the address
    ntp          its clock follows a time server          clock-refused its clock may not be set by this account
    event-flood  as many events as are asked for          hostile-subscription  its subscriptions are on 169.254.169.254
    rectangles   masks are rectangles only                masks-refused, masks-forgotten  masks are not taken, or taken and lost at once
    no-events    no event service
"""

import argparse
import base64
import datetime
import hashlib
import http.server
import json
import re
import socket
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

import self_signed
from onvif_services import Fault, Services

SOAP = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA1 = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"

# token, name, encoding, width, height, frames a second, kbit/s, GOP, path
PROFILES = [
    ("main", "Main <stream> & more", "H264", 1920, 1080, 25, 4096, 50, "main"),
    ("sub", "Sub stream", "H264", 640, 360, 15, 512, 30, "sub"),
    ("jpeg", "Snapshots", "JPEG", 3840, 2160, 1, 2048, 1, "jpeg"),
]


def log(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Camera:
    """What the camera is and says."""

    def __init__(self, options, port):
        self.options, self.port = options, port
        self.scheme = "https" if options.tls else "http"
        self.nonces = set()
        self.offset_s, self.serial = options.clock_offset_s, "SN0001"
        self.does = Services(self)
        self.nonce = hashlib.md5(str(time.time()).encode()).hexdigest()

    def now(self):
        offset = datetime.timedelta(seconds=self.offset_s)
        return datetime.datetime.now(datetime.timezone.utc) + offset

    def address(self, path):
        return f"{self.scheme}://{self.options.host}:{self.port}/onvif/{path}"

    def services(self):
        media = [(MEDIA1, "media")] if self.options.media in ("1", "both") else []
        media2 = [(MEDIA2, "media2")] if self.options.media in ("2", "both") else []
        events = [] if self.options.fault == "no-events" else [(EVENTS, "events")]
        return [(DEVICE, "device_service"), *media, *media2, *events, (PTZ, "ptz")]

    def authenticate(self, header):
        """WS-Security UsernameToken Profile 1.1."""
        if not self.options.user:
            return
        token = header.find(f"{{{SECURITY}}}Security/{{{SECURITY}}}UsernameToken") if header is not None else None
        if token is None:
            raise Fault("ter:NotAuthorized", "Sender not authorized")
        text = lambda space, name: token.findtext(f"{{{space}}}{name}") or ""
        password = token.find(f"{{{SECURITY}}}Password")
        if password is None or not password.get("Type", "").endswith("#PasswordDigest"):
            raise Fault("ter:NotAuthorized", "A password digest is needed")
        nonce, created = text(SECURITY, "Nonce"), text(UTILITY, "Created")
        digest = hashlib.sha1(base64.b64decode(nonce) + created.encode() + self.options.password.encode()).digest()
        if text(SECURITY, "Username") != self.options.user or base64.b64decode(password.text or "") != digest:
            raise Fault("ter:NotAuthorized", "Sender not authorized")
        # An xsd:dateTime: with `Z`, or with an offset.
        told = datetime.datetime.fromisoformat(created.replace("Z", "+00:00"))
        if abs((told - self.now()).total_seconds()) > self.options.window_s:
            raise Fault("ter:NotAuthorized", "The token's time is not the camera's")
        if nonce in self.nonces:
            raise Fault("ter:NotAuthorized", "The nonce was used before")
        self.nonces.add(nonce)

    def digest_ok(self, authorization, method, path):
        """RFC 7616 with MD5 and qop=auth."""
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization or ""))
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
        one = md5(f"{self.options.user}:camera:{self.options.password}")
        two = md5(f"{method}:{given.get('uri')}")
        want = md5(":".join([one, self.nonce, given.get("nc", ""), given.get("cnonce", ""), "auth", two]))
        return given.get("response") == want and given.get("nonce") == self.nonce and given.get("uri") == path

    def answer(self, namespace, name, request, subscription):
        """The inside of the answer's element."""
        fault = self.options.fault
        done = self.does.answer(namespace, name, request, subscription)
        if done is not None:
            return done
        if namespace == DEVICE and name == "GetSystemDateAndTime":
            now = self.now()
            kind = "LocalDateTime" if fault == "local-time" else "UTCDateTime"
            return (
                f"<d:SystemDateAndTime><t:DateTimeType>{'NTP' if fault == 'ntp' else 'Manual'}</t:DateTimeType><t:DaylightSavings>true</t:DaylightSavings>"
                f"<t:TimeZone><t:TZ>ICT-7</t:TZ></t:TimeZone><t:{kind}>"
                f"<t:Time><t:Hour>{now.hour}</t:Hour><t:Minute>{now.minute}</t:Minute><t:Second>{now.second}</t:Second></t:Time>"
                f"<t:Date><t:Year>{now.year}</t:Year><t:Month>{now.month}</t:Month><t:Day>{now.day}</t:Day></t:Date>"
                f"</t:{kind}></d:SystemDateAndTime>"
            )
        if namespace == DEVICE and name == "GetDeviceInformation":
            return (
                "<d:Manufacturer>Acme &lt;b&gt;</d:Manufacturer><d:Model>Gate 7</d:Model><d:FirmwareVersion>1.2.3</d:FirmwareVersion>"
                f"<d:SerialNumber>{self.serial}</d:SerialNumber><d:HardwareId>7</d:HardwareId>"
            )
        if namespace == DEVICE and name == "GetServices" and fault != "no-services":
            service = lambda space, path: (
                f"<d:Service><d:Namespace>{space}</d:Namespace><d:XAddr>{self.address(path)}</d:XAddr>"
                "<d:Version><t:Major>2</t:Major><t:Minor>60</t:Minor></d:Version></d:Service>"
            )
            return "".join(service(*pair) for pair in self.services())
        if namespace == DEVICE and name == "GetCapabilities":
            return (
                f"<d:Capabilities><t:Events><t:XAddr>{self.address('events')}</t:XAddr><t:WSSubscriptionPolicySupport>true</t:WSSubscriptionPolicySupport>"
                "<t:WSPullPointSupport>true</t:WSPullPointSupport>"
                "<t:WSPausableSubscriptionManagerInterfaceSupport>false</t:WSPausableSubscriptionManagerInterfaceSupport></t:Events>"
                f"<t:Media><t:XAddr>{self.address('media')}</t:XAddr><t:StreamingCapabilities/></t:Media>"
                f"<t:PTZ><t:XAddr>{self.address('ptz')}</t:XAddr></t:PTZ></d:Capabilities>"
            )
        if namespace == DEVICE and name == "GetNetworkInterfaces":
            return (
                '<d:NetworkInterfaces token="eth0"><t:Enabled>true</t:Enabled><t:Info><t:Name>eth0</t:Name>'
                "<t:HwAddress>02-00-5E-10-00-0A</t:HwAddress><t:MTU>1500</t:MTU></t:Info></d:NetworkInterfaces>"
            )
        if namespace == MEDIA2 and fault == "media2-broken":
            raise Fault("ter:ActionNotSupported", "Not implemented")
        if name == "GetProfiles" and namespace in (MEDIA1, MEDIA2):
            types = {child.text for child in request if child.tag.endswith("}Type")}
            parts = {"VideoSource", "VideoEncoder", "PTZ"} if namespace == MEDIA1 or "All" in types else types
            return "".join(self.profile(namespace, parts, *profile) for profile in PROFILES)
        if name == "GetStreamUri" and namespace in (MEDIA1, MEDIA2):
            token = next((child.text for child in request if child.tag == f"{{{namespace}}}ProfileToken"), None)
            known = {profile[0]: profile[-1] for profile in PROFILES}
            if token not in known:
                raise Fault("ter:NoProfile", "No such profile")
            base = self.options.rtsp or f"rtsp://{self.options.host}:554/"
            if fault == "hostile-uri":
                base = "rtsp://admin:secret@169.254.169.254:554/"
            uri = f"<{'m' if namespace == MEDIA2 else 't'}:Uri>{escape(base + known[token])}</{'m' if namespace == MEDIA2 else 't'}:Uri>"
            if namespace == MEDIA2:
                return uri
            return (
                f"<m:MediaUri>{uri}<t:InvalidAfterConnect>false</t:InvalidAfterConnect>"
                "<t:InvalidAfterReboot>false</t:InvalidAfterReboot><t:Timeout>PT0S</t:Timeout></m:MediaUri>"
            )
        raise Fault("ter:ActionNotSupported", f"No such operation: {name}")

    @staticmethod
    def profile(namespace, parts, token, name, encoding, width, height, fps, kbps, gop, _):
        common = f"<t:Name>{token}</t:Name><t:UseCount>1</t:UseCount>"
        size = f"<t:Resolution><t:Width>{width}</t:Width><t:Height>{height}</t:Height></t:Resolution>"
        multicast = (
            "<t:Multicast><t:Address><t:Type>IPv4</t:Type><t:IPv4Address>0.0.0.0</t:IPv4Address></t:Address><t:Port>0</t:Port>"
            "<t:TTL>0</t:TTL><t:AutoStart>false</t:AutoStart></t:Multicast>"
        )
        source = f'{common}<t:SourceToken>sensor</t:SourceToken><t:Bounds x="0" y="0" width="{width}" height="{height}"/>'
        turned = f"{common}<t:NodeToken>node</t:NodeToken>"
        # The snapshots come from a part that does not turn.
        has_ptz = "PTZ" in parts and token != "jpeg"
        if namespace == MEDIA2:
            encoder = (
                f'<m:VideoEncoder token="e{token}" GovLength="{gop}" Profile="Main">{common}<t:Encoding>{encoding}</t:Encoding>{size}'
                f"<t:RateControl><t:FrameRateLimit>{fps}.0</t:FrameRateLimit><t:BitrateLimit>{kbps}</t:BitrateLimit></t:RateControl>"
                "<t:Quality>5</t:Quality></m:VideoEncoder>"
            )
            inside = (
                (f'<m:VideoSource token="source">{source}</m:VideoSource>' if "VideoSource" in parts else "")
                + (encoder if "VideoEncoder" in parts else "")
                + (f'<m:PTZ token="ptz">{turned}</m:PTZ>' if has_ptz else "")
            )
            inside = f"<m:Configurations>{inside}</m:Configurations>" if inside else ""
            return f'<m:Profiles token="{token}" fixed="true"><m:Name>{escape(name)}</m:Name>{inside}</m:Profiles>'
        h264 = f"<t:H264><t:GovLength>{gop}</t:GovLength><t:H264Profile>Main</t:H264Profile></t:H264>" if encoding == "H264" else ""
        ptz = f'<t:PTZConfiguration token="ptz">{turned}</t:PTZConfiguration>' if has_ptz else ""
        return (
            f'<m:Profiles token="{token}" fixed="true"><t:Name>{escape(name)}</t:Name>'
            f'<t:VideoSourceConfiguration token="source">{source}</t:VideoSourceConfiguration>'
            f'<t:VideoEncoderConfiguration token="e{token}">{common}<t:Encoding>{encoding}</t:Encoding>{size}<t:Quality>5</t:Quality>'
            f"<t:RateControl><t:FrameRateLimit>{fps}</t:FrameRateLimit><t:EncodingInterval>1</t:EncodingInterval>"
            f"<t:BitrateLimit>{kbps}</t:BitrateLimit></t:RateControl>{h264}{multicast}<t:SessionTimeout>PT60S</t:SessionTimeout>"
            f"</t:VideoEncoderConfiguration>{ptz}</m:Profiles>"
        )


def envelope(body):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="{SOAP}" xmlns:t="{SCHEMA}" xmlns:ter="http://www.onvif.org/ver10/error">'
        f"<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def handler(camera):
    """The HTTP side of a camera."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def reply(self, status, body, *headers):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def misbehave(self):
            fault = camera.options.fault
            if fault in ("huge", "slow"):
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"<a>" * 4096 if fault == "huge" else b" ")
                        time.sleep(0.0 if fault == "huge" else 0.5)
                except OSError:
                    log(f"{fault}: the client left")
                self.close_connection = True
                return True
            if fault == "redirect":
                self.reply(302, b"", ("Location", "http://127.0.0.1:1/"))
                return True
            bodies = {
                "bomb": b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>',
                "html": b"<html><body><p>Welcome<br></body></html>",
                "nested": b"<a>" * 20000 + b"</a>" * 20000,
            }
            if fault in bodies:
                self.reply(200, bodies[fault])
                return True
            return False

        def do_GET(self):
            parts = self.path.strip("/").split("/")
            if parts[0] != "control":
                return self.reply(404, b"")
            state = camera.does.control(*(parts[1:] + ["", ""])[:2])
            self.reply(200, json.dumps(state).encode())

        def do_POST(self):
            request = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.misbehave():
                return
            root = ElementTree.fromstring(request)
            header, body = root.find(f"{{{SOAP}}}Header"), root.find(f"{{{SOAP}}}Body")
            element = body[0]
            namespace, name = element.tag[1:].split("}")
            free = (namespace, name) == (DEVICE, "GetSystemDateAndTime")
            try:
                if not free and camera.options.auth == "digest" and camera.options.user:
                    if not camera.digest_ok(self.headers.get("Authorization"), "POST", self.path):
                        log(f"{name}: 401")
                        challenge = f'Digest realm="camera", nonce="{camera.nonce}", qop="auth", algorithm=MD5'
                        return self.reply(401, b"", ("WWW-Authenticate", 'Basic realm="camera"'), ("WWW-Authenticate", challenge))
                elif not free:
                    camera.authenticate(header)
                identifier = header.find("{urn:acme}Id") if header is not None else None
                subscription = self.path.rsplit("/", 1)[-1] if identifier is None else identifier.text
                inside = camera.answer(namespace, name, element, subscription)
                log(f"{name}: 200")
                text = f'<{name}Response xmlns="{namespace}" xmlns:d="{namespace}" xmlns:m="{namespace}">{inside}</{name}Response>'
                self.reply(200, envelope(text))
            except Fault as fault:
                log(f"{name}: {fault.subcode}")
                self.reply(
                    fault.status,
                    envelope(
                        "<env:Fault><env:Code><env:Value>env:Sender</env:Value><env:Subcode>"
                        f"<env:Value>{fault.subcode}</env:Value></env:Subcode></env:Code>"
                        f'<env:Reason><env:Text xml:lang="en">{escape(fault.reason)}</env:Text></env:Reason></env:Fault>'
                    ),
                )

    return Handler


def discovery(camera, listener):
    """Answers Probes (WS-Discovery 1.1, 5)."""
    while True:
        question, sender = listener.recvfrom(65536)
        try:
            root = ElementTree.fromstring(question)
        except ElementTree.ParseError:
            continue
        probe = root.find(f"{{{SOAP}}}Body/{{{DISCOVERY}}}Probe")
        types = probe.findtext(f"{{{DISCOVERY}}}Types") if probe is not None else None
        if not types or not types.endswith("NetworkVideoTransmitter"):
            continue
        log("Probe: answered")
        number = root.findtext(f"{{{SOAP}}}Header/{{{ADDRESSING}}}MessageID")
        listener.sendto(b"this is no answer", sender)
        listener.sendto(
            (
                f'<?xml version="1.0"?><e:Envelope xmlns:e="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:d="{DISCOVERY}"><e:Header>'
                f"<a:RelatesTo>{escape(number or '')}</a:RelatesTo><a:Action>{DISCOVERY}/ProbeMatches</a:Action></e:Header><e:Body>"
                "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:00000000-0000-4000-8000-02005e10000a</a:Address>"
                "</a:EndpointReference><d:Types>NetworkVideoTransmitter</d:Types>"
                "<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Gate%207 onvif://www.onvif.org/hardware/G7</d:Scopes>"
                f"<d:XAddrs>{camera.address('device_service')}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
                "</d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
            ).encode(),
            sender,
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--discovery-port", type=int)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--auth", choices=["wsse", "digest"], default="wsse")
    parser.add_argument("--media", choices=["1", "2", "both"], default="both")
    parser.add_argument("--clock-offset-s", type=int, default=0)
    parser.add_argument("--window-s", type=int, default=300)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--rtsp")
    parser.add_argument("--subscription", choices=["path", "parameter"], default="path")
    parser.add_argument("--fault")
    parser.add_argument("--tls")
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), None)
    server.daemon_threads = True
    if options.tls:
        # The handshake is the handler's, so that one that fails ends its own connection alone.
        server.socket = self_signed.context(options.tls).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    port = server.server_address[1]
    camera = Camera(options, port)
    server.RequestHandlerClass = handler(camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if options.discovery_port is not None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", options.discovery_port))
        log(f"discovery on {listener.getsockname()[1]}")
        threading.Thread(target=discovery, args=(camera, listener), daemon=True).start()
    print(f"READY {camera.scheme}://127.0.0.1:{port}/", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
