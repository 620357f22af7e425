//! Plugins in memory: one with a version that runs, one that waits and one from before.

use super::{MemoryBox, START_MS};
use crate::api;
use crate::error::Error;
use crate::ports::*;
use watchbook_base::{CameraId, Kind};

/// The plugin that every double has.
pub(in crate::tests) const PLUGIN: &str = "org.watchbook.motion";
/// The package of it that waits.
pub(in crate::tests) const WAITING: &str = "abababababababababababababababababababababababababababababababab";
/// The key that every double trusts, and one that it does not.
pub(in crate::tests) const KEY: &str = "00112233445566AA";
pub(in crate::tests) const OTHER_KEY: &str = "FFEEDDCCBBAA9988";

/// What the double holds.
pub(in crate::tests) struct MemoryPlugins {
    pub(in crate::tests) running: Option<api::PluginVersion>,
    pub(in crate::tests) waiting: Option<api::PluginVersion>,
    pub(in crate::tests) previous: Option<api::PluginVersion>,
    pub(in crate::tests) keys: Vec<String>,
    pub(in crate::tests) dev_hours: u32,
    pub(in crate::tests) tried_out: bool,
}

impl Default for MemoryPlugins {
    fn default() -> Self {
        Self {
            running: Some(version("1.1.0", &"cd".repeat(32))),
            waiting: Some(version("1.2.0", WAITING)),
            previous: Some(version("1.0.0", &"ef".repeat(32))),
            keys: vec![KEY.into()],
            dev_hours: 0,
            tried_out: false,
        }
    }
}

fn version(version: &str, package_sha256: &str) -> api::PluginVersion {
    api::PluginVersion {
        version: version.into(),
        summary: "Says when something moves.".into(),
        publisher: "Watchbook".into(),
        licence: "Apache-2.0".into(),
        package_sha256: Some(package_sha256.into()),
        component_sha256: "00".repeat(32),
        signer: Some(api::PluginSigner { key_id: KEY.into(), name: "Watchbook".into(), trusted: true }),
        asks: api::PluginAsks {
            purpose: "motion-detection".into(),
            world: "analytics-plugin".into(),
            required: vec!["frames".into()],
            optional: vec![],
            input: Some(api::PluginInput { width: 320, height: 180, fps: 5.0 }),
            call_ms_max: 20,
            memory_bytes_max: 16 << 20,
            store_bytes_max: 0,
            emits: vec![api::PluginKind { kind: "motion".into(), meaning: "Something moves.".into() }],
            models: vec![],
            proposes_holds: false,
        },
        installed_utc_ms: Some(START_MS),
        approved_utc_ms: None,
        problem: None,
    }
}

impl MemoryPlugins {
    fn shown(&self) -> api::Plugin {
        api::Plugin {
            id: PLUGIN.into(),
            version: self.running.as_ref().map_or_else(String::new, |running| running.version.clone()),
            summary: "Says when something moves.".into(),
            emits: vec!["motion".into()],
            settings_schema: vec![],
            state: api::PluginState::Idle,
            frames_seen: 0,
            frames_dropped: 0,
            traps: 0,
            last_error: None,
            origin: api::PluginOrigin::Installed,
            running: self.running.clone(),
            waiting: self.waiting.clone(),
            changes: vec![],
            previous: self.previous.clone(),
            cameras: vec![],
            cost: api::PluginCost::default(),
        }
    }
}

fn known(plugin: &str) -> Result<(), Error> {
    match plugin == PLUGIN {
        true => Ok(()),
        false => Err(Error::not_found("there is no such plugin")),
    }
}

impl Plugins for MemoryBox {
    fn list(&self) -> Result<Vec<api::Plugin>, Error> {
        self.called();
        Ok(vec![self.plugins.lock().unwrap().shown()])
    }

    fn bind(&self, camera: CameraId, binding: api::PluginBinding) -> Result<api::PluginBinding, Error> {
        self.called();
        let mut cameras = self.cameras.lock().unwrap();
        let config =
            cameras.get_mut(&camera).ok_or_else(|| Error::not_found(format!("there is no camera {camera}")))?;
        config.plugins.push(binding.clone());
        Ok(binding)
    }

    fn install(&self, package: &[u8]) -> Result<api::Plugin, Error> {
        self.called();
        let mut plugins = self.plugins.lock().unwrap();
        plugins.waiting = Some(version("1.3.0", &crate::hex::encode(&crate::hex::sha256(package))));
        Ok(plugins.shown())
    }

    fn approve(&self, plugin: &str, package_sha256: &str, _account: u32) -> Result<api::Plugin, Error> {
        self.called();
        known(plugin)?;
        let mut plugins = self.plugins.lock().unwrap();
        let waits = |waiting: &api::PluginVersion| waiting.package_sha256.as_deref() == Some(package_sha256);
        if !plugins.waiting.as_ref().is_some_and(waits) {
            return Err(Error::new(Kind::Conflict, "another package waits"));
        }
        plugins.previous = plugins.running.take();
        plugins.running = plugins.waiting.take();
        Ok(plugins.shown())
    }

    fn reject(&self, plugin: &str, _package_sha256: &str) -> Result<(), Error> {
        self.called();
        known(plugin)?;
        self.plugins.lock().unwrap().waiting.take().map(drop).ok_or_else(|| Error::not_found("nothing waits"))
    }

    fn roll_back(&self, plugin: &str) -> Result<api::Plugin, Error> {
        self.called();
        known(plugin)?;
        let mut plugins = self.plugins.lock().unwrap();
        plugins.running = plugins.previous.take();
        Ok(plugins.shown())
    }

    fn remove(&self, plugin: &str) -> Result<(), Error> {
        self.called();
        known(plugin)
    }

    fn publishers(&self) -> Result<Vec<api::PluginPublisher>, Error> {
        self.called();
        let shown = |key: &String| api::PluginPublisher {
            key_id: key.clone(),
            name: "Watchbook".into(),
            public_key: "RWQ".into(),
        };
        Ok(self.plugins.lock().unwrap().keys.iter().map(shown).collect())
    }

    fn trust(&self, name: &str, public_key: &str, key_id: &str) -> Result<api::PluginPublisher, Error> {
        self.called();
        self.plugins.lock().unwrap().keys.push(key_id.into());
        Ok(api::PluginPublisher { key_id: key_id.into(), name: name.into(), public_key: public_key.into() })
    }

    fn distrust(&self, key_id: &str) -> Result<(), Error> {
        self.called();
        let mut plugins = self.plugins.lock().unwrap();
        let before = plugins.keys.len();
        plugins.keys.retain(|key| key != key_id);
        match plugins.keys.len() < before {
            true => Ok(()),
            false => Err(Error::not_found("there is no such key")),
        }
    }

    fn abi(&self) -> api::PluginAbi {
        self.called();
        let (version, worlds) = ("0.1".into(), vec![]);
        let version = api::PluginAbiVersion { version, worlds, capabilities: vec![], tried_out: vec![] };
        let limits = api::PluginLimits {
            package_bytes_max: 1,
            component_bytes_max: 1,
            memory_bytes_max: 1,
            memory_bytes_max_all: 1,
            call_ms_max: 1,
            store_bytes_max: 1,
            instances_max: 1,
            plugins_max: 1,
        };
        api::PluginAbi { versions: vec![version], limits, walls: vec![] }
    }

    fn log(&self, plugin: &str) -> Result<api::PluginLog, Error> {
        self.called();
        known(plugin)?;
        Ok(api::PluginLog::default())
    }

    fn dev_mode(&self) -> Result<api::PluginDevMode, Error> {
        self.called();
        let hours = i64::from(self.plugins.lock().unwrap().dev_hours);
        Ok(api::PluginDevMode { until_utc_ms: (hours > 0).then_some(START_MS + hours * 3_600_000) })
    }

    fn set_dev_mode(&self, hours: u32) -> Result<api::PluginDevMode, Error> {
        self.plugins.lock().unwrap().dev_hours = hours;
        self.dev_mode()
    }

    fn tried_out(&self) -> Result<api::PluginTriedOut, Error> {
        self.called();
        let on = self.plugins.lock().unwrap().tried_out;
        Ok(api::PluginTriedOut { on, capabilities: vec!["inference".into()] })
    }

    fn set_tried_out(&self, on: bool) -> Result<api::PluginTriedOut, Error> {
        self.plugins.lock().unwrap().tried_out = on;
        self.tried_out()
    }
}
