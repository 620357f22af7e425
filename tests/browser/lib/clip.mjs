/** Looks at a downloaded clip: with ffprobe, and in the browser. */

import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { until } from "./browser.mjs";

/** Frames and seconds of the file's video, counted by ffprobe. */
export async function probe(file) {
  const args = ["-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames,duration", "-of", "json", file];
  const { stdout, stderr } = await promisify(execFile)("ffprobe", args);
  const [stream] = JSON.parse(stdout).streams;
  return { codec: stream.codec_name, width: stream.width, height: stream.height, frames: Number(stream.nb_read_frames), seconds: Number(stream.duration), complaints: stderr };
}

/** Plays the file in a page of its own, as somebody who was sent it would, to its end. Returns the frames shown. */
export async function playThrough(context, file) {
  const { size } = await stat(file);
  const server = createServer((request, response) => {
    if (!request.url.endsWith(".mp4")) {
      response.setHeader("Content-Type", "text/html");
      response.end('<!doctype html><video muted src="/clip.mp4"></video>');
      return;
    }
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const start = asked ? Number(asked[1]) : 0;
    const end = asked && asked[2] !== "" ? Number(asked[2]) : size - 1;
    response.writeHead(asked ? 206 : 200, {
      "Content-Type": "video/mp4",
      "Accept-Ranges": "bytes",
      "Content-Length": end - start + 1,
      ...(asked ? { "Content-Range": `bytes ${start}-${end}/${size}` } : {}),
    });
    createReadStream(file, { start, end }).on("error", () => response.destroy()).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const page = await context.newPage();
  try {
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.evaluate(() => {
      const video = document.querySelector("video");
      video.playbackRate = 4;
      return video.play();
    });
    await until(page, "the clip plays to its end", () => document.querySelector("video").ended, null, 60_000);
    return await page.evaluate(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames);
  } finally {
    await page.close();
    server.closeAllConnections();
    server.close();
  }
}
