import { describe, expect, it } from "vitest";
import { answered, BEGINNING, inputFrom, kept, merged, missing, NOTHING_SAID, ofDevice, ofTyped, type Draft, type Progress, restored, stated, toAdd, unique } from "./plan";

const device = (url: string, camera: number | null = null) => ofDevice({ address: "192.168.1.20", camera, hardware: "Gate 7", name: "Acme", url });
const ready = (part: Partial<Draft> = {}): Draft => ({ ...device("http://192.168.1.20/onvif"), ready: true, name: "Gate", mainUrl: "rtsp://192.168.1.20/main", ...part });
const progress = (drafts: Draft[]): Progress => ({ step: "find", drafts, common: NOTHING_SAID });

describe("the first set-up", () => {
  it("begins again where it was left", () => {
    const left = progress([ready({ purpose: "Traffic" })]);
    expect(restored(kept(left))).toEqual(left);
    // The account is not kept: it is asked for again, so that no camera is added without it.
    expect(restored(kept(progress([ready({ secured: true })]))).drafts[0]?.ready).toBe(false);
    for (const text of [null, "", "{", "7", '{"step":"nowhere","drafts":[]}']) expect(restored(text)).toEqual(BEGINNING);
    expect(restored('{"step":"state","drafts":[{"key":1}],"common":{"purpose":1}}')).toEqual({ ...BEGINNING, step: "state" });
  });

  it("leaves no password in the browser's memory", () => {
    const text = kept(
      progress([
        ready({ key: "http://a/onvif", mainUrl: "rtsp://u:canary@192.168.1.20/main" }),
        ready({ key: "http://b/onvif", subUrl: "rtsp://192.168.1.20/user=a&password=canary" }),
        ready({ key: "rtsp://u:canary@192.168.1.21/main", kind: "stream" }),
      ]),
    );
    expect(text).not.toContain("canary");
    expect(restored(text).drafts.map(({ key, ready: asked }) => [key, asked])).toEqual([
      ["http://a/onvif", false],
      ["http://b/onvif", false],
    ]);
    expect(ofTyped("rtsp://u:canary@192.168.1.21:554/main")?.label).toBe("192.168.1.21:554");
  });

  it("keeps what was said when the network is searched again", () => {
    const again = merged([ready({ purpose: "Traffic" })], [device("http://192.168.1.20/onvif", 4), device("http://192.168.1.30/onvif")]);
    expect(again.map(({ purpose, recorded }) => [purpose, recorded])).toEqual([
      ["Traffic", 4],
      ["", null],
    ]);
  });

  it("adds only what was chosen, gave a picture and is not recorded", () => {
    const drafts = [ready(), ready({ chosen: false }), ready({ ready: false }), ready({ recorded: 3 })];
    expect(toAdd(drafts)).toEqual([drafts[0]]);
    expect(device("http://192.168.1.20/onvif", 4).chosen).toBe(false);
  });

  it("takes what is said for all where nothing is said for one", () => {
    const common = { purpose: "Traffic", retentionDays: "7", contact: "Room 3" };
    expect(stated(ready({ purpose: "Theft" }), common)).toMatchObject({ ...common, purpose: "Theft" });
    expect(missing(ready(), 30)).toEqual(["purpose", "retention", "contact"]);
    expect(missing(stated(ready(), common), 30)).toEqual([]);
    for (const days of ["0", "31", "1.5", "x"]) expect(missing(stated(ready({ retentionDays: days }), common), 30)).toEqual(["retention"]);
    expect(inputFrom(stated(ready(), common), { username: "guard", password: "" })).toMatchObject({ name: "Gate", purpose: "Traffic", retention_days_max: 7, username: "guard" });
  });

  it("calls a camera by its own name, and by its make where it has none", () => {
    const said = { clock_offset_ms: null, events: true, firmware: "1", macs: [], main: null, manufacturer: "Acme", masks: false, model: "Gate 7", profiles: [], ptz: false, serial: "2", sub: null, url: "http://192.168.1.20/onvif" };
    expect(answered(device("http://192.168.1.20/onvif"), said, []).name).toBe("Acme");
    const nameless = ofDevice({ address: "192.168.1.20", camera: null, hardware: "", name: "", url: "http://192.168.1.20/onvif" });
    expect(answered(nameless, said, ["Acme Gate 7"]).name).toBe("Acme Gate 7 2");
    expect(answered({ ...nameless, name: "North gate" }, said, []).name).toBe("North gate");
  });

  it("gives ten cameras of one kind ten names", () => {
    const names: string[] = [];
    for (let count = 0; count < 10; count += 1) names.push(unique("Acme Gate 7", names));
    expect(new Set(names).size).toBe(10);
    expect(names.slice(0, 2)).toEqual(["Acme Gate 7", "Acme Gate 7 2"]);
    expect(unique("x".repeat(80), ["x".repeat(64)])).toHaveLength(62);
  });
});
