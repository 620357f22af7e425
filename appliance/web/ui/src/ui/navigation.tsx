/** The head's list of pages: groups that open on a wide screen, one button for all of them on a narrow one. Plain lists of links; arrow keys, Home, End and Escape work in them. */

import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import type { Entry, Group } from "../lib/nav";
import type { PageName } from "../lib/router";
import { Icon } from "./icon";

interface Props {
  groups: readonly Group[];
  /** The page that is open, or the one that it belongs to. */
  lit: PageName;
}

/** As in the style sheet. */
const NARROW = "(max-width: 60rem)";
/** What is open on a narrow screen. */
const MENU = "menu";

export function Navigation({ groups, lit }: Props) {
  const nav = useRef<HTMLElement>(null);
  const narrow = useNarrow();
  const [open, setOpen] = useState<string | null>(null);
  const close = () => setOpen(null);
  useEffect(close, [lit, narrow]);
  useLeft(nav, open !== null, close);

  const follow = (event: MouseEvent) => {
    if (!(event.target instanceof Element) || event.target.closest("a") === null || open === null) return;
    // The link is gone in a moment: the focus goes to what it came from.
    opener(nav.current)?.focus();
    close();
  };
  const key = (event: KeyboardEvent) => {
    if (nav.current !== null && moved(event, nav.current, close)) event.preventDefault();
  };
  const flip = (id: string) => setOpen((old) => (old === id ? null : id));
  return (
    <nav ref={nav} class={narrow ? "nav nav-narrow" : "nav"} aria-label={t("nav.label")} onKeyDown={key} onClick={follow}>
      {narrow ? <Menu groups={groups} lit={lit} open={open === MENU} flip={() => flip(MENU)} /> : <Row groups={groups} lit={lit} open={open} flip={flip} />}
    </nav>
  );
}

function Row({ groups, lit, open, flip }: Props & { open: string | null; flip: (id: string) => void }) {
  return (
    <>
      {groups.map(({ id, entries }) =>
        id === null ? (
          entries.map((entry) => <Page key={entry.page} entry={entry} lit={lit} top />)
        ) : (
          <div key={id} class="nav-group">
            <button type="button" data-top aria-expanded={open === id} aria-controls={`nav-${id}`} data-lit={entries.some(({ page }) => page === lit)} onClick={() => flip(id)}>
              {t(`nav.group.${id}`)} <Icon name="down" />
            </button>
            <Pages entries={entries} lit={lit} id={`nav-${id}`} hidden={open !== id} />
          </div>
        ),
      )}
    </>
  );
}

function Menu({ groups, lit, open, flip }: Props & { open: boolean; flip: () => void }) {
  const here = groups.flatMap(({ entries }) => entries).find(({ page }) => page === lit);
  return (
    <>
      <button type="button" data-top aria-expanded={open} aria-controls="nav-menu" aria-label={here === undefined ? t("nav.menu") : `${t("nav.menu")}: ${t(here.text)}`} onClick={flip}>
        <Icon name={open ? "close" : "menu"} /> <span>{t(here?.text ?? "nav.menu")}</span>
      </button>
      <div id="nav-menu" hidden={!open}>
        {groups.map(({ id, entries }) => (
          <div key={id ?? entries[0]?.page} class="nav-part">
            {id !== null && <p id={`nav-${id}-name`}>{t(`nav.group.${id}`)}</p>}
            <Pages entries={entries} lit={lit} aria-labelledby={id === null ? undefined : `nav-${id}-name`} />
          </div>
        ))}
      </div>
    </>
  );
}

function Pages({ entries, lit, ...list }: { entries: readonly Entry[]; lit: PageName; id?: string; hidden?: boolean; "aria-labelledby"?: string | undefined }) {
  return (
    <ul {...list}>
      {entries.map((entry) => (
        <li key={entry.page}>
          <Page entry={entry} lit={lit} />
        </li>
      ))}
    </ul>
  );
}

function Page({ entry, lit, top = false }: { entry: Entry; lit: PageName; top?: boolean }) {
  return (
    <a href={entry.hash} data-top={top ? "" : undefined} aria-current={lit === entry.page ? "page" : undefined}>
      {t(entry.text)}
    </a>
  );
}

/** The button whose list is open. */
function opener(nav: HTMLElement | null): HTMLElement | null {
  return nav?.querySelector<HTMLElement>('[aria-expanded="true"]') ?? null;
}

/** Moves the focus as this key says; `false`: it says nothing here. */
function moved(event: KeyboardEvent, nav: HTMLElement, close: () => void): boolean {
  // With one of these held it is the browser's: Back, Forward.
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return false;
  const here = document.activeElement;
  const button = opener(nav);
  const links = [...nav.querySelectorAll<HTMLElement>("a:not([data-top])")].filter((each) => each.checkVisibility());
  const tops = [...nav.querySelectorAll<HTMLElement>("[data-top]")];
  const inList = links.findIndex((each) => each === here);
  const top = tops.findIndex((each) => each === (inList >= 0 ? button : here));
  const to = (list: readonly HTMLElement[], index: number) => (list.at(index % Math.max(1, list.length))?.focus(), true);
  switch (event.key) {
    case "Escape":
      if (button === null) return false;
      button.focus();
      close();
      return true;
    case "ArrowDown":
    case "ArrowUp": {
      const down = event.key === "ArrowDown";
      if (inList >= 0) return to(links, inList + (down ? 1 : -1));
      if (!(here instanceof HTMLElement) || here.getAttribute("aria-expanded") === null) return false;
      if (here === button) return to(links, down ? 0 : -1);
      here.click();
      // Once it is drawn.
      requestAnimationFrame(() => [...(document.getElementById(here.getAttribute("aria-controls") ?? "")?.querySelectorAll("a") ?? [])].at(down ? 0 : -1)?.focus());
      return true;
    }
    case "ArrowLeft":
    case "ArrowRight":
      if (top < 0 || tops.length < 2) return false;
      close();
      return to(tops, top + (event.key === "ArrowRight" ? 1 : -1));
    case "Home":
    case "End":
      return to(inList >= 0 ? links : tops, event.key === "Home" ? 0 : -1);
    default:
      return false;
  }
}

/** What is open closes when the focus or the pointer goes elsewhere. */
function useLeft(nav: { current: HTMLElement | null }, isOpen: boolean, close: () => void): void {
  useEffect(() => {
    if (!isOpen) return;
    const away = (event: Event) => {
      if (event.target instanceof Node && opener(nav.current)?.parentElement?.contains(event.target) === false) close();
    };
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("focusin", away);
    };
  }, [isOpen]);
}

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia(NARROW).matches);
  useEffect(() => {
    const media = matchMedia(NARROW);
    const change = () => setNarrow(media.matches);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, []);
  return narrow;
}
