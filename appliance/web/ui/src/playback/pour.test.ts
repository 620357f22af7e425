import { describe, expect, it } from "vitest";
import { pour } from "./pour";

/** An answer without end, and what becomes of it. */
function answer(): { response: Response; cancelled: () => boolean } {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => {
      cancelled = true;
    },
  });
  return { response: new Response(body), cancelled: () => cancelled };
}

describe("an answer", () => {
  it("is called off when its bytes find no room", async () => {
    const { response, cancelled } = answer();
    const full = new DOMException("no room", "QuotaExceededError");
    let count = 0;
    const pouring = pour(response.body, new AbortController().signal, async () => {
      count += 1;
      if (count === 3) throw full;
    });
    await expect(pouring).rejects.toBe(full);
    expect([count, cancelled()]).toEqual([3, true]);
  });

  it("is handed on to its end, or until it is not wanted", async () => {
    const taken: number[] = [];
    await pour(new Response("abc").body, new AbortController().signal, async (bytes) => void taken.push(...bytes));
    expect(taken).toEqual([97, 98, 99]);
    const unwanted = new AbortController();
    let count = 0;
    await pour(answer().response.body, unwanted.signal, async () => {
      count += 1;
      if (count === 2) unwanted.abort();
    });
    expect(count).toBe(2);
  });
});
