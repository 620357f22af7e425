//! Writes models: ONNX files of one picture in and rows of numbers out, for scripts that make them and for tests.
//!
//! An ONNX file is a protocol buffer (`onnx.proto3` of the ONNX project); the numbers below are the field numbers that stand there.

/// Version of ONNX's list of operations that is written.
const OPSET: u64 = 13;
/// Version of the file's form that goes with it.
const IR_VERSION: u64 = 8;
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// What an operation is told beside its inputs.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// A whole number.
    Integer(i64),
    /// Whole numbers.
    Integers(&'a [i64]),
    /// A float.
    Float(f32),
}

/// A model in the making. The picture is called `picture`.
#[derive(Clone, Debug, Default)]
pub struct Network {
    size: (u32, u32),
    nodes: Vec<u8>,
    tensors: Vec<u8>,
}

impl Network {
    /// A network that looks at a picture of so many pixels across and down.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        Self { size: (width, height), ..Self::default() }
    }

    /// Adds weights.
    pub fn weights(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensor(name, shape, FLOAT, &bytes);
    }

    /// Adds a list of whole numbers, such as a shape.
    pub fn list(&mut self, name: &str, numbers: &[i64]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensor(name, &[numbers.len()], INT64, &bytes);
    }

    fn tensor(&mut self, name: &str, shape: &[usize], kind: u64, bytes: &[u8]) {
        let mut tensor = Vec::new();
        for side in shape {
            integer(&mut tensor, 1, *side as u64);
        }
        integer(&mut tensor, 2, kind);
        field(&mut tensor, 8, name.as_bytes());
        field(&mut tensor, 9, bytes);
        field(&mut self.tensors, 5, &tensor);
    }

    /// Adds an operation with one result.
    pub fn operation(&mut self, op: &str, inputs: &[&str], output: &str, told: &[(&str, Told<'_>)]) {
        let mut node = Vec::new();
        for input in inputs {
            field(&mut node, 1, input.as_bytes());
        }
        field(&mut node, 2, output.as_bytes());
        field(&mut node, 4, op.as_bytes());
        for (name, told) in told {
            let mut attribute = Vec::new();
            field(&mut attribute, 1, name.as_bytes());
            let kind = match told {
                Told::Float(number) => {
                    key(&mut attribute, 2, 5);
                    attribute.extend(number.to_le_bytes());
                    1
                }
                Told::Integer(number) => {
                    integer(&mut attribute, 3, number.cast_unsigned());
                    2
                }
                Told::Integers(numbers) => {
                    numbers.iter().for_each(|number| integer(&mut attribute, 8, number.cast_unsigned()));
                    7
                }
            };
            integer(&mut attribute, 20, kind);
            field(&mut node, 5, &attribute);
        }
        field(&mut self.nodes, 1, &node);
    }

    /// The file. `output` is the result, of this shape.
    #[must_use]
    pub fn file(&self, output: &str, shape: &[usize]) -> Vec<u8> {
        let mut graph = self.nodes.clone();
        field(&mut graph, 2, b"model");
        graph.extend_from_slice(&self.tensors);
        let (width, height) = self.size;
        field(&mut graph, 11, &port("picture", &[1, 1, height as usize, width as usize]));
        field(&mut graph, 12, &port(output, shape));
        let mut set = Vec::new();
        field(&mut set, 1, b"");
        integer(&mut set, 2, OPSET);
        let mut model = Vec::new();
        integer(&mut model, 1, IR_VERSION);
        field(&mut model, 7, &graph);
        field(&mut model, 8, &set);
        model
    }
}

/// An input or a result, with its shape.
fn port(name: &str, shape: &[usize]) -> Vec<u8> {
    let (mut sides, mut tensor, mut kind, mut port) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for side in shape {
        let mut dimension = Vec::new();
        integer(&mut dimension, 1, *side as u64);
        field(&mut sides, 1, &dimension);
    }
    integer(&mut tensor, 1, FLOAT);
    field(&mut tensor, 2, &sides);
    field(&mut kind, 1, &tensor);
    field(&mut port, 1, name.as_bytes());
    field(&mut port, 2, &kind);
    port
}

/// A base-128 number, low bits first.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn key(out: &mut Vec<u8>, number: u64, wire: u64) {
    varint(out, number << 3 | wire);
}

fn integer(out: &mut Vec<u8>, number: u64, value: u64) {
    key(out, number, 0);
    varint(out, value);
}

fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    key(out, number, 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
