import { expect, it } from "vitest";
import { readDelivery } from "./delivery";

it("reads the delivered interval, the gaps and the size of the whole file from a one-byte answer", () => {
  const headers = new Headers({
    "Watchbook-Delivered-Utc-Ms": "1700000000000-1700000060000",
    "Watchbook-Gap-Count": "2",
    "Watchbook-Damaged-Utc-Ms": "1700000010000-1700000010500, 1700000020000-1700000021000",
    "Watchbook-Impaired-Utc-Ms": "1700000030000-1700000031500",
    "Content-Range": "bytes 0-0/123456",
    "Content-Length": "1",
  });
  const damaged = [
    { start: 1_700_000_010_000, end: 1_700_000_010_500 },
    { start: 1_700_000_020_000, end: 1_700_000_021_000 },
  ];
  const impaired = [{ start: 1_700_000_030_000, end: 1_700_000_031_500 }];
  expect(readDelivery(headers)).toEqual({ start: 1_700_000_000_000, end: 1_700_000_060_000, gapCount: 2, damaged, impaired, size: 123_456 });
});

it("takes missing or broken headers as not known", () => {
  const headers = new Headers({ "Watchbook-Delivered-Utc-Ms": "soon", "Content-Range": "bytes 0-0/*", "Watchbook-Damaged-Utc-Ms": "then-now,5-3" });
  expect(readDelivery(headers)).toEqual({ start: null, end: null, gapCount: 0, damaged: [], impaired: [], size: null });
});
