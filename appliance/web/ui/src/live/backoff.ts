/** When to try again after the live connection was lost. */

const FIRST_MS = 500;
/** A station's network that was away for a minute should be back on the wall within some seconds of its return. */
const LONGEST_MS = 8_000;

/** Wait before attempt number `attempt` (0 is the first retry): doubles up to 8 s, spread by ±20 % so that 16 tiles do not come back in one instant. */
export function retryDelayMs(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(base * (0.8 + 0.4 * random()));
}
