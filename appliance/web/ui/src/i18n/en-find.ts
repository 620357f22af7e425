import { caseWords } from "./en-case";
import { deviceWords } from "./en-device";
import { impairedWords } from "./en-impaired";
import { exportWords } from "./en-export";
import { factorWords } from "./en-factor";
import { settingsWords } from "./en-settings";
import { jpegWords } from "./en-jpeg";
import { logWords } from "./en-log";
import { redactWords } from "./en-redact";
import { reportWords } from "./en-report";
import { sceneWords } from "./en-scene";
import { subjectWords } from "./en-subject";

/** English, for finding cameras on the network. */
export const findWords = {
  ...caseWords,
  ...deviceWords,
  ...exportWords,
  ...factorWords,
  ...settingsWords,
  ...impairedWords,
  ...jpegWords,
  ...logWords,
  ...redactWords,
  ...reportWords,
  ...sceneWords,
  ...subjectWords,
  "find.title": "Find the camera",
  "find.what": "Cameras that speak ONVIF say what they are and where their streams are. Otherwise enter the addresses below.",
  "find.search": "Search the network",
  "find.searching": "Searching…",
  "find.search.hint": "Takes 4 seconds.",
  "find.none": "No camera answered. Switch ONVIF and discovery on in the camera's settings, check that it is in the same network as this recorder, or enter its address.",
  "find.count": "{count} cameras answered.",
  "find.search_list": "Search found cameras",
  "find.recorded": "Added already",
  "find.address": "Address of the camera",
  "find.address.hint": "Its network address, with a port when it is not 80; with https:// before it, the camera is asked encrypted.",
  "find.password.hint": "An account that the camera allows ONVIF. For this question the camera gets a digest, not the password itself.",
  "find.ask": "Ask the camera",
  "find.asking": "Asking…",
  "find.device": "Firmware {firmware} · serial number {serial} · {macs}",
  "find.clock": "The camera's clock is off by {seconds} s. Footage has this recorder's time; set the camera's clock so that the time in its picture is right, too.",
  "find.no_stream": "The camera offers no H.264 or H.265 stream. Switch one on in the camera's settings and ask again.",
  "find.main": "Stream to record",
  "find.sub": "Stream for small tiles and plugins",
  "find.main.hint": "The largest picture is recorded.",
  "find.no_sub": "None",
  "find.next": "The addresses are filled in below. Test them, set how long footage is kept, and add the camera.",
};
