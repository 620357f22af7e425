/** English, for footage that the recorder transcodes because this browser cannot play it. */
export const transcodeWords = {
  "transcode.note": "Transcoded for this browser, not the recorded picture. The recorded original is the evidence.",
  "transcode.brief": "Transcoded, not the original",
  "problem.transcode-full": "The station transcodes as much as it can.",
  "problem.transcode-full.next": "Look at the sub stream, or close another view that says it is transcoded. This one goes on by itself when there is room.",
  "problem.transcode-late": "Not transcoded now: recording needs the station's processor.",
  "problem.transcode-late.next": "Wait. It goes on by itself once recording keeps up; the page Health shows how far behind it is.",
  "problem.transcode-broken": "This footage could not be transcoded.",
  "problem.transcode-broken.next": "It is tried again. If it stays so, look at another moment or ask an admin to test the camera. An export holds what was recorded.",
};
