/** ខ្មែរ សម្រាប់ក្បាលទំព័រ៖ ទំព័រ និងក្រុមរបស់វា។ */
import type { navWords as english } from "./en-nav";

export const navWords: Record<keyof typeof english, string> = {
  "nav.label": "ទំព័រ",
  "nav.skip": "រំលងទៅខ្លឹមសារ",
  "nav.wall": "ផ្សាយផ្ទាល់",
  "nav.timeline": "បន្ទាត់ពេលវេលា",
  "nav.counts": "ការរាប់",
  "nav.proposals": "សំណើនាំចេញ",
  "nav.holds": "ការរក្សាទុក",
  "nav.cameras": "កាមេរ៉ា",
  "nav.plugins": "កម្មវិធីជំនួយ",
  "nav.people": "មនុស្ស",
  "nav.health": "សុខភាព",
  "nav.audit": "កំណត់ហេតុសវនកម្ម",
  "nav.sign_out": "ចាកចេញ",
  "nav.menu": "ទំព័រ",
  "nav.group.watch": "មើល",
  "nav.group.evidence": "ភស្តុតាង",
  "nav.group.station": "ស្ថានីយ",
  "nav.group.oversight": "ការត្រួតពិនិត្យ",
};
