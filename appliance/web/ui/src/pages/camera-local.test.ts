import { describe, expect, it } from "vitest";
import type { LocalCamera } from "../api";
import { localStreams, urlProblem } from "./camera-form";

const camera: LocalCamera = {
  url: "v4l2:usb:046d:0825:A1:0.0",
  name: "UVC Camera",
  bus: "usb-0000:00:14.0-1",
  node: "/dev/video0",
  formats: [
    { letters: "H264", coding: "h264", recordable: true, encoded: false, sizes: [{ width: 1280, height: 720, fps: [30, 15] }, { width: 640, height: 360, fps: [] }] },
    { letters: "MJPG", coding: "jpeg", recordable: true, encoded: false, sizes: [{ width: 640, height: 480, fps: [30] }] },
    { letters: "YUYV", coding: "raw", recordable: true, encoded: true, sizes: [{ width: 640, height: 480, fps: [30] }] },
    { letters: "pBAA", coding: "other", recordable: false, encoded: false, sizes: [] },
  ],
  controls: [],
  problem: null,
  camera: null,
};

describe("a camera that is plugged in", () => {
  it("offers what can be recorded, with the address that says so", () => {
    expect(localStreams(camera).map(({ value, text }) => ({ value, text }))).toEqual([
      { value: "v4l2:usb:046d:0825:A1:0.0?format=H264&size=1280x720&fps=30", text: "H264 · 1280 × 720 · 30/s" },
      { value: "v4l2:usb:046d:0825:A1:0.0?format=H264&size=1280x720&fps=15", text: "H264 · 1280 × 720 · 15/s" },
      { value: "v4l2:usb:046d:0825:A1:0.0?format=H264&size=640x360", text: "H264 · 640 × 360" },
      { value: "v4l2:usb:046d:0825:A1:0.0?format=MJPG&size=640x480&fps=30", text: "MJPG · 640 × 480 · 30/s" },
      {
        value: "v4l2:usb:046d:0825:A1:0.0?format=MJPG&size=640x480&fps=30&encode=h264",
        text: "MJPG · 640 × 480 · 30/s · is encoded here, which costs processor time",
      },
      {
        value: "v4l2:usb:046d:0825:A1:0.0?format=YUYV&size=640x480&fps=30",
        text: "YUYV · 640 × 480 · 30/s · is encoded here, which costs processor time",
      },
    ]);
  });

  it("has an address that the form takes", () => {
    expect(urlProblem(localStreams(camera)[0]!.value)).toBeNull();
    expect(urlProblem("v4l2:")).toBe("camera.url.bad");
    expect(urlProblem("file:/dev/video0")).toBe("camera.url.bad");
  });
});
