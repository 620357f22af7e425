/** Starts the worker that checks a bundle, and stops it. */

import moduleUrl from "./verify.wasm?url";
import type { Order, Word } from "./bundle.worker";
import type { Chosen } from "./chosen";
import type { Answer, Given } from "./engine";

/** Why there is no answer. `code` is the end of the key of its words. */
export class NotChecked extends Error {
  readonly code: "module" | "memory" | "blocked";

  constructor(code: NotChecked["code"], detail: string) {
    super(detail);
    this.code = code;
  }
}

export interface Running {
  answer: Promise<Answer>;
  /** Ends it at once; `answer` then stays open. */
  stop: () => void;
}

/** The module; it is asked for before any file is handed over. */
async function load(): Promise<ArrayBuffer> {
  try {
    const response = await fetch(moduleUrl);
    if (!response.ok) throw new Error(`${response.status}`);
    return await response.arrayBuffer();
  } catch (error) {
    throw new NotChecked("module", String(error));
  }
}

export function check({ files, archive }: Chosen, given: Given, progress: (done: number, total: number) => void): Running {
  let worker: Worker | null = null;
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    worker?.terminate();
  };
  const answer = load().then(
    (module) =>
      new Promise<Answer>((got, lost) => {
        if (stopped) return;
        worker = new Worker(new URL("./bundle.worker.ts", import.meta.url), { type: "module" });
        worker.onerror = (event) => {
          stop();
          lost(new NotChecked("blocked", event.message));
        };
        worker.onmessage = ({ data }: MessageEvent<Word>) => {
          if (data.kind === "progress") return progress(data.done, data.total);
          stop();
          if (data.kind === "answer") got(data.answer);
          else lost(new NotChecked(data.why, data.detail));
        };
        const order: Order = { module, given, files, archive };
        worker.postMessage(order, [module]);
      }),
  );
  return { answer, stop };
}
