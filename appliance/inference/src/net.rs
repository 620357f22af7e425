//! A model that can be run: checked, optimised by the library, tried once.

use crate::boxes::{self, Found};
use crate::graph::{self, Checked, Work};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tract_onnx::data_resolver::ModelDataResolver;
use tract_onnx::prelude::{
    Framework, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, TractError, TractResult, TypedModel,
    TypedSimplePlan, tvec,
};
use tract_onnx::tract_core::plan;

/// The library works its way through a network by recursion in places; a network has at most a thousand operations.
const STACK_BYTES: usize = 16 << 20;
/// Characters of what the library says about a model.
const WHY_CHARS_MAX: usize = 200;
/// Runs whose time is taken; the shortest counts, the others were disturbed.
const TRIALS: usize = 3;

/// A network that says where things are. Cheap to clone: clones are the same network.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    plan: Arc<TypedSimplePlan>,
    input: (u32, u32),
    classes: Vec<String>,
    work: Work,
    cost: Duration,
}

/// Why a run gave no boxes.
#[derive(Debug)]
pub enum Stopped<E> {
    /// The caller said so.
    Here(E),
    /// The model failed: a sentence.
    Failed(String),
}

impl core::fmt::Debug for Model {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Model({}x{}, {:?})", self.0.input.0, self.0.input.1, self.0.work)
    }
}

impl Model {
    /// Reads a model from anybody, has it optimised, and runs it on a grey picture to see that it runs and what that takes. `classes` are the names that its
    /// last column counts from 0. What a hostile file may make the library take of time and memory before the checks refuse it is bounded by the process that
    /// calls this; the recorder does it in a throw-away child first.
    ///
    /// # Errors
    /// A sentence: what the file has that a model may not have, or how the library failed.
    pub fn load(bytes: &[u8], classes: &[String]) -> Result<Self, String> {
        std::thread::scope(|scope| {
            let work = || catch_unwind(AssertUnwindSafe(|| load(bytes, classes)));
            let thread = std::thread::Builder::new().name("model".to_owned()).stack_size(STACK_BYTES);
            let thread = thread.spawn_scoped(scope, work).map_err(|error| format!("reading the model: {error}"))?;
            match thread.join() {
                Ok(Ok(outcome)) => outcome,
                _ => Err("the library that runs models failed on it".to_owned()),
            }
        })
    }

    /// Pixels across and down of the plane that it wants.
    #[must_use]
    pub fn input(&self) -> (u32, u32) {
        self.0.input
    }

    /// Names of its classes.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.0.classes
    }

    /// What one run takes, by count.
    #[must_use]
    pub fn work(&self) -> Work {
        self.0.work
    }

    /// Processor time of one run, measured when it was read.
    #[must_use]
    pub fn cost(&self) -> Duration {
        self.0.cost
    }

    /// Where things are in a plane of brightness of the size [`Model::input`]: at most [`crate::DETECTIONS_MAX`], the best scores first. Between two operations `go_on` is
    /// asked whether there is time left.
    ///
    /// # Errors
    /// What `go_on` said; else a sentence: a plane of another size, or a result that breaks the contract.
    pub fn detect<E>(&self, luma: &[u8], go_on: impl FnMut() -> Result<(), E>) -> Result<Vec<Found>, Stopped<E>> {
        let numbers = self.0.numbers(luma, go_on)?;
        boxes::read(&numbers, self.0.classes.len()).map_err(Stopped::Failed)
    }

    /// The rows of its result as they are, for tests.
    ///
    /// # Errors
    /// A sentence, as [`Model::detect`].
    pub fn rows(&self, luma: &[u8]) -> Result<Vec<f32>, String> {
        let numbers = self.0.numbers(luma, || Ok::<(), String>(()));
        numbers.map_err(|(Stopped::Here(sentence) | Stopped::Failed(sentence))| sentence)
    }
}

/// Marks that a plan was ended from outside.
#[derive(Debug)]
struct Ended;

impl core::fmt::Display for Ended {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ended")
    }
}

impl core::error::Error for Ended {}

impl Inner {
    fn numbers<E>(&self, luma: &[u8], mut go_on: impl FnMut() -> Result<(), E>) -> Result<Vec<f32>, Stopped<E>> {
        let (across, down) = (self.input.0 as usize, self.input.1 as usize);
        if luma.len() != across * down {
            return Err(Stopped::Failed(format!("{} pixels; the model wants {across} times {down}", luma.len())));
        }
        let floats: Vec<f32> = luma.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        let mut why = None;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let picture = Tensor::from_shape(&[1, 1, down, across], &floats)?.into_tvalue();
            let mut state = self.plan.spawn()?;
            let result = state.run_plan_with_eval(tvec!(picture), |context, state, node, inputs| {
                if let Err(error) = go_on() {
                    why = Some(error);
                    return Err(Ended.into());
                }
                plan::eval(context, state, node, inputs)
            })?;
            Ok::<_, TractError>(result[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
        }));
        match (outcome, why) {
            (_, Some(error)) => Err(Stopped::Here(error)),
            (Ok(Ok(numbers)), None) => Ok(numbers),
            (Ok(Err(_)) | Err(_), None) => Err(Stopped::Failed("the model failed on this picture".to_owned())),
        }
    }
}

fn load(bytes: &[u8], classes: &[String]) -> Result<Model, String> {
    let Checked { proto, input, rows, work } = graph::check(bytes)?;
    let failed = |error: TractError| {
        let why: String = error.to_string().chars().filter(|c| !c.is_control()).take(WHY_CHARS_MAX).collect();
        format!("the library that runs models refuses it: {why}")
    };
    let mut onnx = tract_onnx::onnx();
    onnx.provider = Arc::new(NoFiles);
    let model = onnx.model_for_proto_model(&proto).map_err(failed)?;
    drop(proto);
    let model = model.into_typed().map_err(failed)?;
    same_shape(&model, rows)?;
    let plan = model.into_optimized().and_then(IntoRunnable::into_runnable).map_err(failed)?;
    let mut inner = Inner { plan, input, classes: classes.to_vec(), work, cost: Duration::MAX };
    let grey = vec![128; input.0 as usize * input.1 as usize];
    for _ in 0..TRIALS {
        let began = thread_time();
        let numbers = inner.numbers(&grey, || Ok::<(), String>(()));
        numbers.map_err(|(Stopped::Here(sentence) | Stopped::Failed(sentence))| sentence)?;
        inner.cost = inner.cost.min(thread_time().saturating_sub(began));
    }
    Ok(Model(Arc::new(inner)))
}

/// Whether the library sees the same result as the checks did.
fn same_shape(model: &TypedModel, rows: usize) -> Result<(), String> {
    let facts = model.outputs.iter().map(|outlet| model.outlet_fact(*outlet));
    let elements: Vec<Option<usize>> =
        facts.map(|fact| fact.ok()?.shape.as_concrete().map(|sides| sides.iter().product())).collect();
    if elements == [Some(rows * boxes::COLUMNS)] {
        return Ok(());
    }
    Err("the library that runs models sees another result than its file says".to_owned())
}

/// No model reads a file.
struct NoFiles;

impl ModelDataResolver for NoFiles {
    fn read_bytes_from_path(&self, _: &mut Vec<u8>, _: &Path, _: usize, _: Option<usize>) -> TractResult<()> {
        Err(Ended.into())
    }
}

/// Time of the calling thread on a processor.
fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
