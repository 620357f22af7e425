/** English, for a camera's certificate, sound and clock. */
export const cameraWords = {
  "reason.clock_step": "The recorder's or the camera's clock was set",
  "reason.camera_untrusted": "The camera's certificate is not trusted",
  "camera.audio": "Record sound",
  "camera.audio.hint": "Recording speech may need another permission than recording pictures.",
  "camera.audio.purpose": "What the sound is recorded for",
  "camera.audio.purpose.hint": "It stands in the audit log and with the camera's settings.",
  "camera.certificate": "Trusted certificate (SHA-256)",
  "camera.certificate.hint": "For rtsps:// and https:// addresses. Test the camera to see its certificate. Empty: one that an authority vouches for.",
  "camera.certificate.shown": "The camera shows this certificate:",
  "camera.certificate.compare": "Compare it with the fingerprint on the camera's own page. Whoever has its key will be taken for the camera.",
  "camera.certificate.trust": "Trust this certificate",
  "camera.certificate.trusted": "Taken over below. Test again, then save.",
  "clock.title": "The camera's clock",
  "clock.what":
    "Footage has this recorder's time. What the camera's own clock says may stand in its picture: here is how far that was off, once an hour and whenever it was set.",
  "clock.none": "This camera has not told its time yet.",
  "clock.when": "When",
  "clock.offset": "Camera minus recorder",
  "clock.drift": "Drift",
  "clock.step": "was set",
  "clock.seconds": "{seconds} s",
};
