//! Small convolutional networks, run one picture at a time.
//!
//! They come from models/plan.py as one file of weights and steps. Values are f32 with the channels last.

mod activation;
mod conv;
mod depthwise;
mod grid;
mod ops;
mod plan;
mod window;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use pulp::Arch;

use self::grid::{Grid, Line, Shape};
use self::ops::Upsampling;
use self::plan::{CHANNELS, Op, Plan, Step};

/// A network that was loaded.
pub struct Network {
    arch: Arch,
    plan: Plan,
    /// Buffers of earlier runs: fresh memory costs more than many a step.
    spare: Mutex<Vec<Vec<Vec<Line>>>>,
}

/// What a network makes: `[height, width, channels]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub values: Vec<f32>,
}

impl Network {
    /// From the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(bytes: &[u8]) -> Result<Self, String> {
        Self::load_for(bytes, Arch::new())
    }

    /// With other instructions than the machine's best.
    fn load_for(bytes: &[u8], arch: Arch) -> Result<Self, String> {
        Ok(Self {
            arch,
            plan: Plan::load(bytes, arch)?,
            spare: Mutex::default(),
        })
    }

    /// What it makes of a picture, `[height, width, 3]`. Large steps use the threads of the rayon pool it is run in.
    ///
    /// # Errors
    /// Where the picture has not the size it says, or one that the network does not take.
    pub fn run(&self, height: usize, width: usize, pixels: &[f32]) -> Result<Vec<Map>, String> {
        if height
            .checked_mul(width)
            .and_then(|n| n.checked_mul(CHANNELS))
            != Some(pixels.len())
        {
            return Err(format!("{} values for {width} x {height}", pixels.len()));
        }
        let spare = self.lock().pop().unwrap_or_default();
        let mut run = Run {
            network: self,
            values: self.plan.channels.iter().map(|_| None).collect(),
            spare,
        };
        run.picture(height, width, pixels)?;
        for step in &self.plan.steps {
            run.step(step)?;
        }
        let maps = self.plan.outputs.iter().map(|output| run.map(*output));
        let maps: Result<Vec<Map>, String> = maps.collect();
        self.lock().push(run.into_spare());
        maps
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Vec<Line>>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run of a network.
struct Run<'a> {
    network: &'a Network,
    values: Vec<Option<Grid>>,
    spare: Vec<Vec<Line>>,
}

impl Run<'_> {
    fn picture(&mut self, height: usize, width: usize, pixels: &[f32]) -> Result<(), String> {
        let shape = Shape {
            height,
            width,
            channels: CHANNELS,
        };
        let mut grid = Grid::new(shape, self.network.plan.borders[0], &mut self.spare)?;
        let pitch = width * CHANNELS;
        grid.rows(|y, row| row.copy_from_slice(&pixels[y * pitch..][..pitch]));
        self.values[0] = Some(grid);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let shape = self.shape(step)?;
        let border = self.network.plan.borders[step.out];
        let mut out = Grid::new(shape, border, &mut self.spare)?;
        self.fill(&step.op, &mut out)?;
        self.values[step.out] = Some(out);
        for value in &step.last {
            let gone = self.values[*value].take();
            self.spare.extend(gone.map(Grid::into_spare));
        }
        Ok(())
    }

    fn value(&self, value: usize) -> Result<&Grid, String> {
        self.values[value]
            .as_ref()
            .ok_or_else(|| format!("value {value} is gone"))
    }

    /// What a step makes; its inputs fit each other.
    fn shape(&self, step: &Step) -> Result<Shape, String> {
        let channels = self.network.plan.channels[step.out];
        let of = |value: &usize| Ok::<_, String>(self.value(*value)?.shape);
        let times = |shape: Shape, factor: usize| Shape {
            height: shape.height * factor,
            width: shape.width * factor,
            channels,
        };
        let gate = |gate: Shape| fits(gate, 1, 1);
        let shape = match &step.op {
            Op::Conv { conv, inputs, add } => {
                let first = of(&inputs[0])?;
                for input in inputs {
                    fits(of(input)?, first.height, first.width)?;
                }
                let shape = conv.window().places(first, channels)?;
                if let Some(add) = add {
                    fits(of(add)?, shape.height, shape.width)?;
                }
                shape
            }
            Op::Depthwise(depthwise, input) => depthwise.window().places(of(input)?, channels)?,
            Op::MaxPool(window, input) => window.places(of(input)?, channels)?,
            Op::AveragePool(kernel, input) => {
                let shape = of(input)?;
                Shape {
                    height: shape.height / kernel[0],
                    width: shape.width / kernel[1],
                    channels,
                }
            }
            Op::GlobalAverage(_) => Shape {
                height: 1,
                width: 1,
                channels,
            },
            Op::Scale { input, gate: by } => {
                gate(of(by)?)?;
                of(input)?
            }
            Op::Add([a, b]) => {
                let shape = of(a)?;
                fits(of(b)?, shape.height, shape.width)?;
                shape
            }
            Op::Upsample {
                input,
                factor,
                add,
                gate: by,
                ..
            } => {
                let shape = times(of(input)?, *factor);
                if let Some(add) = add {
                    fits(of(add)?, shape.height, shape.width)?;
                }
                if let Some(by) = by {
                    gate(of(by)?)?;
                }
                shape
            }
            Op::Spread(input) => times(of(input)?, 2),
            Op::Sigmoid { input, .. } => of(input)?,
        };
        Ok(shape)
    }

    fn fill(&self, op: &Op, out: &mut Grid) -> Result<(), String> {
        let arch = self.network.arch;
        let of = |value: &usize| self.value(*value);
        match op {
            Op::Conv { conv, inputs, add } => {
                let inputs: Result<Vec<&Grid>, String> = inputs.iter().map(of).collect();
                conv.run(arch, &inputs?, add.as_ref().map(of).transpose()?, out);
            }
            Op::Depthwise(depthwise, input) => depthwise.run(arch, of(input)?, out),
            Op::MaxPool(window, input) => ops::max_pool(arch, window, of(input)?, out),
            Op::AveragePool(kernel, input) => ops::average_pool(arch, *kernel, of(input)?, out),
            Op::GlobalAverage(input) => ops::global_average(arch, of(input)?, out),
            Op::Scale { input, gate } => ops::scale(arch, of(input)?, of(gate)?, out),
            Op::Add([a, b]) => ops::sum(arch, of(a)?, of(b)?, out),
            Op::Upsample {
                input,
                factor,
                linear,
                add,
                gate,
            } => {
                let upsampling = Upsampling {
                    factor: *factor,
                    linear: *linear,
                    add: add.as_ref().map(of).transpose()?,
                    gate: gate.as_ref().map(of).transpose()?,
                };
                upsampling.run(arch, of(input)?, out);
            }
            Op::Spread(input) => ops::spread(of(input)?, out),
            Op::Sigmoid { input, first } => ops::sigmoid(arch, *first, of(input)?, out),
        }
        Ok(())
    }

    fn map(&self, value: usize) -> Result<Map, String> {
        let grid = self.value(value)?;
        Ok(Map {
            height: grid.shape.height,
            width: grid.shape.width,
            channels: grid.shape.channels,
            values: grid.inside(),
        })
    }

    fn into_spare(mut self) -> Vec<Vec<Line>> {
        let left = self.values.into_iter().flatten();
        self.spare.extend(left.map(Grid::into_spare));
        self.spare
    }
}

/// Whether a grid has this size.
fn fits(shape: Shape, height: usize, width: usize) -> Result<(), String> {
    match (shape.height, shape.width) == (height, width) {
        true => Ok(()),
        false => Err(format!(
            "{} x {} meets {width} x {height}: such a picture cannot be looked at",
            shape.width, shape.height
        )),
    }
}
