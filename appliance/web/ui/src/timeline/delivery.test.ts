import { expect, it } from "vitest";
import { readDelivery } from "./delivery";

it("reads the delivered interval, the gaps and the size of the whole file from a one-byte answer", () => {
  const headers = new Headers({
    "Watchbook-Delivered-Utc-Ms": "1700000000000-1700000060000",
    "Watchbook-Gap-Count": "2",
    "Content-Range": "bytes 0-0/123456",
    "Content-Length": "1",
  });
  expect(readDelivery(headers)).toEqual({ start: 1_700_000_000_000, end: 1_700_000_060_000, gapCount: 2, size: 123_456 });
});

it("takes missing or broken headers as not known", () => {
  const headers = new Headers({ "Watchbook-Delivered-Utc-Ms": "soon", "Content-Range": "bytes 0-0/*" });
  expect(readDelivery(headers)).toEqual({ start: null, end: null, gapCount: 0, size: null });
});
