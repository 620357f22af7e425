//! Models that come with a plugin, read and ready to be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use watchbook_inference::Model;
use watchbook_plugin_host::message::{Limits, SENTENCE_BYTES_MAX, clipped};
use watchbook_plugin_host::models::{ModelPart, split};

/// The models of one plugin by their files' names. Cheap to clone: clones share them.
#[derive(Clone, Debug, Default)]
pub struct Models(Arc<BTreeMap<String, Model>>);

impl Models {
    /// Reads the models of a plugin from their bytes, one after another, and runs each once.
    ///
    /// # Errors
    /// A sentence that names the file: not the one that the manifest says, or no model that may be run.
    pub fn read(parts: &[ModelPart], bytes: &[u8]) -> Result<Self, String> {
        let mut models = BTreeMap::new();
        for (part, bytes) in split(parts, bytes)? {
            let model = Model::load(bytes, &part.classes);
            let refused = |why| clipped(&format!("the model {}: {why}", part.file), SENTENCE_BYTES_MAX);
            models.insert(part.file.clone(), model.map_err(refused)?);
        }
        Ok(Self(Arc::new(models)))
    }

    pub(crate) fn get(&self, file: &str) -> Option<&Model> {
        self.0.get(file)
    }

    /// Each model with its file's name, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Model)> {
        self.0.iter().map(|(file, model)| (file.as_str(), model))
    }

    /// Whether each can be asked within a call, and all together fit into an instance's memory.
    pub(crate) fn fit(&self, limits: Limits) -> Result<(), String> {
        let call = Duration::from_millis(limits.call_ms.into());
        let mut bytes = 0_u64;
        for (file, model) in self.iter() {
            if model.cost() > call {
                return Err(format!(
                    "the model {file} takes {} ms of processor time for a picture on this box, and a call has {} ms; fewer frames a second or a smaller model \
                     would help",
                    model.cost().as_millis(),
                    call.as_millis()
                ));
            }
            bytes += model.work().bytes;
            if bytes > limits.memory_bytes {
                return Err(format!(
                    "the model {file} and those before it may take {} MiB, and memory_mib of the manifest is {}",
                    bytes.div_ceil(1 << 20),
                    limits.memory_bytes >> 20
                ));
            }
        }
        Ok(())
    }
}
