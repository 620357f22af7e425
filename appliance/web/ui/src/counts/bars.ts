/** What a chart of counts draws, in numbers. Pure. */

/** The interval that is counted. */
export const SPANS = ["day", "week", "month"] as const;
export type Span = (typeof SPANS)[number];

const HOUR_MS = 3_600_000;
/** Days that are counted, today among them. The recorder counts at most 32 at once. */
const DAYS: Record<Span, number> = { day: 1, week: 7, month: 31 };

/** From local midnight some days ago to the end of this hour: within the hour the recorder is asked the same question, which is one entry in its log. */
export function interval(span: Span, now: number): { from: number; to: number } {
  const at = new Date(now);
  const from = new Date(at.getFullYear(), at.getMonth(), at.getDate() - DAYS[span] + 1).getTime();
  return { from, to: (Math.floor(now / HOUR_MS) + 1) * HOUR_MS };
}

/** The top of the scale: 1, 2 or 5 times a power of ten, not below the largest count. */
export function top(counts: readonly number[]): number {
  const most = Math.max(1, ...counts);
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((value) => value >= most) ?? most;
}

export interface Bar {
  start: number;
  count: number;
  /** Left edge and width as shares of the chart's width. */
  x: number;
  width: number;
  /** Share of the chart's height. */
  height: number;
  /** Counts may be missing. */
  partial: boolean;
}

export function bars(starts: readonly number[], counts: readonly number[], wholeFrom: number | null): Bar[] {
  const most = top(counts);
  const width = 1 / Math.max(1, starts.length);
  return starts.map((start, place) => {
    const count = counts[place] ?? 0;
    return { start, count, x: place * width, width, height: count / most, partial: wholeFrom !== null && start < wholeFrom };
  });
}

/** Places of the times below the chart: at most `most`, on whole days, or on every third hour of one day. */
export function ticks(starts: readonly number[], most: number): number[] {
  const hours = (starts.at(-1) ?? 0) - (starts[0] ?? 0) <= 24 * HOUR_MS;
  const wanted = starts.flatMap((start, place) => {
    const hour = new Date(start).getHours();
    return (hours ? hour % 3 === 0 : hour === 0) ? [place] : [];
  });
  const step = Math.ceil(wanted.length / most) || 1;
  return wanted.filter((_, index) => index % step === 0);
}
