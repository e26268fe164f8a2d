use proptest::prelude::*;
use pulp::Arch;

use super::activation::Activation;
use super::conv::Conv;
use super::depthwise::Depthwise;
use super::grid::{Grid, Shape};
use super::ops::Upsampling;
use super::window::{Window, groups};
use super::*;

/// The machine's instructions, and those that most have.
fn archs() -> Vec<Arch> {
    let mut archs = vec![Arch::new()];
    #[cfg(target_arch = "x86_64")]
    archs.extend(pulp::x86::V3::try_new().map(Arch::V3));
    archs.push(Arch::Scalar);
    archs
}

/// Numbers from -1 to 1 that follow from a seed.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn shape(height: usize, width: usize, channels: usize) -> Shape {
    Shape {
        height,
        width,
        channels,
    }
}

/// A grid of numbers, in a buffer that was used.
fn grid(shape: Shape, border: usize, seed: u64) -> Grid {
    let used = grid::aligned(&[f32::NAN; 1 << 16]);
    let mut grid = Grid::new(shape, border, &mut vec![used]).unwrap();
    let pitch = shape.width * shape.channels;
    let values = numbers(seed, shape.height * pitch);
    grid.rows(|y, row| row.copy_from_slice(&values[y * pitch..][..pitch]));
    grid
}

/// A value of a grid; outside of it, nothing.
fn at(grid: &Grid, y: isize, x: isize, channel: usize) -> Option<f32> {
    let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
    let inside = y < grid.shape.height && x < grid.shape.width;
    inside.then(|| grid.row(y)[x * grid.shape.channels + channel])
}

/// What lies beneath a window at a place: (tap, value); `None` in its pads.
fn beneath(
    grid: &Grid,
    window: &Window,
    (y, x): (usize, usize),
    channel: usize,
) -> Vec<(usize, Option<f32>)> {
    let [height, width] = window.kernel;
    let taps = (0..height).flat_map(|ky| (0..width).map(move |kx| (ky, kx)));
    taps.map(|(ky, kx)| {
        let y = (y * window.stride[0] + ky) as isize - window.pads[0] as isize;
        let x = (x * window.stride[1] + kx) as isize - window.pads[1] as isize;
        (ky * width + kx, at(grid, y, x, channel))
    })
    .collect()
}

/// Checks every value of a grid against a function of its place.
fn check(grid: &Grid, expected: impl Fn(usize, usize, usize) -> f32) {
    for y in 0..grid.shape.height {
        for x in 0..grid.shape.width {
            for channel in 0..grid.shape.channels {
                let found = at(grid, y as isize, x as isize, channel).unwrap();
                let expected = expected(y, x, channel);
                // Sums of thousands, in another order.
                let close = (found - expected).abs() < 1e-4 * expected.abs().max(1.0);
                assert!(close, "{y} {x} {channel}: {found} instead of {expected}");
            }
        }
    }
    let border: f32 = grid.all()[..grid.border * grid.pitch()].iter().sum();
    assert_eq!(border, 0.0);
}

fn windows() -> impl Strategy<Value = Window> {
    let side = || (1usize..8, 1usize..4, 0usize..4, 0usize..4);
    (side(), side()).prop_map(|(down, across)| Window {
        kernel: [down.0, across.0],
        stride: [down.1, across.1],
        pads: [
            down.2.min(down.0 - 1),
            across.2.min(across.0 - 1),
            down.3.min(down.0 - 1),
            across.3.min(across.0 - 1),
        ],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn convolutions_sum_products(
        window in windows(),
        (height, width) in (7usize..14, 7usize..20),
        sources in prop::collection::vec(1usize..20, 1..3),
        channels in 1usize..70,
        more in 0usize..3,
        (added, seed) in (any::<bool>(), any::<u64>()),
    ) {
        let border = window.border() + more;
        let grids: Vec<Grid> = sources.iter().enumerate().map(|(i, c)| {
            grid(shape(height, width, *c), border, seed ^ i as u64)
        }).collect();
        let inputs: Vec<&Grid> = grids.iter().collect();
        let depth: usize = sources.iter().sum();
        let weights = numbers(seed ^ 7, window.kernel[0] * window.kernel[1] * depth * channels);
        let biases = numbers(seed ^ 9, channels);
        let size = window.places(inputs[0].shape, channels).unwrap();
        let add = added.then(|| grid(size, 0, seed ^ 11));
        for arch in archs() {
            let tensors = (&*weights, &*biases);
            let conv = Conv::new(arch, window, sources.clone(), Activation::Relu, tensors).unwrap();
            let mut out = grid(size, 1, 1);
            conv.run(arch, &inputs, add.as_ref(), &mut out);
            check(&out, |y, x, channel| {
                let mut sum = f64::from(biases[channel]);
                let mut before = 0;
                for input in &inputs {
                    for c in 0..input.shape.channels {
                        for (tap, value) in beneath(input, &window, (y, x), c) {
                            let weight = (tap * depth + before + c) * channels + channel;
                            sum += f64::from(value.unwrap_or(0.0) * weights[weight]);
                        }
                    }
                    before += input.shape.channels;
                }
                let more = add.as_ref().and_then(|g| at(g, y as isize, x as isize, channel));
                sum.max(0.0) as f32 + more.unwrap_or(0.0)
            });
        }
    }

    #[test]
    fn depthwise_convolutions_keep_channels_apart(
        window in windows(),
        (height, width) in (7usize..14, 7usize..20),
        channels in prop::sample::select(vec![1, 5, 8, 16, 24, 48]),
        seed in any::<u64>(),
    ) {
        let input = grid(shape(height, width, channels), window.border(), seed);
        let taps = window.kernel[0] * window.kernel[1];
        let (weights, biases) = (numbers(seed ^ 7, taps * channels), numbers(seed ^ 9, channels));
        let size = window.places(input.shape, channels).unwrap();
        for arch in archs() {
            let depthwise = Depthwise::new(window, channels, weights.clone(), biases.clone()).unwrap();
            let mut out = grid(size, 2, 1);
            depthwise.run(arch, &input, &mut out);
            check(&out, |y, x, channel| {
                let taps = beneath(&input, &window, (y, x), channel).into_iter();
                let products = taps.map(|(tap, v)| v.unwrap_or(0.0) * weights[tap * channels + channel]);
                biases[channel] + products.sum::<f32>()
            });
        }
    }

    #[test]
    fn pools_take_the_largest_and_the_mean(
        window in windows(),
        (height, width, channels) in (7usize..14, 7usize..14, 1usize..20),
        seed in any::<u64>(),
    ) {
        let input = grid(shape(height, width, channels), 1, seed);
        let mut out = grid(window.places(input.shape, channels).unwrap(), 1, 1);
        ops::max_pool(Arch::new(), &window, &input, &mut out);
        check(&out, |y, x, channel| {
            let taps = beneath(&input, &window, (y, x), channel).into_iter();
            taps.filter_map(|(_, v)| v).fold(f32::NEG_INFINITY, f32::max)
        });
        let blocks = Window { stride: window.kernel, pads: [0; 4], ..window };
        let mean = |taps: Vec<(usize, Option<f32>)>| {
            taps.iter().filter_map(|(_, v)| *v).sum::<f32>() / taps.len() as f32
        };
        let mut out = grid(blocks.places(input.shape, channels).unwrap(), 1, 1);
        ops::average_pool(Arch::new(), blocks.kernel, &input, &mut out);
        check(&out, |y, x, channel| mean(beneath(&input, &blocks, (y, x), channel)));
        let all = Window { kernel: [height, width], ..blocks };
        let mut out = grid(shape(1, 1, channels), 0, 1);
        ops::global_average(Arch::new(), &input, &mut out);
        check(&out, |_, _, channel| mean(beneath(&input, &all, (0, 0), channel)));
    }

    #[test]
    fn sums_products_and_enlargements(
        (height, width, channels) in (1usize..6, 1usize..6, 1usize..20),
        (factor, linear, added, gated) in (1usize..5, any::<bool>(), any::<bool>(), any::<bool>()),
        seed in any::<u64>(),
    ) {
        let arch = Arch::new();
        let input = grid(shape(height, width, channels), 1, seed);
        let gate = grid(shape(1, 1, channels), 0, seed ^ 3);
        let large = shape(height * factor, width * factor, channels);
        let add = grid(large, 2, seed ^ 5);
        let value = |g: &Grid, y: usize, x: usize, c| at(g, y as isize, x as isize, c).unwrap();
        let mut out = grid(large, 1, 1);
        ops::scale(arch, &add, &gate, &mut out);
        check(&out, |y, x, c| value(&add, y, x, c) * value(&gate, 0, 0, c));
        let mut twice = grid(large, 1, 1);
        ops::sum(arch, &add, &out, &mut twice);
        check(&twice, |y, x, c| value(&add, y, x, c) + value(&out, y, x, c));
        let upsampling = Upsampling {
            factor,
            linear,
            add: added.then_some(&add),
            gate: (added && gated).then_some(&gate),
        };
        upsampling.run(arch, &input, &mut out);
        check(&out, |y, x, c| {
            // Both of two neighbours, by how near they are.
            let between = |place: usize, length: usize| {
                let at = (place as f32 + 0.5) / factor as f32 - 0.5;
                let (first, part) = (at.floor(), at - at.floor());
                let inside = |at: f32| at.clamp(0.0, (length - 1) as f32) as usize;
                [(inside(first), 1.0 - part), (inside(first + 1.0), part)]
            };
            let mut sum = 0.0;
            match linear {
                true => for (y, down) in between(y, height) {
                    for (x, across) in between(x, width) {
                        sum += value(&input, y, x, c) * down * across;
                    }
                },
                false => sum = value(&input, y / factor, x / factor, c),
            }
            let by = if gated { value(&gate, 0, 0, c) } else { 1.0 };
            sum + if added { value(&add, y, x, c) * by } else { 0.0 }
        });
    }

    #[test]
    fn spread_pixels_lie_beside_each_other(
        (height, width, channels) in (1usize..6, 1usize..6, 1usize..20), seed in any::<u64>(),
    ) {
        let input = grid(shape(height, width, 4 * channels), 1, seed);
        let mut out = grid(shape(2 * height, 2 * width, channels), 1, 1);
        ops::spread(&input, &mut out);
        check(&out, |y, x, c| {
            let channel = ((y % 2) * 2 + x % 2) * channels + c;
            at(&input, (y / 2) as isize, (x / 2) as isize, channel).unwrap()
        });
    }

    #[test]
    fn groups_cover_all(length in 0usize..100, most in 1usize..9) {
        let mut next = 0;
        for (first, count) in groups(length, most) {
            prop_assert!(first == next && count <= most && (count > 0 || length == 0));
            next += count;
        }
        prop_assert_eq!(next, length);
    }

    #[test]
    fn a_damaged_file_is_an_error_or_runs(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut file = small(PLAN);
        let at = at.index(file.len());
        file[at] = byte;
        if let Ok(network) = Network::load(&file) {
            let _ = network.run(6, 8, &[0.5; 6 * 8 * 3]);
        }
    }
}

#[test]
fn activations_are_close() {
    let values: Vec<f32> = (-2000..2001).map(|i| i as f32 * 0.005).collect();
    // erf by its series, or what is left of 1.
    let erf = |x: f64| {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        match x.abs() < 4.0 {
            true => sum * 2.0 / std::f64::consts::PI.sqrt(),
            false => x.signum(),
        }
    };
    type Exact<'a> = &'a dyn Fn(f64) -> f64;
    let hard = Activation::HardSigmoid {
        alpha: 0.2,
        beta: 0.5,
        plus: 1.0,
    };
    let cases: [(Activation, Exact); 5] = [
        (Activation::Gelu, &|x| {
            x / 2.0 * (1.0 + erf(x / 2f64.sqrt()))
        }),
        (Activation::Sigmoid, &|x| 1.0 / (1.0 + (-x).exp())),
        (Activation::Relu, &|x| x.max(0.0)),
        (Activation::LeakyRelu { alpha: 0.1 }, &|x| x.max(x * 0.1)),
        (hard, &|x| (0.2 * x + 0.5).clamp(0.0, 1.0) + 1.0),
    ];
    for (activation, exact) in cases {
        for arch in archs() {
            let mut found = values.clone();
            arch.dispatch(Apply(activation, &mut found));
            for (x, found) in values.iter().zip(found) {
                let expected = exact(f64::from(*x));
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error < 1e-6,
                    "{activation:?} of {x}: {found}, {error:e} off"
                );
            }
        }
    }
}

struct Apply<'a>(Activation, &'a mut [f32]);

impl pulp::WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        self.0.apply(simd, self.1);
    }
}

/// A plan with some of everything.
const PLAN: &str = r#"{"values":10,"outputs":[8,9],"steps":[
    {"op":"conv","in":[0],"weight":"w","bias":"b","kernel":[1,1],"stride":[1,1],"pads":[0,0,0,0],"act":{"kind":"gelu"},"out":1},
    {"op":"max_pool","in":1,"kernel":[3,3],"stride":[2,2],"pads":[1,1,1,1],"out":2},
    {"op":"upsample","in":2,"factor":2,"mode":"linear","add":1,"out":3},
    {"op":"average_pool","in":3,"kernel":[2,2],"out":4},
    {"op":"add","in":[2,4],"out":5},
    {"op":"global_average","in":5,"out":6},
    {"op":"scale","in":5,"gate":6,"out":7},
    {"op":"sigmoid","in":7,"channels":2,"out":8},
    {"op":"spread","in":7,"out":9}]}"#;

/// A small file: weights from 3 to 4 channels, and a plan.
fn small(plan: &str) -> Vec<u8> {
    let half = |x: &f32| half::f16::from_f32(*x).to_le_bytes();
    let weights: Vec<u8> = numbers(3, 12).iter().flat_map(half).collect();
    let biases: Vec<u8> = numbers(5, 4).iter().flat_map(half).collect();
    let view = |shape, data| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F16, shape, data).unwrap()
    };
    let tensors = [
        ("w", view(vec![3, 4], &weights)),
        ("b", view(vec![4], &biases)),
    ];
    let metadata = [("plan".to_owned(), plan.to_owned())].into();
    safetensors::serialize(tensors, Some(metadata)).unwrap()
}

#[test]
fn a_plan_is_run() {
    let network = Network::load(&small(PLAN)).unwrap();
    let first = network.run(6, 8, &numbers(9, 6 * 8 * 3)).unwrap();
    let sizes: Vec<_> = first
        .iter()
        .map(|m| (m.height, m.width, m.channels))
        .collect();
    assert_eq!(sizes, [(3, 4, 4), (6, 8, 1)]);
    // The same in used buffers, after another size.
    network.run(10, 12, &[0.5; 10 * 12 * 3]).unwrap();
    assert_eq!(network.run(6, 8, &numbers(9, 6 * 8 * 3)).unwrap(), first);
}

#[test]
fn threads_change_nothing() {
    let network = Network::load(&small(PLAN)).unwrap();
    let pixels = numbers(9, 40 * 56 * 3);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build()
            .unwrap()
            .install(|| network.run(40, 56, &pixels).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn pictures_that_do_not_fit_are_errors() {
    let network = Network::load(&small(PLAN)).unwrap();
    assert!(network.run(6, 8, &[0.0; 7]).is_err());
    assert!(network.run(0, 0, &[]).is_err());
    assert!(network.run(usize::MAX, 2, &[]).is_err());
    // 5 pixels are pooled to 3 and enlarged to 6.
    assert!(network.run(5, 8, &[0.0; 5 * 8 * 3]).is_err());
}

#[test]
fn unsound_plans_are_errors() {
    let changes = [
        (r#""values":10"#, r#""values":5"#),
        (r#""values":10"#, r#""values":10000000000"#),
        (r#""outputs":[8,9]"#, r#""outputs":[8,77]"#),
        (r#""in":[0]"#, r#""in":[1]"#),
        (r#""in":[0]"#, r#""in":[]"#),
        (r#""in":[0]"#, r#""in":[0,0]"#),
        (r#""weight":"w""#, r#""weight":"b""#),
        (r#""kernel":[1,1]"#, r#""kernel":[0,1]"#),
        (r#""stride":[2,2]"#, r#""stride":[0,2]"#),
        (r#""pads":[1,1,1,1]"#, r#""pads":[3,1,1,1]"#),
        (r#""factor":2"#, r#""factor":0"#),
        (r#""in":[2,4]"#, r#""in":[2,0]"#),
        (r#""channels":2"#, r#""channels":5"#),
        (r#""op":"spread","in":7"#, r#""op":"spread","in":0"#),
        (r#""out":2"#, r#""out":1"#),
        (r#""op":"scale""#, r#""op":"jump""#),
    ];
    for (from, to) in changes {
        let plan = PLAN.replacen(from, to, 1);
        assert_ne!(plan, PLAN);
        assert!(Network::load(&small(&plan)).is_err(), "{to}");
    }
    assert!(Network::load(b"").is_err());
    assert!(Network::load(&small("")).is_err());
}
