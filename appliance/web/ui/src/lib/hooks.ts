import type { RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { asApiError } from "./session";

/** An answer being fetched: `data` keeps the last good one while a newer is on its way or failed. */
export interface Loaded<T> {
  data: T | null;
  problem: ApiError | null;
  reload: () => void;
}

/** Loads on mount, whenever `key` changes, and every `everyMs` if given. */
export function useLoaded<T>(load: () => Promise<T>, key: unknown, everyMs?: number): Loaded<T> {
  const [data, setData] = useState<T | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const latest = useRef(0);
  const loader = useRef(load);
  loader.current = load;
  const reload = useCallback(() => {
    const turn = ++latest.current;
    loader.current().then(
      (answer) => {
        if (turn !== latest.current) return;
        setData(answer);
        setProblem(null);
      },
      (error: unknown) => {
        if (turn === latest.current) setProblem(asApiError(error));
      },
    );
  }, []);
  useEffect(() => {
    reload();
    const timer = everyMs === undefined ? undefined : setInterval(reload, everyMs);
    return () => {
      clearInterval(timer);
      latest.current += 1;
    };
  }, [key, everyMs, reload]);
  return { data, problem, reload };
}

/** An act started by a button: busy while it runs, its problem afterwards. */
export interface Act {
  busy: boolean;
  problem: ApiError | null;
  run: (act: () => Promise<void>) => void;
  clear: () => void;
}

export function useAct(): Act {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  const run = useCallback((act: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    act()
      .catch((error: unknown) => alive.current && setProblem(asApiError(error)))
      .finally(() => alive.current && setBusy(false));
  }, []);
  const clear = useCallback(() => setProblem(null), []);
  return { busy, problem, run, clear };
}

/** A number that grows every `everyMs`, to redraw "since 5 s" texts. */
export function useTick(everyMs: number): number {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((old) => old + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return tick;
}

/** True while the element is on the screen, or within 200 pixels of it. */
export function useVisible(element: { current: Element | null }): boolean {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    const observer = new IntersectionObserver((entries) => setVisible(entries.some((entry) => entry.isIntersecting)), {
      rootMargin: "200px",
    });
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return visible;
}

/** The width of an element in pixels, 0 until it is there. */
export function useWidth(element: { current: Element | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    const observer = new ResizeObserver(() => setWidth(target.clientWidth));
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

/** For a dialog that is open, before everything else on the page, as long as it is drawn. */
export function useModal(): RefObject<HTMLDialogElement> {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (element !== null && !element.open) element.showModal();
    return () => element?.close();
  }, []);
  return dialog;
}

/** A choice that this browser remembers. */
export function useRemembered<T extends string>(key: string, values: readonly T[], fallback: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    const stored = localStorage.getItem(`watchbook.${key}`);
    return values.find((known) => known === stored) ?? fallback;
  });
  const change = useCallback(
    (next: T) => {
      localStorage.setItem(`watchbook.${key}`, next);
      setValue(next);
    },
    [key],
  );
  return [value, change];
}

/** Sets the tab's title while the page shows. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Watchbook`;
  }, [title]);
}
