"""What an ONVIF camera does beside giving its streams: events by pull-point, PTZ, masks, a clock that can be set. Written from ONVIF's Core, PTZ and Media2
specifications; `onvif_camera.py` answers with it.

Each function gets the camera and the request's element and returns the inside of the answer's element, or None when the operation is not one of its own.
"""

import datetime
import math
import threading
import time
from xml.sax.saxutils import escape, quoteattr

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
WSN = "http://docs.oasis-open.org/wsn/b-2"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
TOPICS = {
    "motion": ("tns1:RuleEngine/CellMotionDetector/Motion", "Rule", "MyMotionDetectorRule", "IsMotion"),
    "tamper": ("tns1:VideoSource/GlobalSceneChange/ImagingService", "Source", "source0", "State"),
    "input": ("tns1:Device/Trigger/DigitalInput", "InputToken", "di0", "LogicalState"),
    "other": ("tns1:Device/Trigger/Relay", "RelayToken", "r0", "LogicalState"),
}


class Fault(Exception):
    """A SOAP fault with an ONVIF subcode."""

    def __init__(self, subcode, reason, status=400):
        super().__init__(reason)
        self.subcode, self.reason, self.status = subcode, reason, status


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def child(element, name):
    return next((each for each in element if local(each) == name), None)


def text(element, name, otherwise=None):
    found = child(element, name)
    return otherwise if found is None else (found.text or "").strip()


def seconds(duration):
    """PT1M2.5S, as far as clients here write durations."""
    total, number = 0.0, ""
    for letter in duration.removeprefix("PT"):
        if letter in "0123456789.":
            number += letter
        else:
            total += float(number) * {"H": 3600, "M": 60, "S": 1}[letter]
            number = ""
    return total


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Services:
    """The camera's state behind these services."""

    def __init__(self, camera):
        self.camera = camera
        self.lock = threading.Condition()
        self.subscriptions = {}
        self.numbers = 0
        self.active = {"motion": False, "tamper": False, "input": False, "other": False}
        self.presets = {"1": ("Gate", (0.5, 0.25, 0.0))}
        self.position, self.velocity, self.moves_until, self.moved = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, time.monotonic()
        self.masks = {}

    def answer(self, namespace, name, request, subscription):
        if namespace == DEVICE and name == "SetSystemDateAndTime":
            return self.set_clock(request)
        if namespace in (EVENTS, WSN):
            return self.events(name, request, subscription)
        if namespace == PTZ:
            return self.ptz(name, request)
        if namespace == MEDIA2 and "Mask" in name:
            return self.mask(name, request)
        return None

    # The clock: Core Specification 8.3.5.

    def set_clock(self, request):
        if self.camera.options.fault == "clock-refused":
            raise Fault("ter:NotAuthorized", "Operator may not set the clock")
        if text(request, "DateTimeType") != "Manual":
            raise Fault("ter:InvalidArgVal", "Only by hand")
        if text(request, "DaylightSavings") != "true" or text(child(request, "TimeZone"), "TZ") != "ICT-7":
            raise Fault("ter:InvalidArgVal", "Daylight saving and time zone are to stay as they are")
        told = child(request, "UTCDateTime")
        date, at = child(told, "Date"), child(told, "Time")
        moment = datetime.datetime(
            *(int(text(date, part)) for part in ("Year", "Month", "Day")),
            *(int(text(at, part)) for part in ("Hour", "Minute", "Second")),
            tzinfo=datetime.timezone.utc,
        )
        self.camera.offset_s = (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        return ""

    # Events: Core Specification 9.1, real-time pull-point notification interface.

    def events(self, name, request, subscription):
        if name == "CreatePullPointSubscription":
            return self.create_pull_point(request)
        with self.lock:
            queue = self.subscriptions.get(subscription)
            if queue is None or queue["ends"] < time.monotonic():
                raise Fault("wsrf-rw:ResourceUnknownFault", "No such subscription")
            if name == "Unsubscribe":
                del self.subscriptions[subscription]
                return ""
            if name == "Renew":
                queue["ends"] = time.monotonic() + seconds(text(request, "TerminationTime"))
                return f'<n:TerminationTime xmlns:n="{WSN}">{stamp(self.camera.now() + datetime.timedelta(seconds=60))}</n:TerminationTime>'
            if name == "PullMessages":
                return self.pull(queue, request)
        return None

    def create_pull_point(self, request):
        lasts = seconds(text(request, "InitialTerminationTime", "PT60S"))
        with self.lock:
            self.numbers += 1
            number = str(self.numbers)
            messages = [self.message(kind, "Initialized") for kind in ("motion", "tamper", "input")]
            self.subscriptions[number] = {"ends": time.monotonic() + lasts, "messages": messages}
        by_parameter = self.camera.options.subscription == "parameter"
        address = self.camera.address("subscription" if by_parameter else f"subscription/{number}")
        if self.camera.options.fault == "hostile-subscription":
            address = f"http://169.254.169.254:{self.camera.port}/onvif/subscription/{number}"
        parameters = f'<a:ReferenceParameters><x:Id xmlns:x="urn:acme">{number}</x:Id></a:ReferenceParameters>' if by_parameter else ""
        now = self.camera.now()
        return (
            f'<d:SubscriptionReference xmlns:a="{ADDRESSING}"><a:Address>{address}</a:Address>{parameters}</d:SubscriptionReference>'
            f'<n:CurrentTime xmlns:n="{WSN}">{stamp(now)}</n:CurrentTime>'
            f'<n:TerminationTime xmlns:n="{WSN}">{stamp(now + datetime.timedelta(seconds=lasts))}</n:TerminationTime>'
        )

    def pull(self, queue, request):
        limit = int(text(request, "MessageLimit"))
        if self.camera.options.fault == "event-flood":
            queue["messages"] += [self.message("input", "Changed", state) for state in ("true", "false")] * limit
        self.lock.wait_for(lambda: queue["messages"] or queue not in self.subscriptions.values(), seconds(text(request, "Timeout")))
        if queue not in self.subscriptions.values():
            raise Fault("wsrf-rw:ResourceUnknownFault", "No such subscription")
        given, queue["messages"] = queue["messages"][:limit], queue["messages"][limit : limit + 1000]
        now = self.camera.now()
        return (
            f"<d:CurrentTime>{stamp(now)}</d:CurrentTime><d:TerminationTime>{stamp(now + datetime.timedelta(seconds=60))}</d:TerminationTime>"
            + "".join(given)
        )

    def message(self, kind, operation, state=None):
        topic, source, token, data = TOPICS[kind]
        state = str(self.active[kind]).lower() if state is None else state
        return (
            f'<n:NotificationMessage xmlns:n="{WSN}" xmlns:tns1="http://www.onvif.org/ver10/topics">'
            f'<n:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">{topic}</n:Topic>'
            f'<n:Message><t:Message UtcTime="{stamp(self.camera.now())}" PropertyOperation="{operation}">'
            f'<t:Source><t:SimpleItem Name="{source}" Value="{token}"/></t:Source>'
            f'<t:Data><t:SimpleItem Name="{data}" Value="{state}"/></t:Data></t:Message></n:Message></n:NotificationMessage>'
        )

    def happen(self, kind, active):
        """Something begins or ends; every subscription hears of it."""
        with self.lock:
            self.active[kind] = active
            for queue in self.subscriptions.values():
                queue["messages"].append(self.message(kind, "Changed"))
            self.lock.notify_all()

    def forget_subscriptions(self):
        with self.lock:
            self.subscriptions.clear()
            self.lock.notify_all()

    # PTZ Service Specification 5.3 and 5.4.

    def where(self):
        """Moves as far as it has moved by now."""
        now = time.monotonic()
        for_s = max(0.0, min(now, self.moves_until) - self.moved)
        self.position = tuple(max(-1.0, min(1.0, at + speed * for_s / 10)) for at, speed in zip(self.position, self.velocity))
        self.moved = now
        if now >= self.moves_until:
            self.velocity = (0.0, 0.0, 0.0)
        return self.position

    def ptz(self, name, request):
        with self.lock:
            self.where()
            if text(request, "ProfileToken") not in ("main", "sub"):
                raise Fault("ter:NoProfile", "No such profile")
            if name == "ContinuousMove":
                if child(request, "Timeout") is None:
                    raise Fault("ter:InvalidArgVal", "A move without a time-out")
                self.velocity = self.vector(child(request, "Velocity"))
                self.moves_until = self.moved + seconds(text(request, "Timeout"))
                return ""
            if name == "Stop":
                self.velocity, self.moves_until = (0.0, 0.0, 0.0), 0.0
                return ""
            if name == "AbsoluteMove":
                self.velocity, self.position = (0.0, 0.0, 0.0), self.vector(child(request, "Position"))
                return ""
            if name == "GetStatus":
                pan, tilt, zoom = self.position
                state = "MOVING" if any(self.velocity) else "IDLE"
                return (
                    f'<d:PTZStatus><t:Position><t:PanTilt x="{pan:.6f}" y="{tilt:.6f}"/><t:Zoom x="{zoom:.6f}"/></t:Position>'
                    f"<t:MoveStatus><t:PanTilt>{state}</t:PanTilt><t:Zoom>{state}</t:Zoom></t:MoveStatus><t:UtcTime>{stamp(self.camera.now())}</t:UtcTime></d:PTZStatus>"
                )
            return self.preset(name, request)

    def preset(self, name, request):
        if name == "GetPresets":
            one = lambda token, known: (
                f'<d:Preset token={quoteattr(token)}><t:Name>{escape(known[0])}</t:Name><t:PTZPosition><t:PanTilt x="{known[1][0]}" y="{known[1][1]}"/>'
                f'<t:Zoom x="{known[1][2]}"/></t:PTZPosition></d:Preset>'
            )
            return "".join(one(token, known) for token, known in self.presets.items())
        token = text(request, "PresetToken")
        if name == "SetPreset":
            if token is None:
                self.numbers += 1
                token = f"p{self.numbers}"
            self.presets[token] = (text(request, "PresetName", ""), self.position)
            return f"<d:PresetToken>{token}</d:PresetToken>"
        if name in ("GotoPreset", "RemovePreset"):
            if token not in self.presets:
                raise Fault("ter:NoToken", "No such preset")
            if name == "GotoPreset":
                self.velocity, self.position = (0.0, 0.0, 0.0), self.presets[token][1]
            else:
                del self.presets[token]
            return ""
        return None

    @staticmethod
    def vector(element):
        pan_tilt, zoom = child(element, "PanTilt"), child(element, "Zoom")
        values = (float(pan_tilt.get("x")), float(pan_tilt.get("y")), 0.0 if zoom is None else float(zoom.get("x")))
        if not all(math.isfinite(value) and -1 <= value <= 1 for value in values):
            raise Fault("ter:InvalidPosition", "Out of range")
        return values

    # Masks: Media2 Service Specification 5.11.

    def mask(self, name, request):
        rectangles = self.camera.options.fault == "rectangles"
        with self.lock:
            if name == "GetMaskOptions":
                return (
                    f'<d:Options RectangleOnly="{str(rectangles).lower()}" SingleColorOnly="true"><d:MaxMasks>4</d:MaxMasks>'
                    f"<d:MaxPoints>{4 if rectangles else 16}</d:MaxPoints><d:Types>Color</d:Types><d:Color/></d:Options>"
                )
            if name == "GetMasks":
                return "".join(self.shown_mask(token, points) for token, points in self.masks.items())
            if name == "DeleteMask":
                if self.masks.pop(text(request, "Token"), None) is None:
                    raise Fault("ter:NoConfig", "No such mask")
                return ""
            if self.camera.options.fault == "masks-refused":
                raise Fault("ter:InvalidArgVal", "No masks today")
            mask = child(request, "Mask")
            points = [(float(point.get("x")), float(point.get("y"))) for point in child(mask, "Polygon")]
            if text(mask, "ConfigurationToken") != "source" or len(self.masks) >= 4 and name == "CreateMask" or (rectangles and len(points) != 4):
                raise Fault("ter:InvalidArgVal", "This mask cannot be made")
            if self.camera.options.fault == "masks-forgotten":
                points = []
            token = mask.get("token")
            if name == "CreateMask":
                self.numbers += 1
                token = f"mask{self.numbers}"
            elif token not in self.masks:
                raise Fault("ter:NoConfig", "No such mask")
            # Cameras round to blocks.
            self.masks[token] = [(round(x * 128) / 128, round(y * 128) / 128) for x, y in points]
            if not points:
                del self.masks[token]
            return f"<d:Token>{token}</d:Token>" if name == "CreateMask" else ""

    @staticmethod
    def shown_mask(token, points):
        corners = "".join(f'<t:Point x="{x}" y="{y}"/>' for x, y in points)
        return (
            f'<d:Masks token="{token}"><d:ConfigurationToken>source</d:ConfigurationToken><d:Polygon>{corners}</d:Polygon>'
            "<d:Type>Color</d:Type><d:Enabled>true</d:Enabled></d:Masks>"
        )

    # For tests: what happens in front of the camera and to it.

    def control(self, what, value):
        """`motion/true`, `masks/lose`, `serial/SN0002` and the like; answers with the state."""
        if what in TOPICS:
            self.happen(what, value == "true")
        elif what == "masks":
            with self.lock:
                self.masks.clear()
        elif what == "subscriptions":
            self.forget_subscriptions()
        elif what == "serial":
            self.camera.serial = value
        with self.lock:
            pan, tilt, zoom = self.where()
            return {
                "subscriptions": len(self.subscriptions),
                "subscribed": self.numbers,
                "position": [pan, tilt, zoom],
                "moves": any(self.velocity),
                "presets": {token: name for token, (name, _) in self.presets.items()},
                "masks": list(self.masks.values()),
                "clock_offset_s": self.camera.offset_s,
            }
