import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WAIT_MAX_MS } from "./heed";
import { Scene, type SceneReport } from "./scene";
import type { SceneScreen, Standing } from "./screen";

const T = 1_700_000_000_000;
const screen = (camera: number, standing: Standing) => ({ camera, spans: [], late: 0, follow: () => standing, close: () => undefined }) as unknown as SceneScreen;

describe("a camera that the others do not wait for", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    vi.stubGlobal("document", { hidden: false });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("is told while they play, and not any more once they stand", () => {
    const left: number[][] = [];
    const nothing = () => undefined;
    const report: SceneReport = { moment: nothing, standing: nothing, waiting: nothing, spread: nothing, slower: nothing, left: (cameras) => left.push([...cameras]), jumped: nothing, playing: nothing };
    const scene = new Scene(report);
    scene.add(screen(1, "shown"));
    scene.add(screen(2, "loading"));
    scene.seek(T);
    scene.play(1);
    vi.advanceTimersByTime(WAIT_MAX_MS + 500);
    expect(left.at(-1)).toEqual([2]);
    scene.pause();
    expect(left.at(-1)).toEqual([]);
    scene.close();
  });
});
