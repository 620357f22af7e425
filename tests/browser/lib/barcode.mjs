/** Reads the bar code of `clock_camera.py` from what a video shows: how old a picture is when it reaches the screen. */

/** Pictures until the bar codes repeat. */
const NUMBERS = 512;

/** Ages in ms of the next `count` pictures of a video that shows a clock camera with a picture every `everyMs`. Camera and browser share the machine's clock. */
export async function ages(page, selector, { count, everyMs }) {
  const seen = await page.evaluate(
    ([wanted, pictures]) =>
      new Promise((resolve) => {
        const video = document.querySelector(wanted);
        const canvas = document.createElement("canvas");
        const cells = 20;
        [canvas.width, canvas.height] = [cells * 8, 8];
        const context = canvas.getContext("2d", { willReadFrequently: true });
        const read = () => {
          // The strip's middle third.
          const strip = video.videoHeight / 6;
          context.drawImage(video, 0, strip / 3, video.videoWidth, strip / 3, 0, 0, canvas.width, canvas.height);
          const { data } = context.getImageData(0, 4, canvas.width, 1);
          const bits = Array.from({ length: cells }, (_, cell) => data[(cell * 8 + 4) * 4 + 1] > 128);
          const [white, black, ...rest] = bits;
          const number = rest.slice(0, 9).reduce((sum, bit) => sum * 2 + Number(bit), 0);
          const whole = white && !black && rest.slice(9).every((bit, at) => bit !== rest[at]);
          return whole ? number : null;
        };
        const out = [];
        const step = (_, { expectedDisplayTime }) => {
          out.push({ number: read(), shownMs: Date.now() + expectedDisplayTime - performance.now() });
          if (out.length < pictures) video.requestVideoFrameCallback(step);
          else resolve(out);
        };
        video.requestVideoFrameCallback(step);
      }),
    [selector, count],
  );
  return seen.map(({ number, shownMs }) => {
    if (number === null) throw new Error(`${selector} shows no bar code`);
    const latest = Math.floor(shownMs / everyMs);
    const given = latest - ((((latest - number) % NUMBERS) + NUMBERS) % NUMBERS);
    return shownMs - given * everyMs;
  });
}

/** The value below which this share of `values` lies. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
