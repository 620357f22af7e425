import { caseWords } from "./km-case";
import { deviceWords } from "./km-device";
import type { findWords as english } from "./en-find";
import { impairedWords } from "./km-impaired";
import { exportWords } from "./km-export";
import { factorWords } from "./km-factor";
import { settingsWords } from "./km-settings";
import { jpegWords } from "./km-jpeg";
import { logWords } from "./km-log";
import { redactWords } from "./km-redact";
import { reportWords } from "./km-report";
import { sceneWords } from "./km-scene";
import { subjectWords } from "./km-subject";

/** Khmer, for finding cameras on the network. */
export const findWords: Record<keyof typeof english, string> = {
  ...caseWords,
  ...deviceWords,
  ...exportWords,
  ...factorWords,
  ...settingsWords,
  ...impairedWords,
  ...jpegWords,
  ...logWords,
  ...redactWords,
  ...reportWords,
  ...sceneWords,
  ...subjectWords,
  "find.title": "ស្វែងរកកាមេរ៉ា",
  "find.what": "កាមេរ៉ាដែលប្រើ ONVIF អាចប្រាប់ថាវាជាអ្វី និងស្ទ្រីមរបស់វានៅទីណា។ បើមិនដូច្នេះទេ សូមបញ្ចូលអាសយដ្ឋាននៅខាងក្រោម។",
  "find.search": "ស្វែងរកក្នុងបណ្ដាញ",
  "find.searching": "កំពុងស្វែងរក…",
  "find.search.hint": "ប្រើពេល ៤ វិនាទី។",
  "find.none": "គ្មានកាមេរ៉ាណាឆ្លើយទេ។ សូមបើក ONVIF និងការរកឃើញនៅក្នុងការកំណត់របស់កាមេរ៉ា ពិនិត្យថាវានៅក្នុងបណ្ដាញតែមួយជាមួយម៉ាស៊ីនថតនេះ ឬបញ្ចូលអាសយដ្ឋានរបស់វា។",
  "find.count": "កាមេរ៉ា {count} បានឆ្លើយ។",
  "find.search_list": "ស្វែងរកកាមេរ៉ាដែលរកឃើញ",
  "find.recorded": "បានបន្ថែមរួចហើយ",
  "find.address": "អាសយដ្ឋានរបស់កាមេរ៉ា",
  "find.address.hint": "អាសយដ្ឋានបណ្ដាញរបស់វា ជាមួយលេខច្រក បើមិនមែន 80; បើមាន https:// នៅខាងមុខ កាមេរ៉ាត្រូវបានសួរដោយអ៊ិនគ្រីប។",
  "find.password.hint": "គណនីដែលកាមេរ៉ាអនុញ្ញាត ONVIF។ សម្រាប់សំណួរនេះ កាមេរ៉ាទទួលបានតែឌីជេស្ត មិនមែនពាក្យសម្ងាត់ទេ។",
  "find.ask": "សួរកាមេរ៉ា",
  "find.asking": "កំពុងសួរ…",
  "find.device": "កម្មវិធីបង្កប់ {firmware} · លេខស៊េរី {serial} · {macs}",
  "find.clock": "នាឡិការបស់កាមេរ៉ាខុស {seconds} វិនាទី។ វីដេអូមានម៉ោងរបស់ម៉ាស៊ីនថតនេះ។ សូមកំណត់នាឡិការបស់កាមេរ៉ា ដើម្បីឱ្យម៉ោងក្នុងរូបភាពត្រឹមត្រូវដែរ។",
  "find.no_stream": "កាមេរ៉ាមិនមានស្ទ្រីម H.264 ឬ H.265 ទេ។ សូមបើកវាក្នុងការកំណត់របស់កាមេរ៉ា រួចសួរម្ដងទៀត។",
  "find.main": "ស្ទ្រីមដែលត្រូវថត",
  "find.sub": "ស្ទ្រីមសម្រាប់រូបភាពតូច និងកម្មវិធីជំនួយ",
  "find.main.hint": "រូបភាពធំជាងគេត្រូវបានថត។",
  "find.no_sub": "គ្មាន",
  "find.next": "អាសយដ្ឋានត្រូវបានបំពេញខាងក្រោម។ សូមសាកល្បង កំណត់រយៈពេលរក្សាទុក រួចបន្ថែមកាមេរ៉ា។",
};
