//! What is known about a tensor before anything is computed.

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// Numbers in one tensor: 16 MiB of floats.
pub const ELEMENTS_MAX: usize = 4 << 20;
/// Dimensions of one tensor.
pub(crate) const RANK_MAX: usize = 5;
/// A list of whole numbers that an operation is told, such as a shape.
const LIST_MAX: usize = 16;

/// A tensor's shape, and its numbers where an operation's result depends on them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: Kind,
    /// It is part of the file.
    pub(crate) constant: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// 32-bit floats.
    Floats,
    /// 64-bit whole numbers; the numbers, when they are few and part of the file.
    Integers(Option<Vec<i64>>),
}

impl Value {
    pub(crate) fn floats(shape: Vec<usize>) -> Self {
        Self { shape, kind: Kind::Floats, constant: false }
    }

    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The shape, when it holds floats.
    pub(crate) fn as_floats(&self) -> Result<&[usize], String> {
        match self.kind {
            Kind::Floats => Ok(&self.shape),
            Kind::Integers(_) => Err("floats are expected".to_owned()),
        }
    }

    /// The whole numbers, when they are part of the file.
    pub(crate) fn as_list(&self) -> Result<&[i64], String> {
        match &self.kind {
            Kind::Integers(Some(list)) if self.shape.len() <= 1 => Ok(list),
            _ => Err("a short list of whole numbers in the file is expected".to_owned()),
        }
    }
}

/// Whether a shape is within the limits. Returns how many numbers it holds.
pub(crate) fn check_shape(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > RANK_MAX {
        return Err(format!("{} dimensions; at most {RANK_MAX} are allowed", shape.len()));
    }
    let elements = shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side));
    match elements {
        Some(0) => Err(format!("the shape {shape:?} holds nothing")),
        Some(elements) if elements <= ELEMENTS_MAX => Ok(elements),
        _ => Err(format!("the shape {shape:?} holds more than {ELEMENTS_MAX} numbers")),
    }
}

/// Reads a tensor of the file, and strips it of all that is not needed.
pub(crate) fn of_file(tensor: &mut TensorProto) -> Result<Value, String> {
    if tensor.data_location.is_some_and(|location| location != 0) || !tensor.external_data.is_empty() {
        return Err("its numbers lie in another file; they must be in the model itself".to_owned());
    }
    if tensor.segment.is_some() || !tensor.string_data.is_empty() || !tensor.double_data.is_empty() {
        return Err("its numbers are written in a way that is not read here".to_owned());
    }
    if !tensor.int32_data.is_empty() || !tensor.uint64_data.is_empty() {
        return Err("its numbers are written in a way that is not read here".to_owned());
    }
    let shape: Result<Vec<usize>, _> = tensor.dims.iter().map(|side| usize::try_from(*side)).collect();
    let shape = shape.map_err(|_| format!("the shape {:?} is none", tensor.dims))?;
    let elements = check_shape(&shape)?;
    tensor.doc_string.clear();
    let kind = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => {
            let floats = numbers(&tensor.raw_data, &tensor.float_data, elements, f32::from_le_bytes)?;
            if !tensor.int64_data.is_empty() || !floats.iter().all(|number| number.is_finite()) {
                return Err("a number in it is none".to_owned());
            }
            Kind::Floats
        }
        Ok(DataType::Int64) if elements <= LIST_MAX && shape.len() <= 1 => {
            let list = numbers(&tensor.raw_data, &tensor.int64_data, elements, i64::from_le_bytes)?;
            if !tensor.float_data.is_empty() {
                return Err("a number in it is none".to_owned());
            }
            Kind::Integers(Some(list))
        }
        Ok(DataType::Int64) => return Err(format!("more than {LIST_MAX} whole numbers in one list")),
        _ => {
            return Err(
                "numbers of 32-bit floats and short lists of 64-bit whole numbers are read, no other".to_owned()
            );
        }
    };
    Ok(Value { shape, kind, constant: true })
}

/// The numbers of a tensor: as bytes or as a list, one of the two.
fn numbers<const N: usize, T: Copy>(
    raw: &[u8],
    list: &[T],
    elements: usize,
    of_bytes: fn([u8; N]) -> T,
) -> Result<Vec<T>, String> {
    let (chunks, rest) = raw.as_chunks::<N>();
    let found = match (raw.is_empty(), list.is_empty()) {
        (true, _) => list.to_vec(),
        (false, true) if rest.is_empty() => chunks.iter().map(|bytes| of_bytes(*bytes)).collect(),
        (false, _) => return Err("its numbers are written in two ways".to_owned()),
    };
    if found.len() != elements {
        return Err(format!("{} numbers are there; its shape says {elements}", found.len()));
    }
    Ok(found)
}
