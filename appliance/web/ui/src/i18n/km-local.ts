import { firstWords } from "./km-first";
import { eventsWords } from "./km-events";
import { transcodeWords } from "./km-transcode";
import { wallWords } from "./km-wall";
import type { localWords as english } from "./en-local";

/** Khmer, for cameras that are plugged into the recorder. */
export const localWords: Record<keyof typeof english, string> = {
  ...firstWords,
  ...eventsWords,
  ...transcodeWords,
  ...wallWords,
  "local.title": "កាមេរ៉ាដែលដោតនឹងម៉ាស៊ីនថតនេះ",
  "local.what": "កាមេរ៉ា USB និងកាតចាប់រូបភាព។ កាមេរ៉ានីមួយៗត្រូវបានស្គាល់តាមលេខស៊េរី ឬតាមរន្ធដែលវាដោត។",
  "local.look": "បង្ហាញ",
  "local.looking": "កំពុងរកមើល…",
  "local.none": "គ្មានកាមេរ៉ាដោតនឹងម៉ាស៊ីនថតនេះទេ។ សូមដោតមួយ រួចរកមើលម្ដងទៀត។",
  "local.place": "{bus} · ឥឡូវ {node}",
  "local.offers": "មាន {formats}",
  "local.stream": "ទម្រង់ ទំហំ និងចំនួនរូបភាពក្នុងមួយវិនាទី",
  "local.encoded": "ត្រូវបានបង្រួមនៅទីនេះ ដែលប្រើពេលរបស់អង្គដំណើរការ",
  "local.encoder": "បង្រួមនៅទីនេះដោយ",
  "local.encoder.cost": "{name} · {seconds} វិនាទីនៃពេលអង្គដំណើរការក្នុងមួយនាទី",
  "local.permanent": "របាំងខ្មៅក្នុងវីដេអូដែលថតដែរ",
  "local.permanent.hint": "ជារៀងរហូត៖ អ្វីក្រោមរបាំងមិនត្រូវបានថតឡើយ។ សូមគូររបាំងបន្ទាប់ពីបន្ថែមកាមេរ៉ា។",
  "local.chosen": "ឈ្មោះ និងអាសយដ្ឋានរបស់វាត្រូវបានបំពេញខាងក្រោម។",
};
