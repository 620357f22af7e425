//! Redacted copies, for both verifiers: whole or spoilt, never footage.

use crate::movie;
use crate::sample::{Files, Plan, START_S, file};
use crate::two_verifiers::{Asked, judged};
use watchbook_evidence::bundle::redaction::{Key, MasterLink, Region};
use watchbook_evidence::bundle::{
    FileKind, Interval, MANIFEST, MANIFEST_FORMAT, Manifest, REDACTED, REDACTED_FORMAT, Redaction, RunOrHash,
    SourceRun, to_json, verify,
};
use watchbook_evidence::hex;

const NAME: &str = "WORKING-REDACTED-camera-1.mp4";

fn ns(after_ms: i64) -> String {
    (START_S * 1_000_000_000 + after_ms * 1_000_000).to_string()
}

fn redaction() -> Redaction {
    let keys =
        vec![Key { at_ns: ns(0), rectangle: (0, 0, 100, 100) }, Key { at_ns: ns(5), rectangle: (9, 9, 65_535, 300) }];
    let moving = Region { from_ns: Some(ns(1)), keys, to_ns: Some(ns(9)), ..Region::default() };
    let still = Region { polygon: vec![(0, 0), (65_535, 0), (5, 70)], ..Region::default() };
    Redaction {
        encoder: "libx264".to_owned(),
        everything_but: false,
        frames: 120,
        left_out: 1,
        master: Some(MasterLink { file: hex(&[7; 32]), manifest: hex(&[8; 32]) }),
        padded: Some(true),
        regions: vec![moving, still],
    }
}

/// A copy of the main stream, before it is released.
fn plan() -> Plan {
    let mut plan = Plan::new();
    let manifest = &mut plan.manifest;
    manifest.streams.truncate(1);
    for run in manifest.streams.iter_mut().flat_map(|stream| &mut stream.segments).flat_map(|segment| &mut segment.runs)
    {
        let RunOrHash::Run(was) = run else { continue };
        *run = RunOrHash::Source(SourceRun {
            clock: was.clock,
            first_dts: was.first_dts,
            first_utc_ns: was.first_utc_ns.clone(),
            length: was.length,
            samples: was.samples,
            sha256: was.sha256.clone(),
        });
    }
    // The runs are from 0.5 s to 12.5 s.
    manifest.requested = Interval { end_ns: ns(13_500), start_ns: ns(700) };
    manifest.delivered = Interval { end_ns: ns(12_500), start_ns: ns(700) };
    manifest.format = REDACTED_FORMAT.to_owned();
    manifest.copy_class = Some(REDACTED.to_owned());
    manifest.redaction = Some(redaction());
    plan.video = [movie::ftyp(), movie::small_box(b"mdat", b"black")].concat();
    plan.list_files();
    plan.manifest.files[0] = file(NAME, FileKind::Working, &plan.video);
    plan
}

/// Has it released.
fn released(plan: &Plan) -> Files {
    let mut files = plan.export(1);
    let copy = files.0.remove("camera-1.mp4").unwrap();
    files.0.insert(NAME.to_owned(), copy);
    files
}

/// Exit code of both verifiers and of the library, and what failed of what.
fn said(files: &Files) -> (i32, Vec<String>) {
    let asked = Asked::usual();
    let (code, failed) = judged(files, &asked);
    let library = verify(files, &asked.trust());
    assert_eq!(i32::from(library.exit_code()), code);
    assert!(!library.is_verified(), "a redacted copy is never verified as footage");
    (code, failed)
}

/// Somebody who has the bundle changes its manifest.
fn forged(spoil: impl FnOnce(&mut Manifest)) -> (i32, Vec<String>) {
    let mut files = released(&plan());
    let mut manifest = Manifest::parse(&files.0[MANIFEST]).unwrap();
    spoil(&mut manifest);
    files.0.insert(MANIFEST.to_owned(), to_json(&manifest));
    said(&files)
}

#[test]
fn an_intact_redacted_copy_has_a_verdict_of_its_own() {
    let files = released(&plan());
    let report = verify(&files, &Asked::usual().trust());
    assert_eq!(report.findings, []);
    assert_eq!((report.runs(), report.sources()), (0, 10), "no run is handed out");
    assert_eq!(report.verdict(), "REDACTED WORKING COPY, intact: made of 10 runs");
    assert_eq!(said(&files), (20, vec![]));
    // Without a master, all of it black.
    let mut bare = plan();
    bare.manifest.redaction = Some(Redaction { master: None, regions: vec![], everything_but: true, ..redaction() });
    assert_eq!(said(&released(&bare)), (20, vec![]));
}

#[test]
fn every_way_to_spoil_a_redacted_copy_is_found() {
    let mut files = released(&plan());
    *files.0.get_mut(NAME).unwrap().last_mut().unwrap() ^= 1;
    assert_eq!(said(&files), (10, vec![format!("file-altered {NAME}")]), "a byte of the copy");

    let altered = |spoil: fn(&mut Redaction)| forged(|manifest| spoil(manifest.redaction.as_mut().unwrap()));
    let manifest_altered = (13, vec!["manifest-altered manifest.json".to_owned()]);
    assert_eq!(altered(|of| of.master.as_mut().unwrap().file = hex(&[9; 32])), manifest_altered, "another master");
    assert_eq!(altered(|of| of.master.as_mut().unwrap().manifest = hex(&[9; 32])), manifest_altered);
    assert_eq!(altered(|of| of.master = None), manifest_altered, "its master is hidden");
    assert_eq!(altered(|of| drop(of.regions.pop())), manifest_altered, "a region is hidden");
    assert_eq!(altered(|of| of.left_out = 0), manifest_altered);
    assert_eq!(altered(|of| of.padded = None), manifest_altered, "it is hidden that black was added");

    let (code, failed) = forged(|manifest| {
        let RunOrHash::Source(run) = &mut manifest.streams[0].segments[1].runs[0] else { panic!() };
        run.sha256 = hex(&[1; 32]);
    });
    assert_eq!((code, failed.contains(&"segment-altered 256/4".to_owned())), (11, true), "{failed:?}");
    let (code, failed) = forged(|manifest| manifest.delivered.start_ns = ns(500));
    assert_eq!((code, failed.contains(&"delivered-wrong interval".to_owned())), (12, true), "{failed:?}");
}

#[test]
fn a_redacted_copy_is_no_master_whatever_its_manifest_says() {
    let unreadable = (3, vec!["unreadable manifest.json".to_owned()]);
    let class = |class: Option<&str>| forged(|manifest| manifest.copy_class = class.map(str::to_owned));
    assert_eq!(class(Some("master")), unreadable, "its class is changed");
    assert_eq!(class(None), unreadable);
    assert_eq!(forged(|manifest| manifest.files[0].kind = FileKind::Master), unreadable);
    assert_eq!(forged(|manifest| manifest.redaction = None), unreadable);
    assert_eq!(forged(|manifest| manifest.redaction.as_mut().unwrap().padded = Some(false)), unreadable);
    assert_eq!(forged(|manifest| manifest.format = MANIFEST_FORMAT.to_owned()), unreadable);
    assert_eq!(forged(|manifest| manifest.files[1].kind = FileKind::Working), unreadable, "a name without its mark");

    // The runs that it was made of, as if they lay in it.
    let master = |manifest: &mut Manifest| {
        let was = Plan::new().manifest;
        let mut file = was.files[0].clone();
        (file.bytes, file.sha256) = (manifest.files[0].bytes, manifest.files[0].sha256.clone());
        *manifest = Manifest { files: vec![file, manifest.files[1].clone()], ..was };
    };
    let mut files = released(&plan());
    let mut manifest = Manifest::parse(&files.0[MANIFEST]).unwrap();
    master(&mut manifest);
    let copy = files.0.remove(NAME).unwrap();
    files.0.insert("camera-1.mp4".to_owned(), copy);
    files.0.insert(MANIFEST.to_owned(), to_json(&manifest));
    let (code, failed) = said(&files);
    assert_eq!(code, 11, "{failed:?}");
    for word in ["run-altered 256/1/1", "coverage camera-1.mp4", "manifest-altered manifest.json"] {
        assert!(failed.iter().any(|found| found == word), "{word} is missing in {failed:?}");
    }
}
