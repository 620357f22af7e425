import { describe, expect, it } from "vitest";
import { middle, moved, point, usable } from "../polygon/shape";
import type { Camera } from "../api/types";
import { changesOf, formOf, inputOf, isEncrypted, typed, urlProblem } from "./camera-form";
import { parseNumber, readSchema, readSetting, valueOf } from "./settings-schema";

describe("camera form", () => {
  it("sends a password only when one was typed", () => {
    const form = { ...formOf(null), name: " Gate ", mainUrl: "rtsp://10.0.0.1/a " };
    const input = inputOf(form, []);
    expect("password" in input).toBe(false);
    expect(input).toMatchObject({ name: "Gate", main: { url: "rtsp://10.0.0.1/a", transport: "tcp" }, sub: null, username: null });
    expect(inputOf({ ...form, password: "x" }, []).password).toBe("x");
  });

  it("says how often a picture is asked for where that can be", () => {
    const form = { ...formOf(null), name: "Yard", mainUrl: "http://10.0.0.1/snap.jpg", subUrl: "rtsp://10.0.0.1/b", interval: "0.5" };
    const input = inputOf(form, []);
    expect(input.main).toEqual({ url: "http://10.0.0.1/snap.jpg", transport: "tcp", interval_ms: 500 });
    expect(input.sub).toEqual({ url: "rtsp://10.0.0.1/b", transport: "tcp" });
  });

  it("keeps another interval of the second stream", () => {
    const stream = (name: string, interval_ms: number) => ({ url: `http://10.0.0.1/${name}.jpg`, transport: "tcp", interval_ms });
    const stored = (main: number, sub: number) => formOf({ main: stream("a", main), sub: stream("b", sub) } as Camera);
    const intervals = (form: ReturnType<typeof formOf>) => [inputOf(form, []).main.interval_ms, inputOf(form, []).sub?.interval_ms];
    expect(intervals(stored(500, 2_000))).toEqual([500, 2_000]);
    expect(intervals({ ...stored(500, 2_000), interval: "0.25" })).toEqual([250, 2_000]);
    expect(intervals({ ...stored(500, 500), interval: "0.25" })).toEqual([250, 250]);
    const onlySub = formOf({ main: { url: "rtsp://10.0.0.1/a", transport: "tcp" }, sub: stream("b", 2_000) } as Camera);
    expect(intervals({ ...onlySub, interval: "3" })).toEqual([undefined, 3_000]);
  });

  it("sends a purpose only for sound, and a certificate or none", () => {
    const form = { ...formOf(null), name: "Gate", mainUrl: "rtsps://10.0.0.1/a", audioPurpose: "Interviews", certificate: " AB:CD " };
    expect(inputOf(form, [])).toMatchObject({ record_audio: false, audio_purpose: "", certificate_sha256: "AB:CD" });
    expect(inputOf({ ...form, recordAudio: true, certificate: "" }, [])).toMatchObject({ audio_purpose: "Interviews", certificate_sha256: null });
    const plain = { ...form, mainUrl: "rtsp://10.0.0.1/a" };
    const others = [plain, { ...plain, mainUrl: "https://10.0.0.1/a" }, { ...plain, device: { ...plain.device, url: "https://10.0.0.1/onvif" } }];
    expect([form, ...others].map(isEncrypted)).toEqual([true, false, true, true]);
  });

  it("sends what was changed and nothing else", () => {
    const stored = { name: "Gate", main: { url: "rtsps://10.0.0.1/a", transport: "tcp" }, certificate_sha256: "AB:CD", masks: [], enabled: true, retention_days_max: 7 } as unknown as Camera;
    expect(changesOf(formOf(stored), stored)).toEqual({});
    expect(changesOf({ ...formOf(stored), name: "Gate 2 " }, stored)).toEqual({ name: "Gate 2" });
    expect(changesOf({ ...formOf(stored), password: "x", certificate: "" }, stored)).toEqual({ password: "x", certificate_sha256: null });
  });

  it("forgets a certificate when the camera is another machine", () => {
    const stored = { name: "Gate", main: { url: "rtsps://10.0.0.1/a", transport: "tcp" }, certificate_sha256: "AB:CD" } as Camera;
    const path = typed(formOf(stored), { mainUrl: "rtsps://10.0.0.1/other" }, stored);
    expect(path.certificate).toBe("AB:CD");
    const moved = typed(path, { mainUrl: "rtsps://10.0.0.2/a" }, stored);
    expect(moved.certificate).toBe("");
    expect(typed(moved, { name: "x" }, stored).certificate).toBe("");
    expect(typed(moved, { mainUrl: "rtsps://10.0.0.1/a" }, stored).certificate).toBe("AB:CD");
    expect(typed({ ...moved, certificate: "EF" }, { subUrl: "rtsps://10.0.0.3/b" }, stored).certificate).toBe("EF");
  });

  it("judges addresses before the recorder does", () => {
    expect(urlProblem("rtsp://10.0.0.1:554/stream")).toBeNull();
    expect(urlProblem("")).toBeNull();
    expect(urlProblem("http://10.0.0.1/video.mjpg")).toBeNull();
    for (const bad of ["ftp://10.0.0.1", "rtsp://", "rtsp:///path", "10.0.0.1"]) expect(urlProblem(bad)).toBe("camera.url.bad");
  });
});

describe("plugin settings", () => {
  it("reads kinds by their name or by their default", () => {
    const kinds = readSchema([
      { name: "sensitivity", kind: "number", min: 0, max: 1, default: 0.5 },
      { name: "minimum_duration_ms", type: "integer", default: 800 },
      { name: "night", default: false },
      { key: "mode", choices: ["a", "b"], default: "a" },
      { name: "label" },
      { nothing: true },
      7,
    ]).map((setting) => setting.kind);
    expect(kinds).toEqual(["number", "number", "boolean", "choice", "text"]);
  });

  it("holds a typed number within its limits", () => {
    const setting = readSetting({ name: "n", type: "integer", min: 1, max: 10, default: 3 });
    expect(setting).not.toBeNull();
    if (setting === null) return;
    expect(["5", "99", "-3", "2.6", "", "x"].map((typed) => parseNumber(setting, typed))).toEqual([5, 10, 1, 3, null, null]);
    expect(valueOf(setting, {})).toBe(3);
    expect(valueOf(setting, { n: 4 })).toBe(4);
  });
});

describe("shapes", () => {
  it("stay on the picture", () => {
    expect(point(-1, 2)).toEqual({ x: 0, y: 1 });
    expect(moved(middle(), 0, { x: -0.5, y: 0.123456 })[0]).toEqual({ x: 0, y: 0.1235 });
  });

  it("must cover something", () => {
    expect(usable(middle())).toBe(true);
    expect(usable([point(0, 0), point(0.5, 0.5), point(1, 1)])).toBe(false);
    expect(usable([point(0, 0), point(1, 1)])).toBe(false);
  });
});
