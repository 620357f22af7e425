//! A small station: a log with footage of two streams, a gap and looks at it, and an export of most of it.

use crate::movie;
use std::collections::BTreeMap;
use watchbook_base::UtcNanos;
use watchbook_evidence::bundle::{
    Bundle, CHECKPOINT, FileEntry, FileKind, Interval, LeafEntry, MANIFEST, MANIFEST_FORMAT, Manifest, PROOFS,
    PROOFS_FORMAT, Proofs, RunEntry, RunOrHash, SegmentEntry, StreamEntry, Withheld, run_digest, to_json,
};
use watchbook_evidence::merkle::{leaf_hash, root_of};
use watchbook_evidence::proof::TiledTree;
use watchbook_evidence::record::Record;
use watchbook_evidence::run::ClockState;
use watchbook_evidence::text::base64;
use watchbook_evidence::tile::{MemoryTiles, grown};
use watchbook_evidence::witness::{Answer, Log, Request, Witness};
use watchbook_evidence::{Algorithm, Hash, Keeper, Leaf, Root, SignedCheckpoint, SigningKey, hex, sha256};

pub(crate) const ORIGIN: &str = "station-7.example/log";
/// 2025-11-24 16:00 UTC.
pub(crate) const START_S: i64 = 1_764_000_000;
/// Half a second.
const RUN_TICKS: u32 = 45_000;
const RUN_NS: i64 = 500_000_000;
const RUNS: usize = 4;
/// Main and sub stream of camera 1.
pub(crate) const STREAMS: [u32; 2] = [256, 257];

pub(crate) fn log_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, Algorithm::Ed25519, &[seed; 32]).unwrap()
}

pub(crate) fn witness_key(seed: u8) -> SigningKey {
    SigningKey::from_seed("oversight.example/w1", Algorithm::Cosignature, &[seed; 32]).unwrap()
}

/// What is about to be exported: footage, manifest, and the log so far.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) video: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) log: Vec<Leaf>,
    /// When the witness looks, in seconds after [`START_S`].
    pub(crate) witnessed_after_s: i64,
    /// Leaves that come before the export's although they belong behind it: how many of the log's last ones.
    pub(crate) late: usize,
    /// Numbers of leaves that change the log's key, for the bundle.
    pub(crate) changes: Vec<u64>,
}

/// The files of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files(pub(crate) BTreeMap<String, Vec<u8>>);

impl Bundle for Files {
    fn names(&self) -> Result<Vec<String>, String> {
        Ok(self.0.keys().cloned().collect())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, String> {
        Ok(self.0.get(name).map(|bytes| bytes.len() as u64))
    }

    fn read(&self, name: &str, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let bytes = self.0.get(name).and_then(|bytes| bytes.get(at as usize..(at + length) as usize));
        bytes.map(sink).ok_or_else(|| format!("{name} is too short"))
    }
}

/// Bytes that look like nothing, the same for the same number.
fn noise(number: u64, length: usize) -> Vec<u8> {
    (0..length as u64).flat_map(|i| sha256(&[number.to_le_bytes(), i.to_le_bytes()].concat())).take(length).collect()
}

pub(crate) fn leaf(log: &[Leaf], after_s: i64, body: Vec<u8>) -> Leaf {
    let salt = sha256(&log.len().to_le_bytes())[..16].try_into().unwrap();
    Leaf { salt, utc: UtcNanos((START_S + after_s) * 1_000_000_000), body }
}

/// Three segments of four runs a stream, two seconds each; seven seconds are missing before the last.
struct Recorder {
    /// Contents of `mdat`; offsets count from its beginning.
    media: Vec<u8>,
    log: Vec<Leaf>,
    streams: Vec<StreamEntry>,
}

impl Recorder {
    fn run(&mut self, stream: u32, segment: usize, run: usize) -> RunEntry {
        let number = u64::from(stream) * 100 + (segment * RUNS + run) as u64;
        let (table, samples) = (noise(number, 40), noise(number + 10_000, 300));
        let pause_ns = if segment == 2 { 7_000_000_000 } else { 0 };
        let at_ns = (segment * RUNS + run) as i64 * RUN_NS + pause_ns;
        // In two pieces, as in a file whose streams are interleaved.
        let mut ranges = Vec::new();
        for piece in samples.chunks(200) {
            ranges.push((self.media.len() as u64, piece.len() as u64));
            self.media.extend(piece);
        }
        RunEntry {
            clock: ClockState::Synchronised,
            file: "camera-1.mp4".to_owned(),
            first_dts: at_ns * 9 / 100_000 - 5,
            first_utc_ns: (START_S * 1_000_000_000 + at_ns).to_string(),
            length: RUN_TICKS,
            ranges,
            samples: 12,
            sha256: hex(&run_digest(&table, &samples)),
            table: base64(&table),
        }
    }

    fn segment(&mut self, stream: usize, segment: usize) {
        let number = STREAMS[stream];
        let recording = if segment == 2 { 12 } else { 11 };
        let runs: Vec<RunEntry> = (0..RUNS).map(|run| self.run(number, segment, run)).collect();
        let hashes: Vec<Hash> = runs.iter().map(|run| stated(run, (number, recording)).hash()).collect();
        let root = hex(&root_of(&hashes));
        let record = Record::Segment { recording, root, runs: RUNS as u32, stream: number };
        let runs = runs.into_iter().map(RunOrHash::Run).collect();
        self.streams[stream].segments.push(SegmentEntry { leaf: self.log.len() as u64, runs });
        let after_s = segment as i64 * 2 + 3 + if segment == 2 { 7 } else { 0 };
        self.log.push(leaf(&self.log, after_s, record.body()));
    }

    fn gap(&mut self, stream: usize) {
        let ns = |after_s: i64| ((START_S + after_s) * 1_000_000_000).to_string();
        let (end_ns, start_ns) = (ns(11), ns(4));
        let record = Record::Gap { end_ns, reason: "camera gone".to_owned(), start_ns, stream: STREAMS[stream] };
        self.streams[stream].gaps.push(self.log.len() as u64);
        self.log.push(leaf(&self.log, 11, record.body()));
    }
}

impl Plan {
    pub(crate) fn new() -> Self {
        let empty =
            |stream| StreamEntry { camera: "ផ្សារ gate".to_owned(), gaps: vec![], segments: vec![], stream };
        let mut recorder =
            Recorder { media: Vec::new(), log: Vec::new(), streams: STREAMS.map(empty).into_iter().collect() };
        for segment in 0..3 {
            let looked = format!(r#"{{"account":{segment},"action":"read_audit","outcome":"allowed"}}"#);
            recorder.log.push(leaf(&recorder.log, 0, looked.into_bytes()));
            for stream in 0..2 {
                if segment == 2 {
                    recorder.gap(stream);
                }
                recorder.segment(stream, segment);
            }
        }
        let Recorder { media, log, mut streams } = recorder;
        let mut cut = Cut { from: &media, kept: Vec::new() };
        for (at, stream) in streams.iter_mut().enumerate() {
            for (number, segment) in stream.segments.iter_mut().enumerate() {
                for (run, entry) in segment.runs.iter_mut().enumerate() {
                    // The main stream is asked for from its second run to the last but one.
                    let held_back = at == 0 && ((number, run) == (0, 0) || (number, run) == (2, RUNS - 1));
                    cut.run(entry, held_back.then_some((stream.stream, if number == 2 { 12 } else { 11 })));
                }
            }
        }
        let kept = cut.kept;
        let manifest = manifest(streams);
        let mut plan = Self { manifest, video: Vec::new(), log, witnessed_after_s: 100, late: 0, changes: Vec::new() };
        // The moov has the same size whatever the offsets in it are.
        let head = plan.head().len() as u64 + 8;
        plan.ranges().for_each(|(at, _)| *at += head);
        plan.video = [plan.head(), movie::small_box(b"mdat", &kept)].concat();
        plan.list_files();
        plan
    }

    /// What comes before the media data: each stream is a track, each range of a run a chunk.
    fn head(&self) -> Vec<u8> {
        let runs = |stream: &StreamEntry| stream.segments.iter().flat_map(|s| s.runs.clone()).collect::<Vec<_>>();
        let chunks = self.manifest.streams.iter().map(|stream| {
            let runs = runs(stream).into_iter().filter_map(|run| match run {
                RunOrHash::Run(run) => Some(run.ranges),
                RunOrHash::Withheld(_) | RunOrHash::Source(_) => None,
            });
            runs.flatten().collect()
        });
        [movie::ftyp(), movie::moov(&chunks.collect::<Vec<_>>(), false)].concat()
    }

    /// The ranges of all runs.
    pub(crate) fn ranges(&mut self) -> impl Iterator<Item = &mut (u64, u64)> {
        let segments = self.manifest.streams.iter_mut().flat_map(|stream| &mut stream.segments);
        segments.flat_map(|segment| &mut segment.runs).flat_map(|run| match run {
            RunOrHash::Run(run) => run.ranges.iter_mut(),
            RunOrHash::Withheld(_) | RunOrHash::Source(_) => [].iter_mut(),
        })
    }

    /// Lays the master out in fragments, one for each run, whose samples are said to lie `shift` bytes further on.
    pub(crate) fn fragmented(&mut self, shift: i32) {
        let mut video = [movie::ftyp(), movie::moov(&[Vec::new(), Vec::new()], true)].concat();
        let old = core::mem::take(&mut self.video);
        for (track, stream) in (1..).zip(&mut self.manifest.streams) {
            for run in stream.segments.iter_mut().flat_map(|segment| &mut segment.runs) {
                let RunOrHash::Run(run) = run else { continue };
                let pieces = run.ranges.iter().map(|(at, length)| &old[*at as usize..(at + length) as usize]);
                let samples = pieces.collect::<Vec<_>>().concat();
                video.extend(movie::fragment(track, &samples, shift));
                run.ranges = vec![((video.len() - samples.len()) as u64, samples.len() as u64)];
            }
        }
        self.video = video;
        self.list_files();
    }

    /// Has the manifest name the files as they are.
    pub(crate) fn list_files(&mut self) {
        self.manifest.files = vec![
            file("camera-1.mp4", FileKind::Master, &self.video),
            file("certificate.txt", FileKind::Other, CERTIFICATE),
        ];
    }

    pub(crate) fn run(&mut self, stream: usize, segment: usize, run: usize) -> &mut RunEntry {
        match &mut self.manifest.streams[stream].segments[segment].runs[run] {
            RunOrHash::Run(entry) => entry,
            RunOrHash::Withheld(_) | RunOrHash::Source(_) => panic!("this run is held back"),
        }
    }

    /// Records the export, signs the log with the key of seed `seed`, has it witnessed and writes the bundle.
    pub(crate) fn export(&self, seed: u8) -> Files {
        let manifest = to_json(&self.manifest);
        let mut log = self.log.clone();
        let record = Record::Export { account: 3, approver: 4, manifest: hex(&sha256(&manifest)) };
        let export = log.len() - self.late;
        log.insert(export, leaf(&log, 30, record.body()));
        log.push(leaf(&log, 31, br#"{"account":4,"action":"read_audit","outcome":"allowed"}"#.to_vec()));
        let tree = Tree::new(&log);
        let used = self.manifest.streams.iter();
        let mut numbers: Vec<u64> =
            used.flat_map(|s| s.gaps.iter().copied().chain(s.segments.iter().map(|s| s.leaf))).collect();
        numbers.push(export as u64);
        numbers.extend(&self.changes);
        numbers.sort_unstable();
        numbers.dedup();
        let leaves = numbers.iter().filter_map(|index| Some((*index, log.get(*index as usize)?)));
        let leaves = leaves
            .map(|(index, leaf)| LeafEntry::new(index, leaf, &tree.tiled().prove_inclusion(index).unwrap()).unwrap());
        let proofs = Proofs { export: export as u64, format: PROOFS_FORMAT.to_owned(), leaves: leaves.collect() };
        let checkpoint = tree.checkpoint(seed, Some(START_S + self.witnessed_after_s));
        Files(BTreeMap::from([
            (MANIFEST.to_owned(), manifest),
            (PROOFS.to_owned(), to_json(&proofs)),
            (CHECKPOINT.to_owned(), checkpoint.to_text().into_bytes()),
            ("camera-1.mp4".to_owned(), self.video.clone()),
            ("certificate.txt".to_owned(), CERTIFICATE.to_vec()),
        ]))
    }
}

const CERTIFICATE: &[u8] = "I exported this. ខ្ញុំ\n".as_bytes();

pub(crate) fn file(name: &str, kind: FileKind, bytes: &[u8]) -> FileEntry {
    FileEntry { bytes: bytes.len() as u64, kind, name: name.to_owned(), sha256: hex(&sha256(bytes)) }
}

fn manifest(streams: Vec<StreamEntry>) -> Manifest {
    let ns = |ns: i64| (START_S * 1_000_000_000 + ns).to_string();
    Manifest {
        case: "2025/1187".to_owned(),
        // The sub stream is whole: from its first run to the end of its last.
        delivered: Interval { end_ns: ns(13_000_000_000), start_ns: ns(0) },
        copy_class: None,
        redaction: None,
        files: Vec::new(),
        format: MANIFEST_FORMAT.to_owned(),
        origin: ORIGIN.to_owned(),
        // Its last half second was not recorded any more.
        requested: Interval { end_ns: ns(13_500_000_000), start_ns: ns(400_000_000) },
        software: "watchbook 0.1.0".to_owned(),
        streams,
    }
}

/// What the manifest states of a run of a stream in a recording.
pub(crate) fn stated(entry: &RunEntry, (stream, recording): (u32, u64)) -> watchbook_evidence::run::Run {
    RunOrHash::Run(entry.clone()).run(stream, recording).unwrap()
}

/// Copies what is handed out.
struct Cut<'a> {
    from: &'a [u8],
    kept: Vec<u8>,
}

impl Cut<'_> {
    fn run(&mut self, entry: &mut RunOrHash, held_back: Option<(u32, u64)>) {
        if let Some(run) = held_back.and_then(|(stream, recording)| entry.run(stream, recording)) {
            *entry = RunOrHash::Withheld(Withheld { withheld: hex(&run.hash()) });
            return;
        }
        let RunOrHash::Run(run) = entry else { return };
        for (at, length) in &mut run.ranges {
            let from = *at as usize;
            *at = self.kept.len() as u64;
            self.kept.extend(&self.from[from..from + *length as usize]);
        }
    }
}

/// The log's tree.
pub(crate) struct Tree {
    pub(crate) root: Root,
    tiles: MemoryTiles,
}

impl Tree {
    pub(crate) fn new(log: &[Leaf]) -> Self {
        let hashes: Vec<Hash> = log.iter().map(|leaf| leaf_hash(&leaf.encode().unwrap())).collect();
        let mut tiles = MemoryTiles::default();
        tiles.write(grown(&tiles, 0, &hashes).unwrap());
        Self { root: Root { size: hashes.len() as u64, hash: root_of(&hashes) }, tiles }
    }

    pub(crate) fn tiled(&self) -> TiledTree<'_, MemoryTiles> {
        TiledTree::new(&self.tiles, self.root.size)
    }

    /// Signed by a keeper that knows of no other tree, and cosigned by a fresh witness.
    pub(crate) fn checkpoint(&self, seed: u8, witnessed_s: Option<i64>) -> SignedCheckpoint {
        let mut keeper = Keeper::open::<String>(ORIGIN, log_key(seed), &[], &[]).unwrap();
        let checkpoint = keeper.sign(&self.tiles, self.root).unwrap();
        let Some(at_s) = witnessed_s else { return checkpoint };
        let log = Log { origin: ORIGIN.to_owned(), keys: vec![log_key(seed).verifier().clone()] };
        let witness = Witness::new(witness_key(9), vec![log]).unwrap();
        let request = Request { old: 0, proof: Vec::new(), checkpoint };
        match witness.answer(request.to_text().as_bytes(), |_| None, u64::try_from(at_s).unwrap()) {
            Answer::Cosigned(cosigned) => cosigned.state,
            refused => panic!("{refused}"),
        }
    }
}
