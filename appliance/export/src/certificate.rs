//! What an officer reads and signs: what was exported, how it was made, and how anybody can check it. In English and Khmer.
//!
//! Who released it cannot stand here: the text is part of what is released. It stands in the log's leaf of the export, which the verifier prints.

use crate::bundle::Maker;
use crate::job::{FileRow, MissingRow, Order};
use watchbook_base::{TimeRange, UtcNanos};

/// Missing stretches that are listed; the others are counted.
const MISSING_MAX: usize = 200;

/// What the text is about.
pub struct Report<'a> {
    /// Number of the export.
    pub export: u64,
    /// What was asked for.
    pub order: &'a Order,
    /// Who made it.
    pub maker: &'a Maker<'a>,
    /// The masters.
    pub masters: &'a [&'a FileRow],
    /// What is there.
    pub delivered: Option<TimeRange>,
    /// What is missing.
    pub missing: &'a [MissingRow],
}

/// The words of one language.
struct Words {
    title: &'static str,
    number: &'static str,
    case: &'static str,
    recorder: &'static str,
    software: &'static str,
    asked_by: &'static str,
    asked_at: &'static str,
    made_at: &'static str,
    recipient: &'static str,
    requested: &'static str,
    delivered: &'static str,
    nothing: &'static str,
    to: &'static str,
    cameras: &'static str,
    clock: &'static str,
    files: &'static str,
    bytes: &'static str,
    missing: &'static str,
    complete: &'static str,
    sound: &'static str,
    more: &'static str,
    process: &'static str,
    process_text: &'static str,
    check: &'static str,
    check_text: &'static str,
    sign: &'static str,
}

const ENGLISH: Words = Words {
    title: "CERTIFICATE OF EXPORT",
    number: "Export",
    case: "Case",
    recorder: "Recorder (name of its log)",
    software: "Program",
    asked_by: "Asked for by",
    asked_at: "Asked for at",
    made_at: "Made at",
    recipient: "For",
    requested: "Requested",
    delivered: "Delivered",
    nothing: "nothing is stored of the requested time",
    to: "to",
    cameras: "CAMERAS",
    clock: "clock of the camera",
    files: "MASTER FILES",
    bytes: "bytes",
    missing: "MISSING TIME",
    complete: "Nothing of the requested time is missing. complete: true",
    sound: "sound",
    more: "more; all of them are in manifest.json",
    process: "HOW IT WAS MADE",
    process_text: "The master files hold the samples as the cameras sent them and as they were recorded; nothing was decoded or changed. The hash of each half second was\n\
written into the recorder's log when it was recorded. All times are those of the recorder's clock; its state is in manifest.json with each run. What is missing\n\
is named above with its reason as the recorder knew it. The person who released this export is another than the one who asked for it; both\n\
stand by their numbers in the log's entry of this export, which proofs.json has and the verifier prints.",
    check: "HOW TO CHECK IT",
    check_text: "With the public key of the recorder's log, which must come another way than this folder, and the program watchbook-verify:\n\
    watchbook-verify <this folder> --log <key>\n\
The last line is VERIFIED when every sample is the recorded one. Work with copies; keep this folder as it is.",
    sign: "Name, rank, date and signature of the officer:",
};

const KHMER: Words = Words {
    title: "វិញ្ញាបនបត្រនាំចេញវីដេអូ",
    number: "លេខនាំចេញ",
    case: "លេខសំណុំរឿង",
    recorder: "ម៉ាស៊ីនថត (ឈ្មោះកំណត់ហេតុ)",
    software: "កម្មវិធី",
    asked_by: "ស្នើសុំដោយ",
    asked_at: "ពេលស្នើសុំ",
    made_at: "ពេលបង្កើត",
    recipient: "សម្រាប់",
    requested: "ពេលវេលាដែលបានស្នើ",
    delivered: "ពេលវេលាដែលបានផ្តល់",
    nothing: "គ្មានអ្វីត្រូវបានរក្សាទុកសម្រាប់ពេលវេលានេះទេ",
    to: "ដល់",
    cameras: "កាមេរ៉ា",
    clock: "នាឡិការបស់កាមេរ៉ា",
    files: "ឯកសារដើម",
    bytes: "បៃ",
    missing: "ពេលវេលាដែលបាត់",
    complete: "គ្មានពេលវេលាណាបាត់ទេ។ complete: true",
    sound: "សំឡេង",
    more: "ទៀត; ទាំងអស់មាននៅក្នុង manifest.json",
    process: "របៀបបង្កើត",
    process_text: "ឯកសារដើមមានទិន្នន័យដូចដែលកាមេរ៉ាបានផ្ញើ និងដូចដែលបានថត; គ្មានអ្វីត្រូវបានកែប្រែទេ។ លេខហាស (hash) នៃរាល់កន្លះវិនាទី\n\
ត្រូវបានសរសេរក្នុងកំណត់ហេតុរបស់ម៉ាស៊ីននៅពេលថត។ ពេលវេលាទាំងអស់ជារបស់នាឡិកាម៉ាស៊ីនថត។ អ្វីដែលបាត់ត្រូវបានរាយខាងលើ\n\
ជាមួយមូលហេតុ។ អ្នកអនុញ្ញាតគឺជាមនុស្សផ្សេងពីអ្នកស្នើសុំ; លេខរបស់អ្នកទាំងពីរមាននៅក្នុង proofs.json ហើយកម្មវិធីផ្ទៀងផ្ទាត់បង្ហាញវា។",
    check: "របៀបផ្ទៀងផ្ទាត់",
    check_text: "ត្រូវការកូនសោសាធារណៈរបស់កំណត់ហេតុ ដែលត្រូវមកតាមផ្លូវផ្សេងពីថតនេះ និងកម្មវិធី watchbook-verify៖\n\
    watchbook-verify <this folder> --log <key>\n\
បន្ទាត់ចុងក្រោយគឺ VERIFIED ប្រសិនបើរាល់ទិន្នន័យដូចដែលបានថត។ សូមធ្វើការជាមួយច្បាប់ចម្លង ហើយរក្សាថតនេះដដែល។",
    sign: "ឈ្មោះ ឋានន្តរស័ក្តិ កាលបរិច្ឆេទ និងហត្ថលេខារបស់មន្ត្រី៖",
};

impl Report<'_> {
    /// In English.
    #[must_use]
    pub fn english(&self) -> String {
        self.text(&ENGLISH)
    }

    /// In Khmer.
    #[must_use]
    pub fn khmer(&self) -> String {
        self.text(&KHMER)
    }

    fn text(&self, words: &Words) -> String {
        let (order, maker) = (self.order, self.maker);
        let range = |range: TimeRange| format!("{} {} {}", time(range.start), words.to, time(range.end));
        let mut lines = vec![words.title.to_owned(), String::new()];
        let mut line = |name: &str, value: String| lines.push(format!("{name}: {}", plain(&value)));
        line(words.number, self.export.to_string());
        line(words.case, order.case.clone());
        line(words.recorder, maker.origin.clone());
        line(words.software, maker.software.clone());
        line(words.asked_by, format!("{} ({})", order.account_name, order.account));
        line(words.asked_at, time(order.asked));
        line(words.made_at, time(maker.now));
        let class = serde_json::to_value(order.recipient_class).ok();
        let class = class.as_ref().and_then(|class| class.as_str()).unwrap_or_default().to_owned();
        line(words.recipient, format!("{} ({class})", order.recipient));
        line(words.requested, range(order.range));
        line(words.delivered, self.delivered.map_or(words.nothing.to_owned(), range));
        lines.extend([String::new(), words.cameras.to_owned()]);
        for (index, camera) in order.cameras.iter().enumerate() {
            let clock = maker.clocks.get(index).filter(|clock| !clock.is_empty());
            let clock = clock.map_or(String::new(), |clock| format!("; {}: {clock}", words.clock));
            lines.push(plain(&format!("{}: {}{clock}", camera.camera, camera.name)));
        }
        lines.extend([String::new(), words.files.to_owned()]);
        for file in self.masters {
            lines.push(format!("{}: {} {}, SHA-256 {}", file.name, file.bytes, words.bytes, file.sha256));
        }
        lines.extend([String::new(), words.missing.to_owned()]);
        if self.missing.is_empty() {
            lines.push(words.complete.to_owned());
        }
        for missing in self.missing.iter().take(MISSING_MAX) {
            let sound = if missing.is_sound { format!(" ({})", words.sound) } else { String::new() };
            lines.push(plain(&format!("{}{sound}: {}: {}", missing.camera, range(missing.range), missing.reason)));
        }
        if !self.missing.is_empty() {
            let more = self.missing.len().saturating_sub(MISSING_MAX);
            lines.extend((more > 0).then(|| format!("{more} {}", words.more)));
            lines.push("complete: false".to_owned());
        }
        for (title, text) in [(words.process, words.process_text), (words.check, words.check_text)] {
            lines.extend([String::new(), title.to_owned(), text.to_owned()]);
        }
        lines.extend([String::new(), words.sign.to_owned(), String::new(), "_".repeat(60), String::new()]);
        lines.join("\n")
    }
}

/// What people typed, on one line and in the order in which it stands there: neither a name nor a receiver can look like a line of the certificate.
pub(crate) fn plain(text: &str) -> String {
    let turns = |character: char| matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|character| if character.is_control() || turns(character) { ' ' } else { character }).collect()
}

pub(crate) fn time(utc: UtcNanos) -> String {
    format!("{utc} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_people_typed_looks_like_a_line_of_its_own() {
        let typed = "clerk\u{2028}complete: true\u{2029}x\n\u{202e}y\u{2066}z";
        assert_eq!(plain(typed), "clerk complete: true x  y z");
        assert_eq!(plain("ភ្នំពេញ\u{200b}"), "ភ្នំពេញ\u{200b}", "Khmer parts words with it");
    }
}
