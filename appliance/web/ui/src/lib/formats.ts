/** Who shows a recorded format: the browser by itself, the page (Motion JPEG), or the browser after the recorder has transcoded it. The browser is asked about the exact
 * format (RFC 6381); what it cannot show although it said so is remembered while the page is open. */

import { isJpeg } from "../jpeg/fragments";

export type Way = "browser" | "jpeg" | "transcoded" | "none";

/** What the recorder transcodes to: H.264, main profile, level 3.1. */
export const TRANSCODED_CODEC = "avc1.4D401F";

const gaveUp = new Set<string>();

/** The browser began this format and could not go on. */
export function couldNotPlay(codec: string): void {
  if (!plays(TRANSCODED_CODEC)) return;
  gaveUp.add(bare(codec));
}

/** What takes pieces of `mime`. A browser that refuses it now, although it said that it plays it, is remembered, and the refusal goes on to whoever tries again. */
export function bufferOf(media: MediaSource, mime: string): SourceBuffer {
  try {
    return media.addSourceBuffer(mime);
  } catch (error) {
    couldNotPlay(mime);
    throw error;
  }
}

/** For a codec string, or a media type that names one. */
export function wayFor(codec: string): Way {
  if (isJpeg(codec)) return "jpeg";
  if (codec !== "" && !gaveUp.has(bare(codec)) && plays(bare(codec))) return "browser";
  return plays(TRANSCODED_CODEC) ? "transcoded" : "none";
}

/** The codec of which pieces of this footage are, as they come. */
export function codecShown(codec: string): string {
  return wayFor(codec) === "transcoded" ? TRANSCODED_CODEC : codec;
}

function bare(codec: string): string {
  return /codecs="([^"]*)"/.exec(codec)?.[1] ?? codec;
}

function plays(codec: string): boolean {
  return "MediaSource" in globalThis && MediaSource.isTypeSupported(`video/mp4; codecs="${codec}"`);
}
