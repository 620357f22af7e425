//! Plugins in the API's shape: manifests, packages, differences, costs. A function of its input.

use watchbook_plugin_host::asks::{Amount, Ask, Change};
use watchbook_plugin_host::depot::{Installed, Stage};
use watchbook_plugin_host::{Manifest, PluginStatus, RetentionEffect};
use watchbook_web::api;

/// What a manifest asks for.
pub fn asks(manifest: &Manifest) -> api::PluginAsks {
    let has_frames = manifest.capabilities.all().any(|capability| capability == "frames");
    let input = &manifest.input;
    let model = |model: &watchbook_plugin_host::Model| api::PluginModel {
        file: model.file.clone(),
        sha256: model.sha256.clone(),
        purpose: word(&model.purpose),
        classes: model.classes.clone(),
        data_sheet: model.data_sheet.clone(),
    };
    let kind = |emits: &watchbook_plugin_host::Emits| api::PluginKind {
        kind: emits.kind.clone(),
        meaning: emits.meaning.clone(),
    };
    api::PluginAsks {
        purpose: word(&manifest.purpose),
        world: manifest.world.clone(),
        required: manifest.capabilities.required.clone(),
        optional: manifest.capabilities.optional.clone(),
        input: has_frames.then_some(api::PluginInput { width: input.width, height: input.height, fps: input.fps }),
        call_ms_max: manifest.call_ms(),
        memory_bytes_max: u64::from(manifest.budget.memory_mib) << 20,
        store_bytes_max: u64::from(manifest.budget.store_kib) << 10,
        emits: manifest.emits.iter().map(kind).collect(),
        models: manifest.models.iter().map(model).collect(),
        proposes_holds: manifest.retention_effect == RetentionEffect::ProposesHold,
    }
}

/// A word of a closed list as the manifest spells it.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// A version that came with the recorder.
pub fn built_in(manifest: &Manifest, component_sha256: &str) -> api::PluginVersion {
    api::PluginVersion {
        version: manifest.version.clone(),
        summary: manifest.summary.clone(),
        publisher: manifest.publisher.clone(),
        licence: manifest.licence.clone(),
        package_sha256: None,
        component_sha256: component_sha256.to_owned(),
        signer: None,
        asks: asks(manifest),
        installed_utc_ms: None,
        approved_utc_ms: None,
        problem: None,
    }
}

/// A version from a package; `None` when its file cannot be read any more.
pub fn version(installed: &Installed) -> Option<api::PluginVersion> {
    let manifest = installed.manifest.as_ref()?;
    let signer = installed.signer.as_ref().map(|signer| api::PluginSigner {
        key_id: signer.key_id.clone(),
        name: signer.name.clone(),
        trusted: signer.trusted,
    });
    Some(api::PluginVersion {
        package_sha256: Some(installed.package_sha256.clone()),
        signer,
        installed_utc_ms: Some(installed.installed.as_ms()),
        approved_utc_ms: installed.approved.map(watchbook_base::UtcNanos::as_ms),
        problem: installed.problem.clone(),
        ..built_in(manifest, &installed.component_sha256)
    })
}

/// The versions of one plugin by where they stand: the one that runs, the newest that waits, the one to roll back to.
pub fn stages(versions: &[Installed]) -> (Option<&Installed>, Option<&Installed>, Option<&Installed>) {
    let at = |stage: Stage| versions.iter().filter(move |installed| installed.stage == stage);
    let running = at(Stage::Approved).next();
    let before = |installed: &&Installed| running.is_some_and(|running| installed.approved < running.approved);
    let previous = at(Stage::Superseded).filter(before).max_by_key(|installed| installed.approved);
    (running, at(Stage::Waiting).max_by_key(|installed| installed.installed), previous)
}

/// What a plugin costs, on all cameras together.
pub fn cost(status: &PluginStatus) -> api::PluginCost {
    let counts = || status.instances.iter().map(|instance| &instance.counts);
    api::PluginCost {
        processor_ms: counts().map(|counts| counts.busy_us).sum::<u64>() / 1000,
        call_us_max: counts().map(|counts| counts.call_us_max).max().unwrap_or_default(),
        memory_bytes: counts().map(|counts| counts.memory_bytes).sum(),
        events: status.instances.iter().map(|instance| instance.events).sum(),
        marks_refused: status.instances.iter().map(|instance| instance.marks_refused).sum(),
    }
}

/// How a plugin is doing.
pub fn state(status: &PluginStatus) -> api::PluginState {
    match status.state.as_str() {
        "idle" => api::PluginState::Idle,
        "starting" => api::PluginState::Starting,
        "running" => api::PluginState::Running,
        "restarting" => api::PluginState::Restarting,
        _ => api::PluginState::Failed,
    }
}

/// A difference in the words of the API.
pub fn change(change: &Change) -> api::PluginChange {
    let (what, before, after) = match change {
        Change::Version { from, to } => ("version", Some(from.clone()), Some(to.clone())),
        Change::SigningKey { from, to } => ("signing_key", from.clone(), to.clone()),
        Change::Publisher { from, to } => ("publisher", Some(from.clone()), Some(to.clone())),
        Change::Licence { from, to } => ("licence", Some(from.clone()), Some(to.clone())),
        Change::Purpose { from, to } => ("purpose", Some(word(from)), Some(word(to))),
        Change::World { from, to } => ("world", Some(from.clone()), Some(to.clone())),
        Change::NewAsk { ask } => (ask_word(ask), None, Some(ask_detail(ask))),
        Change::NoLongerAsks { ask } => (ask_word(ask), Some(ask_detail(ask)), None),
        Change::Amount { what, from, to } => (amount_word(*what), Some(from.to_string()), Some(to.to_string())),
        Change::ModelBytes { file } => ("model_bytes", None, Some(file.clone())),
        Change::NewSetting { name } => ("setting", None, Some(name.clone())),
        Change::SettingGone { name } => ("setting", Some(name.clone()), None),
        Change::SettingChanged { name } => ("setting_changed", None, Some(name.clone())),
    };
    api::PluginChange { what: what.to_owned(), before, after, more: change.widens() }
}

fn ask_word(ask: &Ask) -> &'static str {
    match ask {
        Ask::Frames { .. } => "frames",
        Ask::Log { .. } => "log",
        Ask::Store { .. } => "store",
        Ask::Capability { .. } => "capability",
        Ask::Memory { .. } => "memory_mib",
        Ask::CallTime { .. } => "call_ms",
        Ask::Event { .. } => "event",
        Ask::Model { .. } => "model",
        Ask::ProposeHolds => "propose_holds",
    }
}

fn ask_detail(ask: &Ask) -> String {
    match ask {
        Ask::Frames { width, height, fps, .. } => format!("{width}×{height}, {fps}/s"),
        Ask::Store { kib, .. } => format!("{kib} KiB"),
        Ask::Capability { name, .. } => name.clone(),
        Ask::Memory { mib } => format!("{mib} MiB"),
        Ask::CallTime { ms } => format!("{ms} ms"),
        Ask::Event { kind, meaning } => format!("{kind} ({meaning})"),
        Ask::Model { file, .. } => file.clone(),
        Ask::Log { .. } | Ask::ProposeHolds => "✓".to_owned(),
    }
}

fn amount_word(amount: Amount) -> &'static str {
    match amount {
        Amount::FrameWidthPx => "frame_width_px",
        Amount::FrameHeightPx => "frame_height_px",
        Amount::FramesPerSecond => "frames_per_second",
        Amount::MemoryMib => "memory_mib",
        Amount::CallMs => "call_ms",
        Amount::StoreKib => "store_kib",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::UtcNanos;

    fn installed(version: &str, stage: Stage, installed: i64, approved: Option<i64>) -> Installed {
        Installed {
            id: "org.a".into(),
            version: version.into(),
            manifest: None,
            package_sha256: version.into(),
            component_sha256: String::new(),
            bytes: 1,
            signer: None,
            stage,
            installed: UtcNanos(installed),
            approved: approved.map(UtcNanos),
            approved_by_account: None,
            changes: vec![],
            problem: None,
        }
    }

    #[test]
    fn a_roll_back_goes_to_the_version_that_was_approved_before() {
        let versions = [
            installed("1", Stage::Superseded, 1, Some(10)),
            installed("2", Stage::Approved, 2, Some(20)),
            installed("3", Stage::Superseded, 3, Some(30)),
            installed("4", Stage::Waiting, 4, None),
            installed("5", Stage::Waiting, 5, None),
        ];
        let (running, waiting, previous) = stages(&versions);
        let name = |found: Option<&Installed>| found.map(|installed| installed.version.clone());
        assert_eq!([name(running), name(waiting), name(previous)].map(Option::unwrap), ["2", "5", "1"]);
        assert!(stages(&versions[3..]).0.is_none() && stages(&versions[3..]).2.is_none());
    }

    #[test]
    fn a_plugin_that_is_being_compiled_does_not_run_yet() {
        let status = |state: &str| PluginStatus {
            id: String::new(),
            version: String::new(),
            summary: String::new(),
            component_sha256: String::new(),
            emits: vec![],
            settings_schema: vec![],
            state: state.into(),
            frames_seen: 0,
            frames_dropped: 0,
            traps: 0,
            last_error: None,
            instances: vec![],
        };
        let shown =
            ["idle", "starting", "running", "restarting", "faulted", "quarantined"].map(|word| state(&status(word)));
        use api::PluginState::{Failed, Idle, Restarting, Running, Starting};
        assert_eq!(shown, [Idle, Starting, Running, Restarting, Failed, Failed]);
    }

    #[test]
    fn what_widens_is_marked_and_what_is_gone_has_no_after() {
        let grows = change(&Change::Amount { what: Amount::MemoryMib, from: 16.0, to: 32.0 });
        assert_eq!((grows.what.as_str(), grows.after.as_deref(), grows.more), ("memory_mib", Some("32"), true));
        let gone = change(&Change::NoLongerAsks { ask: Ask::Store { required: true, kib: 64 } });
        assert_eq!(
            (gone.what.as_str(), gone.before.as_deref(), gone.after, gone.more),
            ("store", Some("64 KiB"), None, false)
        );
    }
}
