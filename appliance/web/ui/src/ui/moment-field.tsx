/** A moment that may be left open, typed in local time. */

import { fromInput, toInput } from "../lib/time";
import { Field } from "./parts";

interface MomentFieldProps {
  label: string;
  /** UTC in milliseconds; `null`: none is typed. */
  ms: number | null;
  change: (ms: number | null) => void;
}

export function MomentField({ label, ms, change }: MomentFieldProps) {
  return (
    <Field label={label}>
      {({ id }) => <input id={id} type="datetime-local" step={1} value={ms === null ? "" : toInput(ms)} onChange={(event) => change(fromInput(event.currentTarget.value))} />}
    </Field>
  );
}
