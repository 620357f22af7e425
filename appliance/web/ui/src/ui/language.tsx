import { LOCALES, locale, setLocale } from "../i18n";

/** Each language in its own words, so that nobody needs to read another to find theirs. */
export function LanguageChoice() {
  return (
    <div class="segmented" role="group" aria-label="Language · ភាសា">
      {LOCALES.map(({ id, name }) => (
        <button type="button" key={id} lang={id} aria-pressed={locale.value === id} onClick={() => setLocale(id)}>
          {name}
        </button>
      ))}
    </div>
  );
}
