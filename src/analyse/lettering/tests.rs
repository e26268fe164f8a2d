use serde::Deserialize;

use super::*;

/// What ONNX Runtime makes of sign.png (models/golden_lettering.py).
#[derive(Deserialize)]
struct Golden {
    width: u32,
    height: u32,
    /// x, y, and the probability there.
    map: Vec<(usize, usize, f32)>,
    /// Rows that are read as they are.
    top: usize,
    tall: usize,
    text: String,
    score: f32,
    /// Step, class and logit.
    logits: Vec<(usize, usize, f32)>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

fn sign() -> Pixels {
    let sign = image::load_from_memory(include_bytes!("sign.png")).unwrap();
    let sign = sign.into_rgb8();
    Pixels::new(sign.width(), sign.height(), sign.into_raw()).unwrap()
}

/// A picture turned by half a circle.
fn upside_down(pixels: &Pixels) -> Pixels {
    let (turned, _) = pixels.rgb().as_chunks::<3>();
    let turned = turned.iter().rev().flatten().copied().collect();
    Pixels::new(pixels.width(), pixels.height(), turned).unwrap()
}

/// A sign on a wall of a size, at a place.
fn wall(width: u32, height: u32, (left, top): (u32, u32)) -> Pixels {
    let sign = sign();
    let mut rgb = vec![120; (width * height * 3) as usize];
    for y in 0..sign.height() {
        let row = 3 * sign.width() as usize;
        let from = y as usize * row;
        let to = 3 * ((top + y) * width + left) as usize;
        rgb[to..to + row].copy_from_slice(&sign.rgb()[from..from + row]);
    }
    Pixels::new(width, height, rgb).unwrap()
}

#[test]
fn the_fingerprint_is_that_of_the_weights_and_the_rule() {
    let mut hasher = blake3::Hasher::new();
    hasher.update(LINES).update(WORDS).update(RULE);
    assert_eq!(&hasher.finalize().to_hex()[..32], FINGERPRINT);
}

#[test]
fn the_networks_put_out_what_onnx_runtime_does() {
    let (golden, ocr, sign) = (golden(), Ocr::builtin(), sign());
    let (map, width, height) = ocr.text_map(&sign, SIDE).unwrap();
    assert_eq!((width as u32, height as u32), (golden.width, golden.height));
    for (x, y, probability) in golden.map {
        let ours = map[y * width + x];
        assert!(
            (ours - probability).abs() < 2e-3,
            "{x},{y}: {ours} {probability}"
        );
    }
    // The rows that hold the letters, as they are.
    let row = 3 * width;
    let rows = &sign.rgb()[golden.top * row..(golden.top + golden.tall) * row];
    let rows = Pixels::new(golden.width, golden.tall as u32, rows.to_vec()).unwrap();
    let values = lines::pixels(&rows, rows.width(), rows.height()).unwrap();
    let channel = |c: usize| values.iter().skip(c).step_by(3).copied();
    let values = (0..3).flat_map(channel).collect();
    let shape = [1, 3, golden.tall, width];
    let run = networks().unwrap().words.run(&shape, values, &ocr.pool);
    let logits = run.unwrap();
    let classes = logits.shape()[2];
    let logits = logits.into_data();
    for (step, class, logit) in golden.logits {
        let ours = logits[step * classes + class];
        assert!(
            (ours - logit).abs() < 2e-2 * logit.abs().max(1.0),
            "{step},{class}: {ours} {logit}"
        );
    }
    let (text, score) = words::decode(&logits, classes);
    assert_eq!(text, golden.text);
    assert!(
        (score - golden.score).abs() < 5e-3,
        "{score} {}",
        golden.score
    );
}

#[test]
fn a_sign_is_read_where_it_is() {
    let ocr = Ocr::builtin();
    let read = ocr.read(&wall(1280, 720, (800, 400))).unwrap();
    let [line] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(line.text, "JCN 1234");
    assert!(line.score > 0.9 && line.score <= 1.0);
    let r = line.region;
    let inside = r.x >= 800 && r.y >= 400 && r.x + r.width <= 1024 && r.y + r.height <= 560;
    assert!(inside && r.width > 150 && r.height > 25, "{r:?}");
}

/// Nobody looks whether a line stands on its head: it may be missed, and must not become other words.
#[test]
fn upside_down_nothing_is_made_up() {
    let read = Ocr::builtin()
        .read(&upside_down(&wall(640, 360, (100, 100))))
        .unwrap();
    let other = read.iter().filter(|line| line.text != "JCN 1234");
    assert!(other.count() <= 1, "{read:?}");
}

#[test]
fn frames_of_any_shape_without_lettering_hold_none() {
    let ocr = Ocr::builtin();
    for (width, height) in [(1, 1), (10_000, 100), (3, 700), (33, 31)] {
        for value in [0, 255] {
            let frame = vec![value; (width * height * 3) as usize];
            let frame = Pixels::new(width, height, frame).unwrap();
            assert!(ocr.read(&frame).unwrap().is_empty());
            assert!(ocr.read_all(&frame).unwrap().is_empty());
        }
    }
    // Noise, as of a camera at night.
    let mut state = 1u32;
    let noise = (0..640 * 360 * 3).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise = Pixels::new(640, 360, noise.collect()).unwrap();
    assert!(ocr.read_all(&noise).unwrap().is_empty());
}
