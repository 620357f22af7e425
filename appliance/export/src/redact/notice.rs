//! What lies beside a redacted copy for whoever gets it: that it is no evidence of what a picture shows, how it was made, and how it can be checked. In English and Khmer.

use crate::bundle::Maker;
use crate::certificate::{plain, time};
use crate::job::{FileRow, MissingRow, Order};
use watchbook_base::TimeRange;
use watchbook_evidence::bundle::Redaction;

/// Missing stretches that are listed; the others are counted.
const MISSING_MAX: usize = 200;

/// What the text is about.
pub struct Notice<'a> {
    /// Number of the export.
    pub export: u64,
    /// What was asked for.
    pub order: &'a Order,
    /// Who made it.
    pub maker: &'a Maker<'a>,
    /// How.
    pub redaction: &'a Redaction,
    /// The files of the copy.
    pub files: &'a [FileRow],
    /// What is there.
    pub delivered: Option<TimeRange>,
    /// What is missing.
    pub missing: &'a [MissingRow],
}

/// The words of one language.
struct Words {
    title: &'static str,
    what: &'static str,
    number: &'static str,
    case: &'static str,
    recorder: &'static str,
    software: &'static str,
    asked_by: &'static str,
    recipient: &'static str,
    camera: &'static str,
    requested: &'static str,
    delivered: &'static str,
    nothing: &'static str,
    to: &'static str,
    files: &'static str,
    bytes: &'static str,
    frames: &'static str,
    left_out: &'static str,
    regions: &'static str,
    everything_but: &'static str,
    master: &'static str,
    no_master: &'static str,
    missing: &'static str,
    complete: &'static str,
    more: &'static str,
    check: &'static str,
}

const ENGLISH: Words = Words {
    title: "REDACTED WORKING COPY",
    what: "This is not evidence of what was recorded. The stored footage was decoded, parts of every picture were filled with solid black, and the pictures were encoded anew.\n\
Nothing of the recorded samples, of the camera's metadata or of its sound is in it. Sound is left out altogether. Do not use it for analysis; ask for the master.",
    number: "Export",
    case: "Case",
    recorder: "Recorder (name of its log)",
    software: "Program, encoder",
    asked_by: "Asked for by",
    recipient: "For",
    camera: "Camera",
    requested: "Requested",
    delivered: "Delivered",
    nothing: "nothing is stored of the requested time",
    to: "to",
    files: "FILES",
    bytes: "bytes",
    frames: "Pictures",
    left_out: "Pictures that could not be decoded and are left out",
    regions: "Regions that are filled",
    everything_but: "Everything is filled but the regions, which are",
    master: "Master of the same time: SHA-256 of its manifest.json and of its file",
    no_master: "No master was named. The runs of footage that it was made of stand in manifest.json with their hashes, as the recorder's log has them.",
    missing: "MISSING TIME",
    complete: "Nothing of the requested time is missing. complete: true",
    more: "more; all of them are in manifest.json",
    check: "Check: watchbook-verify <this folder> --log <key of the recorder's log>\n\
The last line begins with REDACTED WORKING COPY, intact when the files are those that were released. It never says VERIFIED.",
};

const KHMER: Words = Words {
    title: "ច្បាប់ចម្លងសម្រាប់ធ្វើការ ដែលបានបិទបាំង",
    what: "នេះមិនមែនជាភស្តុតាងនៃអ្វីដែលបានថតទេ។ វីដេអូដែលរក្សាទុកត្រូវបានឌិកូដ ផ្នែកខ្លះនៃរូបភាពនីមួយៗត្រូវបានបំពេញពណ៌ខ្មៅ ហើយរូបភាពត្រូវបានអ៊ិនកូដឡើងវិញ។\n\
គ្មានទិន្នន័យដើម ព័ត៌មានបន្ថែមរបស់កាមេរ៉ា ឬសំឡេងនៅក្នុងនេះទេ។ សំឡេងត្រូវបានដកចេញទាំងអស់។ កុំប្រើវាសម្រាប់ការវិភាគ សូមស្នើសុំឯកសារដើម។",
    number: "លេខនាំចេញ",
    case: "លេខសំណុំរឿង",
    recorder: "ម៉ាស៊ីនថត (ឈ្មោះកំណត់ហេតុ)",
    software: "កម្មវិធី, កម្មវិធីអ៊ិនកូដ",
    asked_by: "ស្នើសុំដោយ",
    recipient: "សម្រាប់",
    camera: "កាមេរ៉ា",
    requested: "ពេលវេលាដែលបានស្នើ",
    delivered: "ពេលវេលាដែលបានផ្តល់",
    nothing: "គ្មានអ្វីត្រូវបានរក្សាទុកសម្រាប់ពេលវេលានេះទេ",
    to: "ដល់",
    files: "ឯកសារ",
    bytes: "បៃ",
    frames: "ចំនួនរូបភាព",
    left_out: "រូបភាពដែលមិនអាចឌិកូដបាន ហើយត្រូវបានទុកចោល",
    regions: "ចំនួនតំបន់ដែលបានបំពេញពណ៌ខ្មៅ",
    everything_but: "អ្វីៗទាំងអស់ត្រូវបានបំពេញពណ៌ខ្មៅ លើកលែងតែតំបន់ ចំនួន",
    master: "ឯកសារដើមនៃពេលវេលាដូចគ្នា៖ SHA-256 នៃ manifest.json និងនៃឯកសារវា",
    no_master: "មិនបានបញ្ជាក់ឯកសារដើមទេ។ ផ្នែកវីដេអូដែលប្រើបង្កើតវា មាននៅក្នុង manifest.json ជាមួយ hash ដូចក្នុងកំណត់ហេតុរបស់ម៉ាស៊ីនថត។",
    missing: "ពេលវេលាដែលបាត់",
    complete: "គ្មានពេលវេលាណាមួយដែលបានស្នើបាត់ទេ។ complete: true",
    more: "ទៀត; ទាំងអស់មាននៅក្នុង manifest.json",
    check: "ពិនិត្យ៖ watchbook-verify <ថតនេះ> --log <សោនៃកំណត់ហេតុរបស់ម៉ាស៊ីនថត>\n\
បន្ទាត់ចុងក្រោយចាប់ផ្តើមដោយ REDACTED WORKING COPY, intact នៅពេលឯកសារជាអ្វីដែលបានបញ្ចេញ។ វាមិនដែលនិយាយថា VERIFIED ទេ។",
};

impl Notice<'_> {
    /// The text in English.
    #[must_use]
    pub fn english(&self) -> String {
        self.text(&ENGLISH)
    }

    /// The text in Khmer.
    #[must_use]
    pub fn khmer(&self) -> String {
        self.text(&KHMER)
    }

    fn text(&self, words: &Words) -> String {
        let Self { order, redaction, .. } = self;
        let camera = order.cameras.first().map(|of| format!("{} ({})", of.camera, of.name)).unwrap_or_default();
        let between = |range: TimeRange| format!("{} {} {}", time(range.start), words.to, time(range.end));
        let what = if redaction.everything_but { words.everything_but } else { words.regions };
        let mut text = format!("{}\n\n{}\n\n", words.title, words.what);
        for (label, value) in [
            (words.number, self.export.to_string()),
            (words.case, order.case.clone()),
            (words.recorder, self.maker.origin.clone()),
            (words.software, format!("{}, {}", self.maker.software, redaction.encoder)),
            (words.asked_by, format!("{} ({})", order.account, order.account_name)),
            (words.recipient, order.recipient.clone()),
            (words.camera, camera),
            (words.requested, between(order.range)),
            (words.delivered, self.delivered.map_or(words.nothing.to_owned(), between)),
            (what, redaction.regions.len().to_string()),
            (words.frames, redaction.frames.to_string()),
            (words.left_out, redaction.left_out.to_string()),
        ] {
            text += &format!("{label}: {}\n", plain(&value));
        }
        text += &format!("\n{}\n", words.files);
        for file in self.files {
            text += &format!("{}: {} {}, SHA-256 {}\n", file.name, file.bytes, words.bytes, file.sha256);
        }
        text += &match &redaction.master {
            Some(master) => format!("{}: {} {}\n", words.master, master.manifest, master.file),
            None => format!("{}\n", words.no_master),
        };
        text += &format!("\n{}\n", words.missing);
        if self.missing.is_empty() {
            text += &format!("{}\n", words.complete);
        }
        for row in self.missing.iter().take(MISSING_MAX) {
            text += &format!("{}: {}\n", between(row.range), row.reason);
        }
        if let Some(more) = self.missing.len().checked_sub(MISSING_MAX).filter(|more| *more > 0) {
            text += &format!("{more} {}\n", words.more);
        }
        text + &format!("\n{}\n", words.check)
    }
}
