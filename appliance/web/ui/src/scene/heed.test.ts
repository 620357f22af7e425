import { describe, expect, it } from "vitest";
import { SceneClock } from "./clock";
import { pace } from "./follow";
import { Heed, LATE_MS, lateness, Reached, SCREEN_MS, type Seen, SHARE_MIN, shareFor, STOP_MS, WAIT_MAX_MS } from "./heed";

const shown = (camera: number, late: number | null): Seen => ({ camera, standing: "shown", late });
const loading = (camera: number): Seen => ({ camera, standing: "loading", late: null });
/** The scene looks so often. */
const LOOK_MS = 40;
const PICTURE_MS = 40;

/** Looks again and again for `ms`; the last verdict. */
function looks(heed: Heed, seen: readonly Seen[], ms: number, begun: number) {
  let verdict = heed.look(seen, 1, begun);
  for (let perf = begun; perf <= begun + ms; perf += LOOK_MS) verdict = heed.look(seen, 1, perf);
  return verdict;
}

describe("the share of the asked speed", () => {
  it("is all of it while nobody is late, and falls to next to nothing", () => {
    expect([shareFor(0), shareFor(LATE_MS), shareFor(STOP_MS), shareFor(10_000)]).toEqual([1, 1, SHARE_MIN, SHARE_MIN]);
    expect(shareFor((LATE_MS + STOP_MS) / 2)).toBeCloseTo(0.5);
    expect(shareFor(70)).toBeLessThan(shareFor(60));
  });

  it("heeds the latest picture, and not the way to the screen that all of them have", () => {
    expect(new Heed().look([shown(1, 0), shown(2, 70)], 1, 0).share).toBeCloseTo(shareFor(70));
    expect(new Heed().look([shown(1, 38), shown(2, 40)], 1, 0).share).toBe(1);
    expect(new Heed().look([shown(1, 200), shown(2, 200)], 1, 0).share).toBe(shareFor(200 - SCREEN_MS));
    expect(new Heed().look([shown(1, -60), shown(2, 35)], 1, 0).share, "who is ahead is waited for by nobody").toBe(1);
    expect(new Heed().look([shown(1, null)], 1, 0).share).toBe(1);
    expect(new Heed().look([], 1, 0)).toEqual({ holds: false, waits: false, share: 1 });
  });

  it("allows more where a screen cannot show every picture", () => {
    const late = [shown(1, 0), shown(2, 80)];
    expect(new Heed().look(late, 2, 0).share).toBeLessThan(1);
    expect(new Heed().look(late, 4, 0).share).toBe(1);
  });
});

describe("a camera that is waited for", () => {
  it("stops the clock while it is fetched, for a bounded time", () => {
    const heed = new Heed();
    const seen = [shown(1, 0), loading(2)];
    expect(looks(heed, seen, WAIT_MAX_MS - 100, 0)).toEqual({ holds: true, waits: true, share: 1 });
    expect(heed.left.size).toBe(0);
    expect(looks(heed, seen, 200, WAIT_MAX_MS - 60)).toEqual({ holds: false, waits: true, share: 1 });
    expect([...heed.left]).toEqual([2]);
  });

  it("is waited for again once it was well as long as it was not", () => {
    const heed = new Heed();
    looks(heed, [shown(1, 0), loading(2)], WAIT_MAX_MS + 100, 0);
    looks(heed, [shown(1, 0), shown(2, 0)], WAIT_MAX_MS / 2, 10_000);
    expect(heed.look([shown(1, 0), loading(2)], 1, 15_000).holds).toBe(false);
    looks(heed, [shown(1, 0), shown(2, 0)], WAIT_MAX_MS, 16_000);
    expect(heed.left.size).toBe(0);
    expect(heed.look([shown(1, 0), loading(2)], 1, 30_000).holds).toBe(true);
  });

  it("does not stop the rest for ever by being fetched again and again", () => {
    const heed = new Heed();
    for (let turn = 0; turn < 12; turn += 1) {
      looks(heed, [shown(1, 0), loading(2)], 2_000, turn * 3_000);
      looks(heed, [shown(1, 0), shown(2, 0)], 900, turn * 3_000 + 2_040);
    }
    expect(heed.left.has(2)).toBe(true);
  });

  it("does not slow the rest for ever by being late", () => {
    const heed = new Heed();
    const seen = [shown(1, 0), shown(2, 5_000)];
    expect(looks(heed, seen, 1_000, 0).share).toBe(SHARE_MIN);
    expect(looks(heed, seen, WAIT_MAX_MS, 1_040).share).toBe(1);
    expect(heed.left.has(2)).toBe(true);
    heed.forget();
    expect(heed.look(seen, 1, 20_000).share, "at another moment it has its time again").toBe(SHARE_MIN);
  });

  it("stops nobody by a gap or a failure, and everybody where there is nothing to go on with", () => {
    const other = (standing: Seen["standing"]): Seen => ({ camera: 2, standing, late: null });
    for (const standing of ["empty", "failed", "unsupported"] as const) expect(new Heed().look([shown(1, 0), other(standing)], 1, 0).holds).toBe(false);
    const heed = new Heed();
    expect(looks(heed, [loading(1), loading(2)], 2 * WAIT_MAX_MS, 0).holds).toBe(true);
  });

  it("is not charged for time in which nobody looked", () => {
    const heed = new Heed();
    heed.look([shown(1, 0), loading(2)], 1, 0);
    expect(heed.look([shown(1, 0), loading(2)], 1, 60_000).holds).toBe(true);
  });
});

describe("a picture", () => {
  it("is late from its end on, early before its beginning, and neither between", () => {
    const picture = { start: 1_000, end: 1_040 };
    expect([lateness(1_000, picture), lateness(1_040, picture), lateness(1_100, picture), lateness(970, picture)]).toEqual([0, 0, 60, -30]);
  });
});

describe("the speed reached", () => {
  it("is told once it stays below what was asked, and no more when it is reached again", () => {
    const reached = new Reached();
    const over = (share: number, from: number, ms: number) => {
      let told: number | null = null;
      for (let perf = from; perf < from + ms; perf += LOOK_MS) told = reached.look(share, perf);
      return told;
    };
    expect(over(1, 0, 1_000)).toBeNull();
    expect(over(0.1, 1_000, 80), "a moment is no speed").toBeNull();
    expect(over(0.6, 1_080, 10_000)).toBeCloseTo(0.6, 1);
    expect(over(1, 11_080, 10_000)).toBeNull();
  });
});

/** Nine players on a device that draws `drawn` pictures a second of all of them together, one camera after the other; each starts after its own delay. What is on the
 * screen is compared with what the scene was told. */
function played(drawn: number, seconds: number): { drift: number[]; speed: number } {
  let perf = 0;
  const clock = new SceneClock(0, () => perf);
  const heed = new Heed();
  const players = Array.from({ length: 9 }, (_, index) => ({ at: 0, rate: 1, begins: 30 + index * 23, onScreen: 0 }));
  const drift: number[] = [];
  let [turn, budget] = [0, 0];
  clock.run(1);
  for (perf = 0; perf < seconds * 1_000; perf += 4) {
    for (const player of players) if (perf >= player.begins) player.at += 4 * player.rate;
    // Who has waited longest is drawn next, and it shows what it should show then.
    for (budget = Math.min(9, budget + (drawn * 4) / 1_000); budget >= 1; budget -= 1) {
      const due = players.findIndex((_, step) => Math.floor((players[(turn + step) % 9]?.at ?? 0) / PICTURE_MS) > (players[(turn + step) % 9]?.onScreen ?? 0));
      if (due < 0) break;
      const player = players[(turn + due) % 9];
      if (player === undefined) break;
      player.onScreen = Math.floor(player.at / PICTURE_MS);
      turn = (turn + due + 1) % 9;
    }
    if (perf % LOOK_MS === 0) {
      const target = clock.now;
      const seen = players.map((player, camera) => shown(camera, lateness(target, { start: player.onScreen * PICTURE_MS, end: (player.onScreen + 1) * PICTURE_MS })));
      clock.run(heed.look(seen, 1, perf).share);
      for (const player of players) {
        const step = pace(target - player.at, clock.rate, 1);
        if (step.kind === "jump") player.at = target;
        else player.rate = step.rate;
      }
    }
    const numbers = players.map((player) => player.onScreen);
    if (perf > 500) drift.push((Math.max(...numbers) - Math.min(...numbers)) * PICTURE_MS);
  }
  return { drift: drift.sort((a, b) => a - b), speed: clock.now / (seconds * 1_000) };
}

describe("nine pictures on one clock", () => {
  it("are less than 100 ms apart, whatever the device draws, and as fast as it can", () => {
    for (const [drawn, least, most] of [[2_000, 0.95, 1.001], [225, 0.9, 1.001], [120, 0.3, 1.001], [70, 0.15, 0.95], [45, 0.1, 0.8]] as const) {
      const { drift, speed } = played(drawn, 20);
      const told = drift[Math.floor(drift.length * 0.95)];
      expect(told, `${drawn} pictures a second: drift at 95 %`).toBeLessThan(100);
      expect(speed, `${drawn} pictures a second: speed`).toBeGreaterThan(least);
      expect(speed, `${drawn} pictures a second: speed`).toBeLessThan(most);
    }
  });
});
