/** What the whole page knows: who is signed in, what the recorder says of itself, and the cameras with their states. */

import { signal } from "@preact/signals";
import { ApiError, api, type Camera, type Session, type Status } from "../api";
import { whenSignedOut } from "../api/client";
import { t } from "../i18n";

export const status = signal<Status | null>(null);
export const session = signal<Session | null>(null);
/** Why the page cannot start, if so. */
export const startProblem = signal<ApiError | null>(null);
/** `true` once the first answers are in. */
export const started = signal(false);

export const cameras = signal<Camera[] | null>(null);
export const camerasProblem = signal<ApiError | null>(null);

/** A camera's name; its number where it is not among the account's any more. */
export function cameraName(id: number): string {
  return cameras.value?.find((camera) => camera.id === id)?.name ?? t("audit.camera", { id });
}

/** How far this browser's clock is ahead of the recorder's, in milliseconds. Live and "now" follow the recorder. */
let clockAheadMs = 0;

/** The recorder's idea of now. */
export function nowMs(): number {
  return Date.now() - clockAheadMs;
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(-1, message, message, null);
}

/** Asks who the recorder is and who is signed in. */
export async function start(): Promise<void> {
  whenSignedOut(() => {
    session.value = null;
    cameras.value = null;
  });
  try {
    const answer = await api.status();
    clockAheadMs = Date.now() - answer.now_utc_ms;
    status.value = answer;
    startProblem.value = null;
    if (answer.claimed) {
      await api.session().then(
        (found) => {
          session.value = found;
        },
        (error: unknown) => {
          const problem = asApiError(error);
          if (problem.status !== 401) throw problem;
        },
      );
    }
  } catch (error) {
    startProblem.value = asApiError(error);
  }
  started.value = true;
}

/** Reads the cameras again; keeps the old list when that fails, and says so. */
export async function loadCameras(): Promise<void> {
  try {
    cameras.value = await api.cameras();
    camerasProblem.value = null;
  } catch (error) {
    camerasProblem.value = asApiError(error);
  }
}

/** How often the camera list and its states are read while somebody is signed in. */
const CAMERAS_EVERY_MS = 3_000;

/** Keeps [`cameras`] fresh. Returns the end of it. */
export function followCameras(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  const round = async () => {
    if (!document.hidden && session.value !== null) await loadCameras();
    if (!stopped) timer = setTimeout(() => void round(), CAMERAS_EVERY_MS);
  };
  void round();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
