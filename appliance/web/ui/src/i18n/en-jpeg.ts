/** English, for cameras that send JPEG pictures, for addresses, and for cameras that do not see. */
export const jpegWords = {
  "camera.main.hint":
    "The address from the camera's manual: RTSP, or HTTP of a JPEG stream or snapshot. This stream is recorded. A stored password inside the address is shown as •••; leave it so to keep it.",
  "camera.url.bad": "An address begins with rtsp://, rtsps://, http:// or https:// and the camera's host, such as rtsp://192.168.1.20:554/stream1.",
  "camera.interval": "One picture every (s)",
  "camera.interval.hint": "Only for an address that gives one picture for each request; a test shows whether it does. 0.2 to 5 s. A stream of moving pictures comes at the camera's own rate.",
  "camera.test.moving": "moving pictures",
  "camera.test.single": "one picture every {seconds} s",
  "sight.frozen": "The same picture again and again",
  "sight.frozen.next": "Restart the camera. A clock in its picture may run on although the picture stands still.",
  "sight.covered": "No detail in the picture",
  "sight.covered.next": "Look at the lens: it may be covered. If it is only dark there, a lamp or infra-red helps.",
  "alarm.camera_frozen": "Cameras send the same picture again and again",
  "alarm.camera_frozen.next": "Restart them. What they send is recorded, but it does not show what happens.",
  "alarm.camera_covered": "Cameras show nothing",
  "alarm.camera_covered.next": "Look at their lenses; if it is only dark there, nothing is wrong with them.",
  "export.jpeg": "This camera sends JPEG pictures. The MP4 file holds them as they came; browsers do not play it. Open it with a player such as VLC.",
};
