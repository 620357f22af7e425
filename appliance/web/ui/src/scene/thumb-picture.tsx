/** A small picture as it is drawn. */

import { useEffect, useRef } from "preact/hooks";
import { THUMB_HEIGHT, THUMB_WIDTH } from "./thumb";

/** Its words are beside it: for whoever does not see it, there is nothing more in it. */
export function ThumbPicture({ picture, camera }: { picture: ImageBitmap; camera: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => canvas.current?.getContext("2d")?.drawImage(picture, 0, 0), [picture]);
  return <canvas ref={canvas} class="thumb" width={THUMB_WIDTH} height={THUMB_HEIGHT} data-thumb={camera} aria-hidden="true" />;
}
