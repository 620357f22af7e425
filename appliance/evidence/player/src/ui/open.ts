/** Where a person gives the folder and the keys. */

import { fill, h, label, said, say } from "./dom";
import { sizeText } from "./time";

/** A file and its path as the browser gives it; a folder within the folder has no file. */
export interface Chosen {
  path: string;
  file: File | null;
}

/** What was typed beside the bundle. */
export interface Typed {
  log: string;
  witness: string;
  quorum: string;
  known: string;
  consistency: string;
}

/** Entries of a folder that is dropped: a bundle has a thousand at most. */
const ENTRIES_MAX = 5000;

/** Everything in a dropped folder, one level deep: a bundle has no folders. */
async function entriesOf(entry: FileSystemEntry, into: Chosen[], path: string, depth: number): Promise<void> {
  if (into.length >= ENTRIES_MAX) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    into.push({ path: path + entry.name, file });
    return;
  }
  if (depth > 0) {
    into.push({ path: path + entry.name, file: null });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const one of some) await entriesOf(one, into, `${path}${entry.name}/`, depth + 1);
  }
}

export class OpenPanel {
  readonly element: HTMLElement;
  readonly #chosen = h("p", { class: "chosen", hidden: true });
  readonly #problem = h("p", { class: "problem", role: "alert", hidden: true });
  readonly #fields: Record<keyof Typed, HTMLTextAreaElement | HTMLInputElement>;

  constructor(choose: (chosen: Chosen[]) => void, check: () => void) {
    const area = (name: string, rows: number): HTMLTextAreaElement => h("textarea", { name, rows, spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
    this.#fields = {
      log: area("log", 2),
      witness: area("witness", 2),
      quorum: h("input", { name: "quorum", inputmode: "numeric", autocomplete: "off" }),
      known: area("known", 5),
      consistency: area("consistency", 3),
    };
    const input = (name: string, props: Record<string, boolean>): HTMLInputElement => {
      const element = h("input", { type: "file", name, multiple: true, class: "file", ...props });
      element.addEventListener("change", () => {
        choose(Array.from(element.files ?? [], (file) => ({ path: file.webkitRelativePath || file.name, file })));
        // The same files may be chosen again, when they were changed.
        element.value = "";
      });
      return element;
    };
    const drop = h(
      "div",
      { class: "drop" },
      h("p", { class: "big" }, said("open.drop")),
      h("label", { class: "button" }, input("folder", { webkitdirectory: true }), said("open.folder")),
      " ",
      h("label", { class: "button" }, input("files", {}), said("open.files")),
      this.#chosen,
    );
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      void this.#dropped(event.dataTransfer).then((chosen) => chosen.length > 0 && choose(chosen));
    });
    // Beside the field a dropped file would take the place of this page.
    for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
    const field = (key: Parameters<typeof said>[0], name: keyof Typed): HTMLElement => h("label", { class: "field" }, said(key), this.#fields[name]);
    const form = h(
      "form",
      { class: "keys" },
      field("key.log", "log"),
      h("details", {}, h("summary", {}, said("key.more")), field("key.witness", "witness"), field("key.quorum", "quorum"), field("key.known", "known"), field("key.consistency", "consistency")),
      this.#problem,
      h("button", { type: "submit" }, said("key.check")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      check();
    });
    this.element = h(
      "section",
      { class: "open" },
      h("div", {}, h("h2", {}, said("open.title")), h("p", {}, said("open.what")), drop),
      h("div", {}, h("h2", {}, said("key.title")), h("p", {}, said("key.what")), form),
    );
    label(this.element, "aria-label", "open.title");
  }

  async #dropped(data: DataTransfer | null): Promise<Chosen[]> {
    // Both lists are empty as soon as anything is waited for.
    const entries = Array.from(data?.items ?? [], (item) => item.webkitGetAsEntry?.() ?? null).filter((entry) => entry !== null);
    const files = Array.from(data?.files ?? [], (file) => ({ path: file.name, file }));
    if (entries.length === 0) return files;
    const chosen: Chosen[] = [];
    const isFolder = entries.length === 1 && entries[0]?.isDirectory === true;
    for (const entry of entries) await entriesOf(entry, chosen, "", isFolder ? 0 : 1);
    return chosen;
  }

  get typed(): Typed {
    const { log, witness, quorum, known, consistency } = this.#fields;
    return { log: log.value, witness: witness.value, quorum: quorum.value, known: known.value, consistency: consistency.value };
  }

  showChosen(chosen: readonly Chosen[]): void {
    const bytes = chosen.reduce((sum, { file }) => sum + (file?.size ?? 0), 0);
    this.#chosen.hidden = false;
    fill(this.#chosen, said("open.chosen", { count: chosen.length, size: sizeText(bytes) }));
  }

  /** Says why what was typed cannot be used; nothing takes it back. */
  showProblem(why: string | null): void {
    this.#problem.hidden = why === null;
    const text = h("span", {});
    say(text, "key.wrong", { why: why ?? "" });
    fill(this.#problem, text);
  }
}
