/** The bytes of an answer to whoever takes them. */

/** Hands on each piece in turn until the end, or until `signal` says that it is not wanted any more. When `take` fails, the rest of the answer is called off: a body
 * that nobody reads would keep its connection, and browsers open only six to one host (HTTP/1.1). */
export async function pour(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  signal: AbortSignal,
  take: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>,
): Promise<void> {
  const reader = body?.getReader();
  try {
    for (;;) {
      const piece = await reader?.read();
      if (piece === undefined || piece.done || signal.aborted) return;
      await take(piece.value);
    }
  } catch (error) {
    void reader?.cancel().catch(() => undefined);
    throw error;
  }
}
