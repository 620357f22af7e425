/** Bounds that the recorder counts in bytes of UTF-8. */

const encoder = new TextEncoder();

/** Whether `text` is longer than the recorder takes; spaces around it do not count. */
export function isTooLong(text: string, bytesMax: number): boolean {
  return encoder.encode(text.trim()).length > bytesMax;
}
