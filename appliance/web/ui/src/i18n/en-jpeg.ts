/** English, for cameras that send JPEG pictures, and for addresses. */
export const jpegWords = {
  "camera.main.hint":
    "The address from the camera's manual: RTSP, or HTTP of a JPEG stream or snapshot. This stream is recorded. A stored password inside the address is shown as •••; leave it so to keep it.",
  "camera.url.bad": "An address begins with rtsp:// or http:// and the camera's host, such as rtsp://192.168.1.20:554/stream1.",
  "camera.interval": "One picture every (s)",
  "camera.interval.hint": "Only for an address that gives one picture for each request; a test shows whether it does. 0.2 to 5 s. A stream of moving pictures comes at the camera's own rate.",
  "camera.test.moving": "moving pictures",
  "camera.test.single": "one picture every {seconds} s",
  "export.jpeg": "This camera sends JPEG pictures. The MP4 file holds them as they came; browsers do not play it. Open it with a player such as VLC.",
};
