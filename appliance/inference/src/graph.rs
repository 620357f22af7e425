//! A model as a file, checked: every operation is known, every shape is worked out, and nothing is left that is not needed.
//!
//! What comes out is what the library is given: descriptions, hints about shapes, functions, training, other files, names of nodes are not in it.

use crate::boxes::{COLUMNS, ROWS_MAX};
use crate::value::{self, Value};
use crate::{MEMORY_BYTES_MAX, MODEL_BYTES_MAX, OPSETS, SIDE_PX_MAX, WORK_MAX, ops};
use std::collections::HashMap;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::Framework;

/// Operations of one model, and tensors in its file.
pub const NODES_MAX: usize = 1_000;
/// Inputs of one operation.
const INPUTS_MAX: usize = 16;
/// Bytes of a name in a sentence.
const SHOWN_BYTES_MAX: usize = 40;

/// What one run of a model takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiplications with an addition, and other steps.
    pub steps: u64,
    /// Weights and all that is computed.
    pub bytes: u64,
}

/// A model that may be given to the library.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) proto: ModelProto,
    /// Pixels across and down.
    pub(crate) input: (u32, u32),
    /// Rows of its result.
    pub(crate) rows: usize,
    pub(crate) work: Work,
}

/// A name from the file as it may stand in a sentence.
pub(crate) fn shown(name: &str) -> String {
    let mut text: String = name.chars().filter(|c| !c.is_control()).collect();
    let end = (0..=SHOWN_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}

pub(crate) fn check(bytes: &[u8]) -> Result<Checked, String> {
    if bytes.len() > MODEL_BYTES_MAX {
        return Err(format!("it has {} bytes; at most {MODEL_BYTES_MAX} are allowed", bytes.len()));
    }
    let mut reader = bytes;
    let proto = tract_onnx::onnx().proto_model_for_read(&mut reader);
    let mut proto = proto.map_err(|_| "it is no ONNX file".to_owned())?;
    head(&proto)?;
    let graph = proto.graph.take().ok_or_else(|| "it holds no network".to_owned())?;
    let (graph, input, rows, work) = network(graph)?;
    let opset_import = proto.opset_import;
    let proto = ModelProto { ir_version: proto.ir_version, opset_import, graph: Some(graph), ..ModelProto::default() };
    Ok(Checked { proto, input, rows, work })
}

fn head(proto: &ModelProto) -> Result<(), String> {
    if !proto.functions.is_empty() || !proto.training_info.is_empty() {
        return Err("it brings functions or training; a plain network is expected".to_owned());
    }
    match proto.opset_import.as_slice() {
        [set] if matches!(set.domain.as_str(), "" | "ai.onnx") && OPSETS.contains(&set.version) => Ok(()),
        _ => Err(format!("it must use ONNX's own operations alone, of version {} to {}", OPSETS.start(), OPSETS.end())),
    }
}

type Network = (GraphProto, (u32, u32), usize, Work);

fn network(graph: GraphProto) -> Result<Network, String> {
    let GraphProto {
        node: nodes, initializer: mut tensors, input: inputs, output: outputs, sparse_initializer, ..
    } = graph;
    if nodes.len() > NODES_MAX || tensors.len() > NODES_MAX {
        return Err(format!("more than {NODES_MAX} operations or tensors"));
    }
    if !sparse_initializer.is_empty() {
        return Err("it has sparse tensors".to_owned());
    }
    let mut known = HashMap::<String, Value>::new();
    let mut work = Work::default();
    for tensor in &mut tensors {
        let found = value::of_file(tensor).map_err(|why| format!("the tensor `{}`: {why}", shown(&tensor.name)))?;
        add(&mut known, &mut work, &tensor.name, found)?;
    }
    let (source, size) = source(&inputs, &known)?;
    let (across, down) = size;
    add(&mut known, &mut work, &source.name, Value::floats(vec![1, 1, down as usize, across as usize]))?;
    let mut kept = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.into_iter().enumerate() {
        let (place, op) = (index + 1, shown(&node.op_type));
        let step = operation(node, index, &mut known, &mut work);
        kept.push(step.map_err(|why| format!("operation {place} (`{op}`): {why}"))?);
        if work.steps > WORK_MAX {
            return Err(format!("one run takes more than {WORK_MAX} steps"));
        }
    }
    let [output] = outputs.as_slice() else {
        return Err(format!("{} results; one is expected, a row of {COLUMNS} numbers for each box", outputs.len()));
    };
    let rows = match known.get(&output.name) {
        Some(Value { shape, kind: value::Kind::Floats, constant: false }) => rows(shape)?,
        _ => return Err("its result is not computed from the picture".to_owned()),
    };
    let output = ValueInfoProto { name: output.name.clone(), ..ValueInfoProto::default() };
    let graph = GraphProto {
        node: kept,
        name: "model".to_owned(),
        initializer: tensors,
        input: vec![source],
        output: vec![output],
        ..GraphProto::default()
    };
    Ok((graph, size, rows, work))
}

/// The one input: a picture.
fn source(inputs: &[ValueInfoProto], known: &HashMap<String, Value>) -> Result<(ValueInfoProto, (u32, u32)), String> {
    let mut sources = inputs.iter().filter(|input| !known.contains_key(&input.name));
    let wrong = || {
        format!(
            "its input must be one picture of 32-bit floats, of the shape 1, 1, down, across, sides 1 to {SIDE_PX_MAX}"
        )
    };
    let (Some(source), None) = (sources.next(), sources.next()) else { return Err(wrong()) };
    let Some(type_proto::Value::TensorType(tensor)) = source.r#type.as_ref().and_then(|kind| kind.value.as_ref())
    else {
        return Err(wrong());
    };
    let sides = tensor.shape.iter().flat_map(|shape| &shape.dim).map(|side| match side.value {
        Some(dimension::Value::DimValue(side)) => u32::try_from(side).unwrap_or(0),
        _ => 0,
    });
    match sides.take(5).collect::<Vec<_>>().as_slice() {
        [1, 1, down, across]
            if tensor.elem_type == DataType::Float as i32
                && [down, across].iter().all(|side| (1..=SIDE_PX_MAX).contains(*side)) =>
        {
            let kept = ValueInfoProto { doc_string: String::new(), ..source.clone() };
            Ok((kept, (*across, *down)))
        }
        _ => Err(wrong()),
    }
}

fn rows(shape: &[usize]) -> Result<usize, String> {
    match shape {
        [rows, COLUMNS] | [1, rows, COLUMNS] if *rows <= ROWS_MAX => Ok(*rows),
        _ => Err(format!(
            "its result has the shape {shape:?}; up to {ROWS_MAX} rows of {COLUMNS} are expected: left, top, width, height, score, class"
        )),
    }
}

fn add(known: &mut HashMap<String, Value>, work: &mut Work, name: &str, value: Value) -> Result<(), String> {
    work.bytes += 8 * value.elements() as u64;
    if work.bytes > MEMORY_BYTES_MAX {
        return Err(format!("weights and results together take more than {} MiB", MEMORY_BYTES_MAX >> 20));
    }
    if name.is_empty() || known.insert(name.to_owned(), value).is_some() {
        return Err(format!("the name `{}` is empty or there twice", shown(name)));
    }
    Ok(())
}

/// One operation, with all that it may have and no more.
fn operation(
    node: NodeProto,
    index: usize,
    known: &mut HashMap<String, Value>,
    work: &mut Work,
) -> Result<NodeProto, String> {
    if !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return Err("it is not one of ONNX's own".to_owned());
    }
    let [output] = node.output.as_slice() else { return Err("one result is expected".to_owned()) };
    let node =
        NodeProto { name: format!("n{index}"), domain: String::new(), doc_string: String::new(), ..node.clone() };
    if node.op_type == "Constant" {
        return constant(node, known, work);
    }
    if node.input.is_empty() || node.input.len() > INPUTS_MAX {
        return Err(format!("{} inputs", node.input.len()));
    }
    let given = node
        .input
        .iter()
        .map(|name| known.get(name).ok_or_else(|| format!("its input `{}` is not there yet", shown(name))));
    let given: Vec<&Value> = given.collect::<Result<_, _>>()?;
    let result = ops::apply(&node, &given)?;
    work.steps += result.work;
    add(known, work, output, result.value)?;
    Ok(node)
}

/// A tensor of the file that is written as an operation.
fn constant(mut node: NodeProto, known: &mut HashMap<String, Value>, work: &mut Work) -> Result<NodeProto, String> {
    let [attribute] = node.attribute.as_mut_slice() else { return Err("one tensor is expected".to_owned()) };
    let tensor = attribute.t.as_mut().filter(|_| attribute.name == "value" && attribute.ref_attr_name.is_empty());
    let found = value::of_file(tensor.ok_or_else(|| "one tensor is expected".to_owned())?)?;
    if !node.input.is_empty() {
        return Err("a constant has no input".to_owned());
    }
    let output = node.output[0].clone();
    add(known, work, &output, found)?;
    Ok(node)
}
