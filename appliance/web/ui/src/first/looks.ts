/** What is known of found cameras while the page is open, and never kept: accounts, pictures, problems. */

import type { FoundStream, StillPicture, TestProblem } from "../api/types";
import type { Login } from "./plan";

export interface Look {
  busy: boolean;
  /** Of this camera alone. */
  login: Login | null;
  problem: TestProblem | null;
  /** What else went wrong, as a sentence. */
  failed: string | null;
  picture: StillPicture | null;
  stream: FoundStream | null;
}

/** By the draft's key. */
export type Looks = Readonly<Record<string, Look>>;

export const NO_LOOK: Look = { busy: false, login: null, problem: null, failed: null, picture: null, stream: null };
