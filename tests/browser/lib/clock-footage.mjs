/** Footage in which each picture says its own number in black and white blocks, and how a browser reads it back: the truth about what is on the screen, whatever a
 * player says of itself. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

const WIDTH = 320;
const HEIGHT = 180;
/** Pictures a second; a key frame every two seconds. */
export const FPS = 25;
export const PICTURE_MS = 1_000 / FPS;
export const KEY_EVERY = 50;
/** A minute, then it begins again. */
export const PICTURES = 1_500;
const BITS = 11;
const BLOCK = 24;
const LEFT = 8;
const TOP = 8;

/** Luma of picture `number`: its number from the highest bit on, and a bar that moves. */
function luma(number) {
  const plane = Buffer.alloc(WIDTH * HEIGHT, 96);
  const fill = (left, top, width, height, value) => {
    for (let y = top; y < top + height; y += 1) plane.fill(value, y * WIDTH + left, y * WIDTH + left + width);
  };
  for (let bit = 0; bit < BITS; bit += 1) fill(LEFT + bit * BLOCK, TOP, BLOCK, BLOCK, (number >> (BITS - 1 - bit)) & 1 ? 235 : 16);
  fill((number * 4) % (WIDTH - 16), 100, 16, 60, 200);
  return plane;
}

/** Writes the footage and its list into `dir`: mounts `/cam1` to `/cam` and `count`, which all show the same picture at any moment. */
export async function makeClockFootage(dir, count) {
  const args = ["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", `${WIDTH}x${HEIGHT}`, "-r", String(FPS), "-i", "pipe:0"];
  const coded = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-g", String(KEY_EVERY), "-keyint_min", String(KEY_EVERY), "-sc_threshold", "0", "-bf", "0", "-x264-params", "aud=1"];
  const encoder = spawn("ffmpeg", [...args, ...coded, "-f", "h264", join(dir, "clock.264")], { stdio: ["pipe", "inherit", "inherit"] });
  const ended = once(encoder, "exit");
  const chroma = Buffer.alloc((WIDTH * HEIGHT) / 2, 128);
  for (let number = 0; number < PICTURES; number += 1) {
    encoder.stdin.write(luma(number));
    if (!encoder.stdin.write(chroma)) await once(encoder.stdin, "drain");
  }
  encoder.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
  const mounts = Array.from({ length: count }, (_, index) => [`cam${index + 1}`, { file: "clock.264", fps: FPS, aligned: true }]);
  await writeFile(join(dir, "footage.json"), JSON.stringify(Object.fromEntries(mounts)));
}

/** Puts a function `readNumbers(selector)` into the page: the number of the picture that each element shows, all read in one task; -1 where there is none. */
export async function installReader(page) {
  await page.evaluate(
    ({ width, height, bits, block, left, top }) => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height];
      const context = canvas.getContext("2d", { willReadFrequently: true });
      globalThis.readNumbers = (selector) =>
        [...document.querySelectorAll(selector)].map((element) => {
          if (element.videoWidth === 0) return -1;
          context.drawImage(element, 0, 0, width, height);
          const { data } = context.getImageData(0, 0, width, top + block);
          let number = 0;
          for (let bit = 0; bit < bits; bit += 1) number = number * 2 + (data[((top + block / 2) * width + left + bit * block + block / 2) * 4] > 128 ? 1 : 0);
          return number;
        });
    },
    { width: WIDTH, height: HEIGHT, bits: BITS, block: BLOCK, left: LEFT, top: TOP },
  );
}

/** From picture `a` to picture `b`, the short way round. */
export function steps(a, b) {
  const way = (((b - a) % PICTURES) + PICTURES) % PICTURES;
  return way > PICTURES / 2 ? way - PICTURES : way;
}

/** How far apart the first and the last of these pictures are, milliseconds. */
export function spreadMs(numbers) {
  const [first = 0] = numbers;
  const ways = numbers.map((number) => steps(first, number));
  return (Math.max(...ways) - Math.min(...ways)) * PICTURE_MS;
}
