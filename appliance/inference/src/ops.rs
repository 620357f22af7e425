//! What each operation makes of its inputs: the shape of its result and how much work it is. What is not written here is refused.

use crate::value::{Kind, Value};
use std::collections::BTreeMap;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto};

/// Multiplications and other steps of one operation: a run is never longer than this away from looking at its time.
pub const NODE_WORK_MAX: u64 = 400_000_000;
/// Numbers that a convolution lays out before it multiplies: each input pixel once for every place of the kernel that sees it. 64 MiB.
const COLUMNS_MAX: u64 = 16 << 20;
/// Side of a kernel, a stride, a dilation.
const KERNEL_MAX: usize = 31;
/// An exponential, in multiplications.
const EXP_WORK: u64 = 16;

/// What an operation gives.
pub(crate) struct Step {
    pub(crate) value: Value,
    pub(crate) work: u64,
}

type Outcome = Result<Step, String>;

/// What an operation is told beside its inputs. Every name must be asked for.
pub(crate) struct Attributes<'a>(BTreeMap<&'a str, &'a AttributeProto>);

impl<'a> Attributes<'a> {
    fn of(node: &'a NodeProto, known: &[&str]) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for attribute in &node.attribute {
            let name = attribute.name.as_str();
            if !known.contains(&name) || !attribute.ref_attr_name.is_empty() {
                return Err(format!("`{}` is not read here", crate::graph::shown(name)));
            }
            if all.insert(name, attribute).is_some() {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(Self(all))
    }

    fn get(&self, name: &str, kind: AttributeType) -> Result<Option<&'a AttributeProto>, String> {
        match self.0.get(name) {
            Some(attribute) if attribute.r#type != kind as i32 => Err(format!("`{name}` is of another type")),
            found => Ok(found.copied()),
        }
    }

    fn integer(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.get(name, AttributeType::Int)?.map_or(default, |attribute| attribute.i))
    }

    fn float(&self, name: &str) -> Result<(), String> {
        match self.get(name, AttributeType::Float)? {
            Some(attribute) if !attribute.f.is_finite() => Err(format!("`{name}` is no number")),
            _ => Ok(()),
        }
    }

    fn list(&self, name: &str) -> Result<Option<&'a [i64]>, String> {
        Ok(self.get(name, AttributeType::Ints)?.map(|attribute| attribute.ints.as_slice()))
    }

    fn must_be(&self, name: &str, value: i64) -> Result<(), String> {
        match self.integer(name, value)? {
            found if found == value => Ok(()),
            found => Err(format!("`{name}` is {found}; only {value} is read here")),
        }
    }
}

/// What `node` gives for these inputs.
pub(crate) fn apply(node: &NodeProto, inputs: &[&Value]) -> Outcome {
    let with = |known: &[&str]| Attributes::of(node, known);
    match node.op_type.as_str() {
        "Identity" => with(&[]).and_then(|_| same(inputs, 1)),
        "Relu" => with(&[]).and_then(|_| same(inputs, 1)),
        "HardSwish" => with(&[]).and_then(|_| same(inputs, 4)),
        "Sigmoid" | "Tanh" | "Exp" => with(&[]).and_then(|_| same(inputs, EXP_WORK)),
        "LeakyRelu" => with(&["alpha"]).and_then(|told| told.float("alpha")).and_then(|()| same(inputs, 2)),
        "HardSigmoid" => {
            let told = with(&["alpha", "beta"])?;
            told.float("alpha").and_then(|()| told.float("beta")).and_then(|()| same(inputs, 3))
        }
        "Clip" => with(&[]).and_then(|_| clip(inputs)),
        "Add" | "Sub" | "Mul" | "Div" => with(&[]).and_then(|_| broadcast(inputs)),
        "Conv" => conv(inputs, &with(&["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?),
        "MaxPool" => {
            let told =
                with(&["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"])?;
            told.must_be("storage_order", 0).and_then(|()| pool(inputs, &told))
        }
        "AveragePool" => {
            let told = with(&["auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"])?;
            told.integer("count_include_pad", 0).and_then(|_| pool(inputs, &told))
        }
        "GlobalAveragePool" => with(&[]).and_then(|_| global_pool(inputs)),
        "BatchNormalization" => normalise(inputs, &with(&["epsilon", "momentum", "training_mode"])?),
        "MatMul" => with(&[]).and_then(|_| matmul(inputs)),
        "Gemm" => gemm(inputs, &with(&["alpha", "beta", "transA", "transB"])?),
        "Concat" => concat(inputs, &with(&["axis"])?),
        "Reshape" => reshape(inputs, &with(&["allowzero"])?),
        "Flatten" => flatten(inputs, &with(&["axis"])?),
        "Transpose" => transpose(inputs, &with(&["perm"])?),
        "Softmax" => {
            let told = with(&["axis"])?;
            let input = one(inputs)?;
            axis(told.integer("axis", -1)?, input.as_floats()?.len())?;
            same(inputs, EXP_WORK + 4)
        }
        "Slice" => with(&[]).and_then(|_| slice(inputs)),
        "ReduceMax" => reduce_max(inputs, &with(&["axes", "keepdims"])?),
        "ArgMax" => arg_max(inputs, &with(&["axis", "keepdims", "select_last_index"])?),
        "Cast" => {
            let told = with(&["to"])?;
            told.must_be("to", 1)?;
            let input = one(inputs)?;
            made(input.shape.clone(), input.elements() as u64)
        }
        other => {
            Err(format!("the operation `{}` is not among those that a model may have", crate::graph::shown(other)))
        }
    }
}

fn made(shape: Vec<usize>, work: u64) -> Outcome {
    let elements = crate::value::check_shape(&shape)? as u64;
    let work = work.max(elements);
    if work > NODE_WORK_MAX {
        return Err(format!("it takes {work} steps; one operation may take {NODE_WORK_MAX}"));
    }
    Ok(Step { value: Value::floats(shape), work })
}

fn one<'a>(inputs: &[&'a Value]) -> Result<&'a Value, String> {
    match inputs {
        [input] => Ok(input),
        _ => Err(format!("{} inputs; one is expected", inputs.len())),
    }
}

fn same(inputs: &[&Value], work: u64) -> Outcome {
    let input = one(inputs)?;
    made(input.as_floats()?.to_vec(), work * input.elements() as u64)
}

fn clip(inputs: &[&Value]) -> Outcome {
    let [input, bounds @ ..] = inputs else { return Err("an input is missing".to_owned()) };
    if bounds.len() > 2 || bounds.iter().any(|bound| !bound.constant || bound.as_floats() != Ok(&[])) {
        return Err("its bounds must be single numbers in the file".to_owned());
    }
    same(&[input], 2)
}

/// The shape of two things that are added: sides of 1 are repeated.
fn broadcast(inputs: &[&Value]) -> Outcome {
    let [one, other] = inputs else { return Err(format!("{} inputs; two are expected", inputs.len())) };
    let shape = broadcast_shapes(one.as_floats()?, other.as_floats()?)?;
    made(shape, 0)
}

fn broadcast_shapes(one: &[usize], other: &[usize]) -> Result<Vec<usize>, String> {
    let rank = one.len().max(other.len());
    let side = |shape: &[usize], index: usize| {
        (index + shape.len()).checked_sub(rank).and_then(|index| shape.get(index)).copied().unwrap_or(1)
    };
    let sides = (0..rank).map(|index| match (side(one, index), side(other, index)) {
        (a, b) if a == b => Ok(a),
        (1, b) => Ok(b),
        (a, 1) => Ok(a),
        _ => Err(format!("shapes {one:?} and {other:?} do not go together")),
    });
    sides.collect()
}

/// An axis as the file says it, from the end when it is below 0.
fn axis(index: i64, rank: usize) -> Result<usize, String> {
    let from_front = if index < 0 { index + rank as i64 } else { index };
    let found = usize::try_from(from_front).ok().filter(|index| *index < rank);
    found.ok_or_else(|| format!("the axis {index} of {rank}"))
}

/// Two numbers from 1 to [`KERNEL_MAX`], for down and across.
fn pair(list: Option<&[i64]>, default: [usize; 2], name: &str) -> Result<[usize; 2], String> {
    let Some(list) = list else { return Ok(default) };
    let good = |value: i64| usize::try_from(value).ok().filter(|value| (1..=KERNEL_MAX).contains(value));
    match list {
        [down, across] => good(*down).zip(good(*across)).map(|(down, across)| [down, across]),
        _ => None,
    }
    .ok_or_else(|| {
        format!("`{name}` is {:?}; two numbers from 1 to {KERNEL_MAX} are expected", &list[..list.len().min(4)])
    })
}

/// Sides of what a window of `kernel` that moves over a picture gives.
fn window(picture: [usize; 2], kernel: [usize; 2], told: &Attributes<'_>) -> Result<[usize; 2], String> {
    if told.get("auto_pad", AttributeType::String)?.is_some_and(|attribute| attribute.s != b"NOTSET") {
        return Err("`auto_pad` is not read here; write `pads`".to_owned());
    }
    let strides = pair(told.list("strides")?, [1, 1], "strides")?;
    let dilations = pair(told.list("dilations")?, [1, 1], "dilations")?;
    let pads = match told.list("pads")? {
        None => [0; 4],
        Some(list) => {
            let pads: Option<Vec<usize>> =
                list.iter().map(|pad| usize::try_from(*pad).ok().filter(|pad| *pad <= KERNEL_MAX)).collect();
            let pads = pads.and_then(|pads| <[usize; 4]>::try_from(pads).ok());
            pads.ok_or_else(|| format!("`pads` are not four numbers from 0 to {KERNEL_MAX}"))?
        }
    };
    let side = |index: usize| {
        let covered = (kernel[index] - 1) * dilations[index] + 1;
        if pads[index] >= covered || pads[index + 2] >= covered {
            return Err("`pads` are wider than the kernel".to_owned());
        }
        let room = (picture[index] + pads[index] + pads[index + 2]).checked_sub(covered);
        room.map(|room| room / strides[index] + 1).ok_or_else(|| "the kernel is larger than the picture".to_owned())
    };
    Ok([side(0)?, side(1)?])
}

fn picture(shape: &[usize]) -> Result<(usize, [usize; 2]), String> {
    match shape {
        [1, channels, down, across] => Ok((*channels, [*down, *across])),
        _ => Err(format!("the shape {shape:?}; one picture (1, channels, down, across) is expected")),
    }
}

fn conv(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    let [input, weights, bias @ ..] = inputs else { return Err("an input is missing".to_owned()) };
    let (channels, size) = picture(input.as_floats()?)?;
    let [out, of_group, down, across] = weights.as_floats()? else {
        return Err("its weights have no four dimensions".to_owned());
    };
    let group = usize::try_from(told.integer("group", 1)?).unwrap_or(0);
    let fits =
        group > 0 && channels.is_multiple_of(group) && out.is_multiple_of(group) && channels / group == *of_group;
    let biases = match bias {
        [] => true,
        [bias] => bias.constant && bias.as_floats()? == [*out],
        _ => false,
    };
    if !fits || !biases || !weights.constant {
        return Err("weights, biases and groups do not go together".to_owned());
    }
    let kernel = pair(told.list("kernel_shape")?, [*down, *across], "kernel_shape")?;
    if kernel != [*down, *across] || kernel.iter().any(|side| *side > KERNEL_MAX) {
        return Err(format!("a kernel of {down} by {across}; at most {KERNEL_MAX} and as `kernel_shape` says"));
    }
    let [rows, columns] = window(size, kernel, told)?;
    let seen = (of_group * down * across) as u64;
    let places = (rows * columns) as u64;
    let laid_out = places.saturating_mul(seen).saturating_mul(group as u64);
    if laid_out > COLUMNS_MAX {
        return Err(format!("it looks at {laid_out} numbers at once; at most {COLUMNS_MAX} are allowed"));
    }
    made(vec![1, *out, rows, columns], places.saturating_mul(seen).saturating_mul(*out as u64))
}

fn pool(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    let (channels, size) = picture(one(inputs)?.as_floats()?)?;
    told.must_be("ceil_mode", 0)?;
    let kernel = told.list("kernel_shape")?.ok_or_else(|| "`kernel_shape` is missing".to_owned())?;
    let kernel = pair(Some(kernel), [1, 1], "kernel_shape")?;
    let [rows, columns] = window(size, kernel, told)?;
    let seen = (kernel[0] * kernel[1]) as u64;
    made(vec![1, channels, rows, columns], seen.saturating_mul((channels * rows * columns) as u64))
}

fn global_pool(inputs: &[&Value]) -> Outcome {
    let input = one(inputs)?;
    let (channels, _) = picture(input.as_floats()?)?;
    made(vec![1, channels, 1, 1], input.elements() as u64)
}

fn normalise(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    told.must_be("training_mode", 0)?;
    told.float("epsilon")?;
    told.float("momentum")?;
    let [input, numbers @ ..] = inputs else { return Err("an input is missing".to_owned()) };
    let (channels, _) = picture(input.as_floats()?)?;
    if numbers.len() != 4 || numbers.iter().any(|value| !value.constant || value.as_floats() != Ok(&[channels])) {
        return Err(format!("scale, bias, mean and variance of {channels} channels are expected in the file"));
    }
    same(&[input], 2)
}

fn matmul(inputs: &[&Value]) -> Outcome {
    let [one, other] = inputs else { return Err(format!("{} inputs; two are expected", inputs.len())) };
    let ([batch @ .., rows, inner], [batches @ .., same, columns]) = (one.as_floats()?, other.as_floats()?) else {
        return Err("two matrices are expected".to_owned());
    };
    if inner != same || !(batch == batches || batches.is_empty()) {
        return Err(format!("shapes {:?} and {:?} do not go together", one.shape, other.shape));
    }
    let mut shape = batch.to_vec();
    shape.extend([*rows, *columns]);
    let elements = crate::value::check_shape(&shape)? as u64;
    made(shape, elements.saturating_mul(*inner as u64))
}

fn gemm(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    told.float("alpha")?;
    told.float("beta")?;
    let [one, other, bias @ ..] = inputs else { return Err("an input is missing".to_owned()) };
    let matrix = |value: &Value, flag: &str| match (value.as_floats()?, told.integer(flag, 0)?) {
        ([rows, columns], 0) => Ok((*rows, *columns)),
        ([rows, columns], 1) => Ok((*columns, *rows)),
        _ => Err("two matrices are expected".to_owned()),
    };
    let ((rows, inner), (same, columns)) = (matrix(one, "transA")?, matrix(other, "transB")?);
    let fits = match bias {
        [] => true,
        [bias] => broadcast_shapes(bias.as_floats()?, &[rows, columns])? == [rows, columns],
        _ => false,
    };
    if inner != same || !fits {
        return Err(format!("shapes {:?} and {:?} do not go together", one.shape, other.shape));
    }
    let elements = crate::value::check_shape(&[rows, columns])? as u64;
    made(vec![rows, columns], elements.saturating_mul(inner as u64))
}

fn concat(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    let Some(first) = inputs.first() else { return Err("an input is missing".to_owned()) };
    let mut shape = first.as_floats()?.to_vec();
    let axis = axis(told.get("axis", AttributeType::Int)?.map_or(i64::MAX, |told| told.i), shape.len())?;
    for input in &inputs[1..] {
        let other = input.as_floats()?;
        let agree = other.len() == shape.len()
            && shape.iter().zip(other).enumerate().all(|(index, (one, other))| index == axis || one == other);
        if !agree {
            return Err(format!("shapes {shape:?} and {other:?} do not go together"));
        }
        shape[axis] = shape[axis].saturating_add(other[axis]);
    }
    made(shape, 0)
}

fn reshape(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    told.must_be("allowzero", 0)?;
    let [input, wanted] = inputs else { return Err("an input is missing".to_owned()) };
    let (shape, wanted) = (input.as_floats()?, wanted.as_list()?);
    let elements = input.elements();
    let mut open = None;
    let mut sides = Vec::with_capacity(wanted.len());
    for (index, side) in wanted.iter().enumerate() {
        sides.push(match *side {
            -1 if open.is_none() => {
                open = Some(index);
                1
            }
            0 => *shape.get(index).ok_or_else(|| "a side of the new shape is 0".to_owned())?,
            side => usize::try_from(side).map_err(|_| format!("the new shape {wanted:?} is none"))?,
        });
    }
    let known = crate::value::check_shape(&sides)?;
    if let Some(open) = open {
        sides[open] = elements / known;
    }
    if crate::value::check_shape(&sides)? != elements {
        return Err(format!("the new shape {wanted:?} does not hold the numbers of {shape:?}"));
    }
    made(sides, 0)
}

fn flatten(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    let shape = one(inputs)?.as_floats()?;
    let axis = axis(told.integer("axis", 1)?, shape.len() + 1)?;
    let (front, back) = shape.split_at(axis);
    made(vec![front.iter().product(), back.iter().product()], 0)
}

fn transpose(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    let shape = one(inputs)?.as_floats()?;
    let order = told.list("perm")?.ok_or_else(|| "`perm` is missing".to_owned())?;
    let axes: Result<Vec<usize>, String> = order.iter().map(|index| axis(*index, shape.len())).collect();
    let axes = axes?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted != (0..shape.len()).collect::<Vec<_>>() {
        return Err("`perm` is no order of the axes".to_owned());
    }
    made(axes.iter().map(|index| shape[*index]).collect(), 0)
}

fn slice(inputs: &[&Value]) -> Outcome {
    let [input, starts, ends, rest @ ..] = inputs else { return Err("an input is missing".to_owned()) };
    let (mut shape, starts, ends) = (input.as_floats()?.to_vec(), starts.as_list()?, ends.as_list()?);
    let axes: Vec<i64> = match rest.first() {
        Some(axes) => axes.as_list()?.to_vec(),
        None => (0..starts.len() as i64).collect(),
    };
    let steps = rest.get(1).map(|steps| steps.as_list()).transpose()?;
    let steps_fit = steps.is_none_or(|steps| steps.len() == axes.len() && steps.iter().all(|step| *step == 1));
    if rest.len() > 2 || starts.len() != axes.len() || ends.len() != axes.len() || !steps_fit {
        return Err("starts, ends and axes of one length are expected, and steps of 1".to_owned());
    }
    let mut cut = Vec::new();
    for ((index, start), end) in axes.iter().zip(starts).zip(ends) {
        let index = axis(*index, shape.len())?;
        if cut.contains(&index) {
            return Err("an axis is cut twice".to_owned());
        }
        cut.push(index);
        let side = shape[index] as i64;
        let place = |at: i64| if at < 0 { at.saturating_add(side) } else { at }.clamp(0, side);
        shape[index] = usize::try_from(place(*end) - place(*start)).unwrap_or(0);
    }
    made(shape, 0)
}

/// The shape without an axis, or with a side of 1 in its place.
fn without(shape: &[usize], axis: usize, keep: i64) -> Result<Vec<usize>, String> {
    let mut shape = shape.to_vec();
    match keep {
        0 => drop(shape.remove(axis)),
        1 => shape[axis] = 1,
        _ => return Err("`keepdims` is neither 0 nor 1".to_owned()),
    }
    Ok(shape)
}

fn reduce_max(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    let input = one(inputs)?;
    let shape = input.as_floats()?;
    let Some([along]) = told.list("axes")? else { return Err("one axis is expected in `axes`".to_owned()) };
    made(without(shape, axis(*along, shape.len())?, told.integer("keepdims", 1)?)?, input.elements() as u64)
}

fn arg_max(inputs: &[&Value], told: &Attributes<'_>) -> Outcome {
    told.must_be("select_last_index", 0)?;
    let input = one(inputs)?;
    let shape = input.as_floats()?;
    let along = axis(told.integer("axis", 0)?, shape.len())?;
    let result = made(without(shape, along, told.integer("keepdims", 1)?)?, input.elements() as u64)?;
    Ok(Step { value: Value { kind: Kind::Integers(None), ..result.value }, ..result })
}
