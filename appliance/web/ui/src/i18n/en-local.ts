import { firstWords } from "./en-first";
import { eventsWords } from "./en-events";
import { transcodeWords } from "./en-transcode";
import { wallWords } from "./en-wall";

/** English, for cameras that are plugged into the recorder. */
export const localWords = {
  ...firstWords,
  ...eventsWords,
  ...transcodeWords,
  ...wallWords,
  "local.title": "Cameras plugged into this recorder",
  "local.what": "USB cameras and capture cards. Each is known by its serial number or by the socket that it is plugged into.",
  "local.look": "Show them",
  "local.looking": "Looking…",
  "local.none": "No camera is plugged into this recorder. Plug one in and look again.",
  "local.place": "{bus} · now {node}",
  "local.offers": "Offers {formats}",
  "local.stream": "Format, size and pictures a second",
  "local.encoded": "is encoded here, which costs processor time",
  "local.encoder": "Encoded here by",
  "local.encoder.cost": "{name} · {seconds} s of processor time a minute",
  "local.permanent": "Masks are black in the recording, too",
  "local.permanent.hint": "For good: what is under a mask is never recorded. Draw the masks after the camera is added.",
  "local.chosen": "Its name and address are filled in below.",
};
