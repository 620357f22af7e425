/** What stands on a camera's sign, in both languages at once: whoever passes it chooses none. The seven questions are those of DTPR (Digital Trust for Places and Routines, by
 * Helpful Places, CC BY 4.0); the words are our own. Pure. */

import type { Sign } from "../api/types";

export const SIGN_LOCALES = ["km", "en"] as const;
export type SignLocale = (typeof SIGN_LOCALES)[number];

/** In the order of the sign. */
export const QUESTIONS = ["purpose", "accountable", "technology", "data", "processing", "storage", "access"] as const;
export type Question = (typeof QUESTIONS)[number];

const EN = {
  title: "This place is watched by a camera",
  source: "The seven questions are those of DTPR (Digital Trust for Places and Routines, CC BY 4.0).",
  scan: "What this station does with its cameras, every month, counted from its log:",
  purpose: "What for?",
  accountable: "Who answers for it?",
  technology: "What is it?",
  data: "What does it take?",
  processing: "What is done with it?",
  storage: "Where is it kept, and how long?",
  access: "Who sees it, and how do I get mine?",
  "technology.fixed": "A video camera ({name}).",
  "technology.turns": "A video camera ({name}) that can be turned and zoomed from the station.",
  "technology.plugged": "It is connected to the recorder itself.",
  "technology.network": "It is connected to the recorder by the station's own network.",
  "data.picture": "Moving pictures, day and night.",
  "data.sound": "Sound, too: {purpose}",
  "data.no_sound": "No sound.",
  "data.masks.none": "No part of the picture is hidden.",
  "data.masks": "Parts of the picture that are hidden from every program: {count}.",
  "data.masks.record": "Parts of the picture that are hidden, also in the record: {count}.",
  "processing.none": "It is recorded. No program looks at the pictures.",
  "processing.some": "It is recorded. Programs that look at the pictures:",
  "processing.no_faces": "No faces are recognised, and nobody is followed by name.",
  "storage.where": "In the station, encrypted. It is made unreadable after {days} days at the latest, unless it is kept for a case.",
  "access.who": "On duty: live pictures. Recorded pictures: named investigators alone, inside a case that another person has opened, or in an emergency of half an hour, which is reviewed. Copies leave only when a second person releases them. Each look is written into a log, and who changes that later is found out.",
  "access.own": "If you may be in the pictures, ask for yours: {contact}. You are answered within {days} days.",
};
type Word = keyof typeof EN;

const KM: Record<Word, string> = {
  title: "ទីនេះមានកាមេរ៉ាថត",
  source: "សំណួរទាំងប្រាំពីរជារបស់ DTPR (Digital Trust for Places and Routines, CC BY 4.0)។",
  scan: "អ្វីដែលស្ថានីយនេះធ្វើជាមួយកាមេរ៉ារបស់ខ្លួន រៀងរាល់ខែ រាប់ពីកំណត់ហេតុរបស់វា៖",
  purpose: "សម្រាប់អ្វី?",
  accountable: "នរណាទទួលខុសត្រូវ?",
  technology: "វាជាអ្វី?",
  data: "វាថតអ្វីខ្លះ?",
  processing: "គេធ្វើអ្វីជាមួយវា?",
  storage: "រក្សាទុកនៅឯណា និងប៉ុន្មានថ្ងៃ?",
  access: "នរណាអាចមើល ហើយខ្ញុំសុំរូបភាពខ្ញុំដោយរបៀបណា?",
  "technology.fixed": "កាមេរ៉ាវីដេអូ ({name})។",
  "technology.turns": "កាមេរ៉ាវីដេអូ ({name}) ដែលអាចបង្វិល និងពង្រីកពីស្ថានីយ។",
  "technology.plugged": "វាភ្ជាប់ផ្ទាល់ទៅម៉ាស៊ីនថត។",
  "technology.network": "វាភ្ជាប់ទៅម៉ាស៊ីនថតតាមបណ្តាញរបស់ស្ថានីយ។",
  "data.picture": "រូបភាពមានចលនា ទាំងយប់ទាំងថ្ងៃ។",
  "data.sound": "សំឡេងផងដែរ៖ {purpose}",
  "data.no_sound": "គ្មានសំឡេង។",
  "data.masks.none": "គ្មានផ្នែកណាមួយនៃរូបភាពត្រូវបានបាំងទេ។",
  "data.masks": "ផ្នែកនៃរូបភាពដែលបាំងពីកម្មវិធីទាំងអស់៖ {count}។",
  "data.masks.record": "ផ្នែកនៃរូបភាពដែលបាំង ទាំងក្នុងការថតផង៖ {count}។",
  "processing.none": "វាត្រូវបានថតទុក។ គ្មានកម្មវិធីណាមើលរូបភាពទេ។",
  "processing.some": "វាត្រូវបានថតទុក។ កម្មវិធីដែលមើលរូបភាព៖",
  "processing.no_faces": "គ្មានការសម្គាល់មុខ ហើយគ្មាននរណាត្រូវបានតាមដានតាមឈ្មោះទេ។",
  "storage.where": "ក្នុងស្ថានីយ ដោយមានការអ៊ិនគ្រីប។ វាត្រូវបានធ្វើឱ្យអានមិនបានយ៉ាងយូរក្រោយ {days} ថ្ងៃ លើកលែងតែរក្សាទុកសម្រាប់សំណុំរឿង។",
  "access.who": "អ្នកប្រចាំការ៖ រូបភាពផ្ទាល់។ រូបភាពដែលថតទុក៖ មានតែអ្នកស៊ើបអង្កេតដែលមានឈ្មោះ ក្នុងសំណុំរឿងដែលមនុស្សផ្សេងបានបើក ឬក្នុងគ្រាអាសន្នកន្លះម៉ោង ដែលត្រូវបានពិនិត្យ។ ច្បាប់ចម្លងចេញបានតែពេលមនុស្សទីពីរអនុញ្ញាត។ ការមើលនីមួយៗត្រូវកត់ក្នុងកំណត់ហេតុ ហើយការកែវាក្រោយមកត្រូវបានរកឃើញ។",
  "access.own": "បើអ្នកអាចមានក្នុងរូបភាព សូមសុំរូបភាពរបស់អ្នក៖ {contact}។ អ្នកនឹងទទួលចម្លើយក្នុងរយៈពេល {days} ថ្ងៃ។",
};

const WORDS: Record<SignLocale, Record<Word, string>> = { en: EN, km: KM };

/** A text of the sign. What somebody typed into a record is filled in as it is, once. */
export function signText(locale: SignLocale, word: Word, values: Record<string, string | number> = {}): string {
  return WORDS[locale][word].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The answer to one question, in sentences; never empty. */
export function answerOf(locale: SignLocale, question: Question, sign: Sign): string[] {
  const say = (word: Word, values: Record<string, string | number> = {}) => signText(locale, word, values);
  switch (question) {
    case "purpose":
      return [sign.purpose];
    case "accountable":
      return [sign.station, sign.accountable ?? sign.contact];
    case "technology":
      return [say(sign.turns ? "technology.turns" : "technology.fixed", { name: sign.name }), say(sign.plugged_in ? "technology.plugged" : "technology.network")];
    case "data": {
      const masks = sign.masks === 0 ? say("data.masks.none") : say(sign.masks_in_record ? "data.masks.record" : "data.masks", { count: sign.masks });
      return [say("data.picture"), sign.audio_purpose === null ? say("data.no_sound") : say("data.sound", { purpose: sign.audio_purpose }), masks];
    }
    case "processing": {
      const programs = sign.plugins.map((each) => `${each.id} (${each.purpose}): ${each.summary}`);
      return [say(programs.length === 0 ? "processing.none" : "processing.some"), ...programs, say("processing.no_faces")];
    }
    case "storage":
      return [say("storage.where", { days: sign.retention_days_max })];
    case "access":
      return [say("access.who"), say("access.own", { contact: sign.contact, days: sign.answer_days })];
  }
}

/** Nobody else reaches such an address. */
export function isLocal(address: string): boolean {
  const host = URL.canParse(address) ? new URL(address).hostname : "";
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}
