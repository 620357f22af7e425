/** Small parts that every page uses: problems, empty lists, fields, times. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import type { ApiError } from "../api";
import { t } from "../i18n";
import { problemText } from "./problem-words";
import { useModal } from "../lib/hooks";
import { clockText, dateTimeText, utcText, zoneText } from "../lib/time";
import { Icon } from "./icon";

/** What went wrong and what to do next. Announced to screen readers. */
export function Problem({ problem, retry }: { problem: ApiError | null; retry?: () => void }) {
  const note = useRef<HTMLDivElement>(null);
  useEffect(() => note.current?.scrollIntoView({ block: "nearest" }), [problem]);
  if (problem === null) return null;
  const { title, next, details } = problemText(problem);
  return (
    <div ref={note} class="note note-bad" role="alert">
      <Icon name="warn" />
      <div>
        <p>{title}</p>
        <p class="note-next">{next}</p>
        {details.map((line) => (
          <p key={line} lang="en" class="hint">
            {line}
          </p>
        ))}
        {retry !== undefined && (
          <button type="button" class="small" onClick={retry}>
            {t("again")}
          </button>
        )}
      </div>
    </div>
  );
}

export function Note({ kind, children }: { kind: "info" | "good" | "warn" | "bad"; children: ComponentChildren }) {
  return (
    <div class={`note note-${kind}`} role="status">
      <Icon name={kind === "good" ? "ok" : kind === "info" ? "info" : "warn"} />
      <div>{children}</div>
    </div>
  );
}

/** An empty list says why it is empty and what to do. */
export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Loading() {
  return (
    <p class="loading" role="status">
      {t("loading")}
    </p>
  );
}

interface FieldProps {
  label: string;
  hint?: string | undefined;
  error?: string | null | undefined;
  children: (ids: { id: string; describedBy: string | undefined }) => ComponentChildren;
}

/** A label, its control, a hint and the error of this field. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const hintId = `${id}-hint`;
  const described = hint !== undefined || (error ?? null) !== null;
  return (
    <div class={error ? "field field-bad" : "field"}>
      <label for={id}>{label}</label>
      {children({ id, describedBy: described ? hintId : undefined })}
      {described && (
        <p class="hint" id={hintId}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps {
  label: string;
  value: string;
  change: (value: string) => void;
  type?: "text" | "password" | "number" | "search" | "url";
  hint?: string;
  error?: string | null;
  required?: boolean;
  autocomplete?: string;
  focus?: boolean;
  min?: number;
  max?: number;
  step?: number | "any";
  maxLength?: number;
  placeholder?: string;
}

export function TextField({ label, value, change, type = "text", hint, error, autocomplete = "off", focus = false, ...rest }: TextFieldProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (focus) input.current?.focus();
  }, [focus]);
  return (
    <Field label={label} hint={hint} error={error}>
      {({ id, describedBy }) => (
        <input
          {...rest}
          id={id}
          ref={input}
          type={type === "url" ? "text" : type}
          inputMode={type === "url" ? "url" : undefined}
          spellcheck={false}
          autocapitalize="none"
          value={value}
          autocomplete={autocomplete}
          aria-describedby={describedBy}
          aria-invalid={error ? true : undefined}
          onInput={(event) => change(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface CheckProps {
  label: ComponentChildren;
  checked: boolean;
  change: (checked: boolean) => void;
  hint?: string | undefined;
  disabled?: boolean;
}

export function Check({ label, checked, change, hint, disabled = false }: CheckProps) {
  const id = useId();
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => change(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface SelectProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; text: string }[];
  change: (value: T) => void;
  hint?: string;
}

export function Select<T extends string>({ label, value, options, change, hint }: SelectProps<T>) {
  return (
    <Field label={label} hint={hint}>
      {({ id, describedBy }) => (
        <select id={id} value={value} aria-describedby={describedBy} onChange={(event) => change(event.currentTarget.value as T)}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** A moment in local time; UTC and the zone in the tooltip. */
export function Moment({ ms, only }: { ms: number; only?: "time" }) {
  return (
    <time dateTime={new Date(ms).toISOString()} title={`${utcText(ms)} (${t("time.local")} ${zoneText(ms)})`}>
      {only === "time" ? clockText(ms) : dateTimeText(ms)}
    </time>
  );
}

interface ConfirmProps {
  title: string;
  children: ComponentChildren;
  action: string;
  busy: boolean;
  confirm: () => void;
  cancel: () => void;
}

/** Asks before something that cannot be taken back, and says what will happen. */
export function Confirm({ title, children, action, busy, confirm, cancel }: ConfirmProps) {
  const dialog = useModal();
  const titleId = useId();
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        cancel();
      }}
    >
      <h2 id={titleId}>{title}</h2>
      {children}
      <div class="row row-end">
        <button type="button" onClick={cancel}>
          {t("cancel")}
        </button>
        <button type="button" class="danger" disabled={busy} onClick={confirm}>
          {action}
        </button>
      </div>
    </dialog>
  );
}
