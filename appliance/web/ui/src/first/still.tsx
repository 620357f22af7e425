/** One picture that a camera gave while it was tried: decoded by the browser, drawn once, kept as pixels alone. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { StillPicture } from "../api";
import { t } from "../i18n";
import { FragmentReader, isJpeg } from "../jpeg/fragments";
import { Painter } from "../jpeg/painter";

const WIDTH = 320;
const HEIGHT = 180;

export function Still({ picture, label }: { picture: StillPicture; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const target = canvas.current;
    if (target === null) return;
    setFailed(false);
    const bytes = Uint8Array.from(atob(picture.mp4_base64), (letter) => letter.charCodeAt(0));
    return isJpeg(picture.mime) ? drawJpeg(target, bytes, setFailed) : drawVideo(target, bytes, picture.mime, setFailed);
  }, [picture]);
  return (
    <div class="still">
      <canvas ref={canvas} width={WIDTH} height={HEIGHT} role="img" aria-label={label} hidden={failed} />
      {failed && <p class="hint">{t("first.no_still", { mime: picture.mime })}</p>}
    </div>
  );
}

function drawJpeg(target: HTMLCanvasElement, bytes: Uint8Array<ArrayBuffer>, failed: (yes: boolean) => void): () => void {
  const painter = new Painter(target, () => (target.dataset["drawn"] = "true"));
  const picture = new FragmentReader().push(bytes).at(-1);
  if (picture === undefined) failed(true);
  else painter.draw(picture.data);
  return () => painter.close();
}

function drawVideo(target: HTMLCanvasElement, bytes: Uint8Array<ArrayBuffer>, mime: string, failed: (yes: boolean) => void): () => void {
  if (!("MediaSource" in globalThis) || !MediaSource.isTypeSupported(mime)) {
    failed(true);
    return () => undefined;
  }
  const video = document.createElement("video");
  const media = new MediaSource();
  const url = URL.createObjectURL(media);
  const close = () => {
    URL.revokeObjectURL(url);
    video.removeAttribute("src");
  };
  media.addEventListener("sourceopen", () => {
    const buffer = media.addSourceBuffer(mime);
    buffer.addEventListener("updateend", () => media.readyState === "open" && media.endOfStream(), { once: true });
    buffer.appendBuffer(bytes);
  });
  video.addEventListener("error", () => failed(true));
  video.addEventListener("loadeddata", () => {
    const context = target.getContext("2d");
    const scale = Math.min(WIDTH / video.videoWidth, HEIGHT / video.videoHeight);
    const [width, height] = [video.videoWidth * scale, video.videoHeight * scale];
    context?.drawImage(video, (WIDTH - width) / 2, (HEIGHT - height) / 2, width, height);
    target.dataset["drawn"] = "true";
    close();
  });
  video.muted = true;
  video.src = url;
  return close;
}
