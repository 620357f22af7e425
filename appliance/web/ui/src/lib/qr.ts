/** A text as a QR code. */

import qrcode from "qrcode-generator";

/** Modules of the quiet zone around it (ISO/IEC 18004). */
const QUIET = 4;

export interface QrPicture {
  /** Side in modules, with the quiet zone. */
  size: number;
  /** The dark modules as a path of an SVG with that view box. */
  path: string;
}

/** At most 2,953 bytes go; more is an error. */
export function qrPicture(text: string): QrPicture {
  const code = qrcode(0, "L");
  // The library takes the low byte of each character.
  code.addData(String.fromCharCode(...new TextEncoder().encode(text)), "Byte");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (code.isDark(row, column)) path += `M${column + QUIET} ${row + QUIET}h1v1h-1z`;
    }
  }
  return { size: count + 2 * QUIET, path };
}
