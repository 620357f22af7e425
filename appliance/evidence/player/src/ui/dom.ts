/** Elements, and words that change their language where they stand. */

import { type Key, type Lang, words } from "../i18n";

export type Params = Record<string, string | number>;
type Child = Node | string | null | false;

/** Rows of a list that are drawn at once. */
const ROWS = 200;

let language: Lang = "en";
const spoken = new Map<Node, { key: Key; params: Params }>();
const labels = new Map<Element, { attribute: string; key: Key }[]>();

export function t(key: Key, params: Params = {}): string {
  return words[language][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** A piece of text in the language of the page, now and after a change. */
export function said(key: Key, params: Params = {}): HTMLElement {
  const element = document.createElement("span");
  spoken.set(element, { key, params });
  element.textContent = t(key, params);
  return element;
}

/** Says another thing in the place of what [`said`] gave. */
export function say(element: HTMLElement, key: Key, params: Params = {}): void {
  spoken.set(element, { key, params });
  element.textContent = t(key, params);
}

/** Sets an attribute for people, such as `aria-label`, in the language of the page. */
export function label<E extends Element>(element: E, attribute: string, key: Key): E {
  labels.set(element, [...(labels.get(element) ?? []).filter((one) => one.attribute !== attribute), { attribute, key }]);
  element.setAttribute(attribute, t(key));
  return element;
}

export function setLanguage(wanted: Lang): void {
  language = wanted;
  document.documentElement.lang = wanted;
  for (const [element, { key, params }] of spoken) {
    if (element.isConnected) element.textContent = t(key, params);
    else spoken.delete(element);
  }
  for (const [element, all] of labels) {
    if (element.isConnected) for (const { attribute, key } of all) element.setAttribute(attribute, t(key));
    else labels.delete(element);
  }
}

type Props = { [name: string]: string | boolean | number | ((event: never) => void) };

/** An element; properties that begin with `on` are listeners. Text is always a text node, whatever it looks like. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null && child !== false) element.append(child);
  return element;
}

export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child) => child !== null && child !== false));
}

/** A list that grows when it is asked to. */
export function longList<T>(items: readonly T[], row: (item: T) => HTMLElement): HTMLElement {
  const list = h("ul", {});
  let shown = 0;
  const more = h("button", { type: "button", class: "link" });
  const grow = (): void => {
    for (const item of items.slice(shown, shown + ROWS)) list.append(row(item));
    shown = Math.min(items.length, shown + ROWS);
    more.hidden = shown >= items.length;
    fill(more, said("found.more", { count: items.length - shown }));
  };
  more.addEventListener("click", grow);
  grow();
  return h("div", {}, list, more);
}
