import { describe, expect, it } from "vitest";
import type { DeviceProfile, InspectedDevice } from "../api";
import { filled, formOf, profileText } from "./camera-form";

const profile = (token: string, width: number): DeviceProfile => ({
  token,
  name: token === "p1" ? "" : "Main",
  encoding: "h265",
  width,
  height: width === 0 ? 0 : 720,
  fps: width === 0 ? 0 : 25,
  bitrate_kbps: 0,
  gop: 50,
  url: `rtsp://192.168.1.20/${token}`,
});

const device: InspectedDevice = {
  manufacturer: "Acme",
  model: "Gate 7",
  firmware: "1",
  serial: "2",
  macs: [],
  clock_offset_ms: null,
  url: "http://192.168.1.20/onvif/device_service",
  events: true,
  ptz: false,
  masks: false,
  profiles: [profile("p1", 0), profile("p2", 1280)],
  main: "p2",
  sub: null,
};

describe("what a camera fills in", () => {
  it("has the suggested streams, and a name only where none was typed", () => {
    const rest = { mainUrl: "rtsp://192.168.1.20/p2", subUrl: "", device: { ...formOf(null).device, url: device.url } };
    expect(filled(formOf(null), device)).toEqual({ name: "Acme Gate 7", ...rest });
    expect(filled({ ...formOf(null), name: "Yard" }, device)).toEqual(rest);
    expect(rest.device.events, "nothing of it is switched on by itself").toBe(false);
    expect(filled(formOf(null), { ...device, main: "gone" }).mainUrl).toBe("");
  });

  it("describes a stream by what the camera told and nothing else", () => {
    expect(profileText(device.profiles[1]!)).toBe("Main · H.265 · 1280 × 720 · 25/s");
    expect(profileText(device.profiles[0]!)).toBe("p1 · H.265");
  });
});
