//! The parts of a `multipart/x-mixed-replace` body, of which each is a JPEG (RFC 2046 §5.1; the subtype is Netscape's of 1995). Pure: bytes in, pictures out.
//!
//! Cameras write this by hand, and each in its own way. What is relied on is the picture itself: it begins with a start of image and has an end
//! ([`watchbook_media::mjpeg::check`]). Length and delimiter only say where to look. What is put up with, each with a transcript in `testdata/mjpeg`:
//! * the `--` of the delimiter is part of the boundary (Sony SNC-EB640, scottlamb/multipart-stream-rs#2; Panasonic HE40, janakj/py-mjpeg#2);
//! * the boundary is quoted (AVTECH recorders, legege/node-mjpeg-proxy#1) or has spaces around its `=` (Panasonic BL-VT164P, legege/node-mjpeg-proxy#8);
//! * no `Content-Length` (Sipeed NanoKVM, sipeed/NanoKVM#632; several cameras in scottlamb/multipart-stream-rs#3), or a wrong one;
//! * no delimiter before the first part (ESP32 cameras, espressif/esp32-camera#120; Tasmota, arendst/Tasmota#12376);
//! * empty lines before or behind a delimiter or a picture (psanford/node-mjpeg-test-server#1), or no line end before a delimiter (libavformat/mpjpegdec.c);
//! * lines end with a line feed alone; header fields of the maker's own (D-Link, defvol/Paparazzo.js#11).

use bytes::{Buf as _, Bytes, BytesMut};
use watchbook_base::limits::ACCESS_UNIT_BYTES_MAX;
use watchbook_media::mjpeg;

/// Bytes of a part's header, and of what may stand between two parts.
pub(crate) const HEADER_BYTES_MAX: usize = 8 << 10;
/// Bytes of a boundary (RFC 2046 §5.1.1 allows 70), dashes not counted.
const BOUNDARY_BYTES_MAX: usize = 128;
/// A boundary shorter than this delimits only at the start of a line: it could stand in a picture by chance.
const SURE_BYTES_MIN: usize = 8;
/// How often a picture is looked for in a part before its delimiter, or the length it told, has come: a look costs as much as the picture is long.
const EARLY_LOOKS_MAX: u32 = 16;
/// Bytes behind a picture's end that may be padding.
const PADDING: [u8; 3] = [b'\r', b'\n', 0];
/// So much padding is looked through for the end of a picture that has no length.
const PADDING_LOOK: usize = 1024;
/// Bytes of padding between two parts: parts of a fixed size are no longer than a picture may be.
const PADDING_BYTES_MAX: usize = ACCESS_UNIT_BYTES_MAX;

/// What a part was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A whole JPEG, padding cut off.
    Picture(Bytes, mjpeg::Picture),
    /// Something else, with what is wrong with it.
    Damaged(String),
}

/// The body cannot be read on: no part, or no end of one, within the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) &'static str);

enum State {
    /// Before a delimiter.
    Between,
    /// In a part's header.
    Header(Header),
    /// In a part.
    Body(Body),
    /// In a part that is too long: its bytes are let go.
    Skipping,
}

#[derive(Clone, Copy, Default)]
struct Header {
    /// `Content-Length`, when it was told and can be.
    length: Option<usize>,
    fields: u32,
}

struct Body {
    length: Option<usize>,
    /// No delimiter ends before this.
    looked: usize,
    early_looks: u32,
}

/// Cuts a body into parts.
pub(crate) struct Parts {
    /// What delimits, without dashes in front; `None` until it is known.
    boundary: Option<Vec<u8>>,
    buffer: BytesMut,
    state: State,
    /// Bytes since the last delimiter or the start of the header.
    idle_bytes: usize,
    /// Bytes of padding since the last part.
    padding_bytes: usize,
    /// `Content-Length` of this camera was wrong once.
    lengths_lie: bool,
}

/// The boundary that a `Content-Type` names, as it is written there, without quotes.
pub(crate) fn boundary_of(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"').trim();
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then_some(value)
    })
}

impl Parts {
    /// `boundary` as [`boundary_of`] found it.
    pub(crate) fn new(boundary: Option<&str>) -> Self {
        Self {
            boundary: boundary.and_then(|text| core_of(text.as_bytes())),
            buffer: BytesMut::new(),
            state: State::Between,
            idle_bytes: 0,
            padding_bytes: 0,
            lengths_lie: false,
        }
    }

    /// Takes the next bytes of the body. Call [`Parts::next`] until it has no more before pushing again: then at most one picture and these bytes are held.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next part, or `None` until more bytes come.
    ///
    /// # Errors
    /// The body is none that can be read.
    pub(crate) fn next(&mut self) -> Result<Option<Part>, Broken> {
        loop {
            let step = match &mut self.state {
                State::Between => self.between()?,
                State::Header(_) => self.header()?,
                State::Body(_) => self.body(),
                State::Skipping => self.skip(),
            };
            match step {
                Step::More => return Ok(None),
                Step::On => {}
                Step::Part(part) => return Ok(Some(part)),
            }
        }
    }

    /// Looks for a delimiter line. A header without one begins the first part of some cameras.
    fn between(&mut self) -> Result<Step, Broken> {
        // A picture that was told by its own end can have its padding come later.
        let padding = self.buffer.iter().take_while(|byte| PADDING.contains(byte)).count();
        self.buffer.advance(padding);
        self.padding_bytes += padding;
        if self.padding_bytes > PADDING_BYTES_MAX {
            return Err(Broken("nothing but padding comes"));
        }
        let Some(line) = self.line("no boundary comes within 8 KiB")? else { return Ok(Step::More) };
        let text = line.trim_ascii();
        if self.is_delimiter(text) {
            self.begin_header();
        } else if let Some(core) = text.strip_prefix(b"--").and_then(core_of) {
            // Not what was announced, but a delimiter all the same.
            self.boundary = Some(core);
            self.begin_header();
        } else if is_field(text, b"content-type") || is_field(text, b"content-length") {
            self.begin_header();
            self.field(text);
        }
        Ok(Step::On)
    }

    fn begin_header(&mut self) {
        self.state = State::Header(Header::default());
        (self.idle_bytes, self.padding_bytes) = (0, 0);
    }

    fn header(&mut self) -> Result<Step, Broken> {
        // A picture where a field should be: a part without a header, or without the empty line behind it.
        if self.buffer.starts_with(&mjpeg::START) {
            self.begin_body();
            return Ok(Step::On);
        }
        let Some(line) = self.line("the header of a part is longer than 8 KiB")? else { return Ok(Step::More) };
        let text = line.trim_ascii();
        if !text.is_empty() {
            self.field(text);
        } else if matches!(self.state, State::Header(Header { fields: 1.., .. })) {
            self.begin_body();
        }
        // An empty line before the first field is a stray one behind the delimiter.
        Ok(Step::On)
    }

    fn field(&mut self, line: &[u8]) {
        let State::Header(header) = &mut self.state else { return };
        header.fields += 1;
        if is_field(line, b"content-length") {
            let value = line.split(|byte| *byte == b':').nth(1).unwrap_or_default().trim_ascii();
            let told = core::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            header.length = told.filter(|bytes| (1..=ACCESS_UNIT_BYTES_MAX).contains(bytes));
        }
    }

    fn begin_body(&mut self) {
        let length = match self.state {
            State::Header(header) if !self.lengths_lie => header.length,
            _ => None,
        };
        self.state = State::Body(Body { length, looked: 0, early_looks: 0 });
    }

    fn body(&mut self) -> Step {
        let lead = self.buffer.iter().take(HEADER_BYTES_MAX).take_while(|byte| PADDING[..2].contains(byte)).count();
        let State::Body(body) = &mut self.state else { return Step::More };
        if body.length.is_none() && lead > 0 {
            self.buffer.advance(lead);
            body.looked = body.looked.saturating_sub(lead);
        }
        if let Some(length) = body.length {
            if self.buffer.len() < length + lead {
                return self.too_short(lead).map_or(Step::More, Step::Part);
            }
            return self.measured(lead, length);
        }
        if let Some((at, end)) = self.delimiter() {
            let part = self.buffer.split_to(at).freeze();
            self.buffer.advance(end - at);
            self.begin_header();
            return part_of(part).map_or(Step::On, Step::Part);
        }
        if let Some(step) = self.early() {
            return step;
        }
        if self.buffer.len() > ACCESS_UNIT_BYTES_MAX {
            self.state = State::Skipping;
            return Step::Part(Part::Damaged(format!("a picture of more than {ACCESS_UNIT_BYTES_MAX} bytes")));
        }
        Step::More
    }

    /// A part of a told length, when there is a picture of that length; else its end is looked for.
    fn measured(&mut self, lead: usize, length: usize) -> Step {
        let told = self.buffer.get(lead..lead + length).unwrap_or_default();
        match mjpeg::check(told) {
            // What is behind the picture's end may be filling, or the next part.
            Ok(picture) if told[picture.len..].iter().all(|byte| PADDING.contains(byte)) => {
                self.buffer.advance(lead);
                let data = self.buffer.split_to(length).freeze().slice(..picture.len);
                (self.state, self.idle_bytes) = (State::Between, 0);
                Step::Part(Part::Picture(data, picture))
            }
            _ => {
                self.lengths_lie = true;
                self.state = State::Body(Body { length: None, looked: 0, early_looks: 0 });
                Step::On
            }
        }
    }

    /// A whole picture with its delimiter where more was told: waiting for the rest could take longer than a camera may be silent.
    fn too_short(&mut self, lead: usize) -> Option<Part> {
        while let Some((at, end)) = self.delimiter() {
            let State::Body(body) = &mut self.state else { return None };
            if body.early_looks >= EARLY_LOOKS_MAX {
                return None;
            }
            body.early_looks += 1;
            // What looks like a delimiter may be inside a picture.
            body.looked = end;
            let part = self.buffer.get(lead..at)?;
            let whole = mjpeg::check(part).ok();
            let Some(picture) = whole.filter(|picture| part[picture.len..].iter().all(|byte| PADDING.contains(byte)))
            else {
                continue;
            };
            self.buffer.advance(lead);
            let data = self.buffer.split_to(at - lead).freeze().slice(..picture.len);
            self.buffer.advance(end - at);
            self.lengths_lie = true;
            self.begin_header();
            return Some(Part::Picture(data, picture));
        }
        None
    }

    /// A picture without a length that is whole already: waiting for the delimiter would cost a picture of delay with cameras that send it before the next one.
    fn early(&mut self) -> Option<Step> {
        let State::Body(body) = &mut self.state else { return None };
        let end = self.buffer.len()
            - self.buffer.iter().rev().take(PADDING_LOOK).take_while(|byte| PADDING.contains(byte)).count();
        if body.early_looks >= EARLY_LOOKS_MAX || !self.buffer.get(..end)?.ends_with(&[0xFF, 0xD9]) {
            return None;
        }
        body.early_looks += 1;
        let picture = mjpeg::check(self.buffer.get(..end)?).ok().filter(|picture| picture.len == end)?;
        let data = self.buffer.split_to(end).freeze();
        (self.state, self.idle_bytes) = (State::Between, 0);
        Some(Step::Part(Part::Picture(data, picture)))
    }

    /// Lets the bytes of a part go up to the next delimiter.
    fn skip(&mut self) -> Step {
        self.state = State::Body(Body { length: None, looked: 0, early_looks: EARLY_LOOKS_MAX });
        if let Some((_, end)) = self.delimiter() {
            self.buffer.advance(end);
            self.begin_header();
            return Step::On;
        }
        let kept = self.buffer.len().min(2 * BOUNDARY_BYTES_MAX);
        self.buffer.advance(self.buffer.len() - kept);
        self.state = State::Skipping;
        Step::More
    }

    /// Start and end of the first delimiter in the part, its dashes and line end included. Each byte is looked at once.
    fn delimiter(&mut self) -> Option<(usize, usize)> {
        let (Some(core), State::Body(body)) = (&self.boundary, &mut self.state) else { return None };
        let mut from = body.looked;
        while let Some(found) = find(self.buffer.get(from..)?, core) {
            let at = from + found;
            let dashes = self.buffer[..at].iter().rev().take_while(|byte| **byte == b'-').count();
            let start = at - dashes;
            let begins_line = start == 0 || self.buffer[start - 1] == b'\n';
            if begins_line || (dashes >= 2 && core.len() >= SURE_BYTES_MIN) {
                // The rest of its line; a part of it may be still to come, and is an empty line then.
                let rest =
                    self.buffer[at + core.len()..].iter().take(4).take_while(|byte| b"- \t\r".contains(byte)).count();
                let mut end = at + core.len() + rest;
                end += usize::from(self.buffer.get(end) == Some(&b'\n'));
                return Some((start, end));
            }
            from = at + 1;
        }
        body.looked = self.buffer.len().saturating_sub(core.len()).max(from.min(self.buffer.len()));
        None
    }

    fn is_delimiter(&self, line: &[u8]) -> bool {
        let Some(core) = &self.boundary else { return false };
        let rest = line.iter().position(|byte| *byte != b'-').map(|at| &line[at..]).unwrap_or_default();
        rest.strip_prefix(&core[..]).is_some_and(|rest| rest.iter().all(|byte| *byte == b'-'))
    }

    /// The next line without its line feed.
    fn line(&mut self, too_long: &'static str) -> Result<Option<Bytes>, Broken> {
        let found = self.buffer.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n');
        let Some(at) = found else {
            return if self.buffer.len() >= HEADER_BYTES_MAX { Err(Broken(too_long)) } else { Ok(None) };
        };
        self.idle_bytes += at + 1;
        if self.idle_bytes > HEADER_BYTES_MAX {
            return Err(Broken(too_long));
        }
        let line = self.buffer.split_to(at).freeze();
        self.buffer.advance(1);
        Ok(Some(line))
    }
}

enum Step {
    /// More bytes are needed.
    More,
    /// Something was read; look again.
    On,
    Part(Part),
}

/// What is between two delimiters; nothing when that is empty.
fn part_of(data: Bytes) -> Option<Part> {
    if data.iter().all(|byte| PADDING.contains(byte)) {
        return None;
    }
    Some(match mjpeg::check(&data) {
        Ok(picture) => Part::Picture(data.slice(..picture.len), picture),
        Err(error) => Part::Damaged(error.message),
    })
}

/// A boundary without the dashes in front: whether these are part of it is what cameras disagree about.
fn core_of(boundary: &[u8]) -> Option<Vec<u8>> {
    let at = boundary.iter().position(|byte| *byte != b'-')?;
    let core = boundary[at..].trim_ascii();
    (!core.is_empty() && core.len() <= BOUNDARY_BYTES_MAX).then(|| core.to_vec())
}

fn is_field(line: &[u8], name: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    line[..colon].trim_ascii().eq_ignore_ascii_case(name)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut at = 0;
    loop {
        at += haystack.get(at..)?.iter().position(|byte| byte == first)?;
        if haystack[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests;
