// The plugin contract 0.1 (sdk/wit/0.1) as componentize-qjs shows it to JavaScript. Its comments there say every unit and limit.
//
// A u64 is a number: a time in nanoseconds is exact to 256 ns. An option that is none is null. A variant is { tag, val }. A name in the contract with hyphens is
// in camelCase here. To fail, throw a Fault.

declare module "watchbook:plugin/types" {
  /** A rectangle in 1/65,536 of the picture's width and height; 65,535 from 0 is the whole side. */
  export interface Area { x: number; y: number; w: number; h: number }
  export interface Detection {
    /** `motion`, `person`, `vehicle`, ... */
    class: string;
    /** 0 to 1. */
    score: number;
    box: Area;
    track: number | null;
  }
  export interface Mark {
    /** One of the words in the manifest's `emits` list. */
    kind: string;
    /** 0 to 1. */
    score: number;
    startUtcNs: number;
    endUtcNs: number | null;
    zone: string | null;
    /** At most 64. */
    detections: Detection[];
    /** Plain words for people, at most 1,024 bytes. */
    note: string;
  }
  export type Fault =
    | { tag: "config"; val: string }
    | { tag: "unsupported"; val: string }
    | { tag: "internal"; val: string };
}

declare module "watchbook:plugin/about" {
  export interface About {
    /** Must agree with plugin.toml. */
    describe(): { id: string; version: string; api: string };
  }
}

declare module "watchbook:plugin/rule" {
  import type { Mark } from "watchbook:plugin/types";
  export interface Occurrence { source: string; mark: Mark }
  export interface LocalTime {
    year: number;
    month: number;
    day: number;
    hour: number;
    minute: number;
    second: number;
    /** 0 Monday to 6 Sunday. */
    weekday: number;
    utcOffsetMin: number;
    zone: string;
  }
  export interface Situation {
    camera: string;
    cameraName: string;
    event: Occurrence;
    /** Local time of the event's start. */
    local: LocalTime;
    /** Numbers of the open cases that camera and time belong to. */
    cases: string[];
    /** Earlier events of the camera, newest first, at most 64, without their detections. */
    recent: Occurrence[];
  }
  export interface Clip {
    camera: string;
    fromUtcNs: number;
    /** At most one hour after fromUtcNs; may lie ahead. */
    toUtcNs: number;
    redaction: string;
    caseNumber: string;
    approvals: number;
  }
  export type Proposal =
    | { tag: "export-clip"; val: Clip }
    | { tag: "tag"; val: string }
    | { tag: "notify"; val: string }
    | { tag: "hold"; val: Clip };
  export interface Verdict {
    what: Proposal;
    /** Goes into the audit log word for word. 1 to 1,024 bytes. */
    reason: string;
  }
  export interface Rule {
    configure(settingsJson: string): void;
    evaluate(situation: Situation): Verdict[];
  }
}

declare module "watchbook:plugin/log@0.1.0" {
  export function write(level: "trace" | "debug" | "info" | "warn" | "error", message: string): void;
}
