/** The one way to the recorder's API: adds the request header that guards against forged requests and turns problems into [`ApiError`]. */

import { t } from "../i18n";

/** A refused or failed request: a sentence on what happened and, where known, what to do next (RFC 9457 with `next_step`). */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when the recorder could not be reached. */
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly nextStep: string | null,
    /** In one word, as in `denied`; empty when the answer had none. */
    readonly code: string = "",
  ) {
    super(detail || title);
  }
}

/** Called when the recorder says that nobody is signed in. */
let onSignedOut: () => void = () => {};

export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function codeOf(type: unknown): string {
  const prefix = "urn:watchbook:problem:";
  return typeof type === "string" && type.startsWith(prefix) ? type.slice(prefix.length) : "";
}

/** Reads a problem+json body; any other body becomes a plain sentence with the status. */
export async function problemOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  const fields = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const title = text(fields["title"]) ?? t("error.status", { status: response.status });
  return new ApiError(response.status, title, text(fields["detail"]) ?? title, text(fields["next_step"]), codeOf(fields["type"]));
}

function unreachable(): ApiError {
  return new ApiError(0, t("error.unreachable"), t("error.unreachable"), t("error.unreachable.next"));
}

/** `fetch` that throws [`ApiError`] for everything but success. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401) onSignedOut();
  throw problem;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One JSON request. An empty answer gives `undefined`. */
export async function call<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["X-Watchbook"] = "1";
  const init: RequestInit = { method, headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  if (signal) init.signal = signal;
  const response = await send(`/api/v1${path}`, init);
  const content = await response.text();
  return (content === "" ? undefined : JSON.parse(content)) as T;
}

/** Sends a file and tells which share of it has been sent. `fetch` cannot tell. */
export function upload<T>(path: string, file: Blob, told: (share: number) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1${path}`);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-Watchbook", "1");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && event.total > 0 && told(event.loaded / event.total);
    request.onerror = () => reject(unreachable());
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(JSON.parse(request.responseText) as T);
        return;
      }
      if (request.status === 401) onSignedOut();
      problemOf(new Response(request.responseText, { status: request.status })).then(reject, reject);
    };
    request.send(file);
  });
}

/** A query string from the pairs that have a value. */
export function query(pairs: Record<string, string | number | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(pairs)) {
    if (value !== null && value !== undefined) search.set(key, String(value));
  }
  const out = search.toString();
  return out === "" ? "" : `?${out}`;
}
