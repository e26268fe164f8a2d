//! A file of weights and steps → steps that can be run.

use std::collections::HashMap;

use pulp::Arch;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::activation::Activation;
use super::conv::Conv;
use super::depthwise::Depthwise;
use super::window::Window;

/// Of the picture.
pub(super) const CHANNELS: usize = 3;
const LARGEST_FACTOR: usize = 64;
const MOST_VALUES: usize = 1 << 16;

/// The plan as the file has it.
#[derive(Deserialize)]
struct Described {
    values: usize,
    outputs: Vec<usize>,
    steps: Vec<DescribedStep>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum DescribedStep {
    Conv {
        r#in: Vec<usize>,
        weight: String,
        bias: String,
        #[serde(flatten)]
        window: Window,
        act: Activation,
        add: Option<usize>,
        out: usize,
    },
    Depthwise {
        r#in: usize,
        weight: String,
        bias: String,
        #[serde(flatten)]
        window: Window,
        out: usize,
    },
    MaxPool {
        r#in: usize,
        #[serde(flatten)]
        window: Window,
        out: usize,
    },
    AveragePool {
        r#in: usize,
        kernel: [usize; 2],
        out: usize,
    },
    GlobalAverage {
        r#in: usize,
        out: usize,
    },
    Scale {
        r#in: usize,
        gate: usize,
        out: usize,
    },
    Add {
        r#in: [usize; 2],
        out: usize,
    },
    Upsample {
        r#in: usize,
        factor: usize,
        mode: Mode,
        add: Option<usize>,
        gate: Option<usize>,
        out: usize,
    },
    Spread {
        r#in: usize,
        out: usize,
    },
    Sigmoid {
        r#in: usize,
        channels: usize,
        out: usize,
    },
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Nearest,
    Linear,
}

/// What a step does, and to which values.
pub(super) enum Op {
    Conv {
        conv: Conv,
        inputs: Vec<usize>,
        add: Option<usize>,
    },
    Depthwise(Depthwise, usize),
    MaxPool(Window, usize),
    AveragePool([usize; 2], usize),
    GlobalAverage(usize),
    Scale {
        input: usize,
        gate: usize,
    },
    Add([usize; 2]),
    Upsample {
        input: usize,
        factor: usize,
        linear: bool,
        add: Option<usize>,
        gate: Option<usize>,
    },
    Spread(usize),
    Sigmoid {
        input: usize,
        first: usize,
    },
}

impl Op {
    /// The values it reads.
    pub(super) fn reads(&self) -> Vec<usize> {
        match self {
            Self::Conv { inputs, add, .. } => inputs.iter().chain(add).copied().collect(),
            Self::Depthwise(_, input)
            | Self::MaxPool(_, input)
            | Self::AveragePool(_, input)
            | Self::GlobalAverage(input)
            | Self::Spread(input)
            | Self::Sigmoid { input, .. } => vec![*input],
            Self::Scale { input, gate } => vec![*input, *gate],
            Self::Add(inputs) => inputs.to_vec(),
            Self::Upsample {
                input, add, gate, ..
            } => std::iter::once(input)
                .chain(add)
                .chain(gate)
                .copied()
                .collect(),
        }
    }

    /// The border that what it slides over needs.
    fn border(&self) -> usize {
        match self {
            Self::Conv { conv, .. } => conv.window().border(),
            Self::Depthwise(depthwise, _) => depthwise.window().border(),
            _ => 0,
        }
    }
}

/// A step.
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) out: usize,
    /// Values that no later step reads.
    pub(super) last: Vec<usize>,
}

/// Steps that were checked: each reads what was made before, and has the weights for its channels.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) outputs: Vec<usize>,
    /// Of each value.
    pub(super) borders: Vec<usize>,
    /// Of each value.
    pub(super) channels: Vec<usize>,
}

impl Plan {
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn load(bytes: &[u8], arch: Arch) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let texts = metadata.metadata().as_ref();
        let text = texts.and_then(|m| m.get("plan")).ok_or("it has no plan")?;
        let plan: Described = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if plan.values > MOST_VALUES {
            return Err(format!("it has {} values", plan.values));
        }
        let mut builder = Builder {
            arch,
            tensors: SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?,
            channels: vec![None; plan.values],
        };
        builder.make(0, CHANNELS)?;
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (at, step) in plan.steps.into_iter().enumerate() {
            let (op, out) = builder.step(step).map_err(|e| format!("step {at}: {e}"))?;
            let last = Vec::new();
            steps.push(Step { op, out, last });
        }
        for output in &plan.outputs {
            builder.of(*output)?;
        }
        let channels = builder.channels.into_iter().map(Option::unwrap_or_default);
        let mut plan = Self {
            steps,
            outputs: plan.outputs,
            borders: vec![0; plan.values],
            channels: channels.collect(),
        };
        plan.follow();
        Ok(plan)
    }

    /// Finds when each value is read last, and what borders it needs.
    fn follow(&mut self) {
        let mut last = HashMap::new();
        for (at, step) in self.steps.iter().enumerate() {
            last.insert(step.out, at);
            for value in step.op.reads() {
                last.insert(value, at);
                self.borders[value] = self.borders[value].max(step.op.border());
            }
        }
        for (value, at) in last {
            if !self.outputs.contains(&value) {
                self.steps[at].last.push(value);
            }
        }
    }
}

/// Steps as they are checked.
struct Builder<'a> {
    arch: Arch,
    tensors: SafeTensors<'a>,
    /// Of the values that were made.
    channels: Vec<Option<usize>>,
}

impl Builder<'_> {
    /// The channels of a value.
    fn of(&self, value: usize) -> Result<usize, String> {
        let made = self.channels.get(value).copied().flatten();
        made.ok_or_else(|| format!("value {value} is not made before"))
    }

    /// All have the same channels; how many.
    fn same(&self, values: &[usize]) -> Result<usize, String> {
        let channels: Result<Vec<_>, _> = values.iter().map(|v| self.of(*v)).collect();
        match channels?[..] {
            [first, ref others @ ..] if others.iter().all(|c| *c == first) => Ok(first),
            ref channels => Err(format!("channels {channels:?} differ")),
        }
    }

    fn make(&mut self, value: usize, channels: usize) -> Result<(), String> {
        match self.channels.get_mut(value) {
            Some(made @ None) => *made = Some(channels),
            Some(_) => return Err(format!("value {value} is made twice")),
            None => return Err(format!("there is no value {value}")),
        }
        Ok(())
    }

    /// A tensor of the file as f32.
    fn tensor(&self, name: &str) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.tensor(name).map_err(|e| e.to_string())?;
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F16 => {
                let (halves, _) = data.as_chunks();
                Ok(halves
                    .iter()
                    .map(|b| half::f16::from_le_bytes(*b).to_f32())
                    .collect())
            }
            Dtype::F32 => {
                let (floats, _) = data.as_chunks();
                Ok(floats.iter().map(|b| f32::from_le_bytes(*b)).collect())
            }
            other => Err(format!("{name} is of {other:?}")),
        }
    }

    /// A step, and the value it makes.
    fn step(&mut self, step: DescribedStep) -> Result<(Op, usize), String> {
        let (op, out, channels) = match step {
            DescribedStep::Conv {
                r#in: inputs,
                weight,
                bias,
                window,
                act,
                add,
                out,
            } => {
                let sources: Result<Vec<_>, _> = inputs.iter().map(|v| self.of(*v)).collect();
                let tensors = (&*self.tensor(&weight)?, &*self.tensor(&bias)?);
                let conv = Conv::new(self.arch, window, sources?, act, tensors)?;
                let channels = conv.channels();
                if add
                    .map(|v| self.of(v))
                    .transpose()?
                    .is_some_and(|c| c != channels)
                {
                    return Err("other channels are added".into());
                }
                (Op::Conv { conv, inputs, add }, out, channels)
            }
            DescribedStep::Depthwise {
                r#in: input,
                weight,
                bias,
                window,
                out,
            } => {
                let channels = self.of(input)?;
                let (weights, biases) = (self.tensor(&weight)?, self.tensor(&bias)?);
                let depthwise = Depthwise::new(window, channels, weights, biases)?;
                (Op::Depthwise(depthwise, input), out, channels)
            }
            DescribedStep::MaxPool {
                r#in: input,
                window,
                out,
            } => {
                window.check()?;
                (Op::MaxPool(window, input), out, self.of(input)?)
            }
            DescribedStep::AveragePool {
                r#in: input,
                kernel,
                out,
            } => {
                factor(kernel[0])?;
                factor(kernel[1])?;
                (Op::AveragePool(kernel, input), out, self.of(input)?)
            }
            DescribedStep::GlobalAverage { r#in: input, out } => {
                (Op::GlobalAverage(input), out, self.of(input)?)
            }
            DescribedStep::Scale {
                r#in: input,
                gate,
                out,
            } => {
                let channels = self.same(&[input, gate])?;
                (Op::Scale { input, gate }, out, channels)
            }
            DescribedStep::Add { r#in: inputs, out } => (Op::Add(inputs), out, self.same(&inputs)?),
            DescribedStep::Upsample {
                r#in: input,
                factor: times,
                mode,
                add,
                gate,
                out,
            } => {
                factor(times)?;
                if gate.is_some() && add.is_none() {
                    return Err("nothing is scaled".into());
                }
                let op = Op::Upsample {
                    input,
                    factor: times,
                    linear: mode == Mode::Linear,
                    add,
                    gate,
                };
                let channels = self.same(&op.reads())?;
                (op, out, channels)
            }
            DescribedStep::Spread { r#in: input, out } => match self.of(input)? {
                channels if channels.is_multiple_of(4) => (Op::Spread(input), out, channels / 4),
                channels => return Err(format!("{channels} channels are spread")),
            },
            DescribedStep::Sigmoid {
                r#in: input,
                channels: first,
                out,
            } => match self.of(input)? {
                channels if first <= channels => (Op::Sigmoid { input, first }, out, channels),
                channels => return Err(format!("{first} of {channels} channels")),
            },
        };
        self.make(out, channels)?;
        Ok((op, out))
    }
}

fn factor(times: usize) -> Result<(), String> {
    match (1..=LARGEST_FACTOR).contains(&times) {
        true => Ok(()),
        false => Err(format!("{times} is no factor")),
    }
}
