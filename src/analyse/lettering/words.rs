//! What a line says: CTC, decoded greedily.

use std::sync::LazyLock;

/// The characters of classes 1 and on, one a line; class 0 is blank.
static CHARACTERS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let text = include_str!("../../../models/lettering-characters.txt");
    text.split_terminator('\n').collect()
});

/// The text, and the mean probability of its characters, of logits `[steps, classes]`.
pub(super) fn decode(logits: &[f32], classes: usize) -> (String, f32) {
    let (mut text, mut before) = (String::new(), 0);
    let (mut sum, mut count) = (0.0, 0);
    for step in logits.chunks_exact(classes) {
        let mut best = 0;
        for (class, value) in step.iter().enumerate() {
            if *value > step[best] {
                best = class;
            }
        }
        if best != 0 && best != before {
            text += CHARACTERS.get(best - 1).copied().unwrap_or_default();
            let others: f32 = step.iter().map(|v| (v - step[best]).exp()).sum();
            sum += 1.0 / others;
            count += 1;
        }
        before = best;
    }
    let score = if count > 0 { sum / count as f32 } else { 0.0 };
    (text.trim().to_owned(), score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_part_characters_and_repeats_are_one() {
        let class = |c: &str| CHARACTERS.iter().position(|k| *k == c).unwrap() + 1;
        let classes = CHARACTERS.len() + 1;
        let steps = [
            0,
            class("O"),
            class("O"),
            0,
            class("O"),
            class("K"),
            0,
            class(" "),
        ];
        let mut logits = vec![0.0; steps.len() * classes];
        for (n, best) in steps.into_iter().enumerate() {
            logits[n * classes + best] = 20.0;
        }
        let (text, score) = decode(&logits, classes);
        assert_eq!(text, "OOK");
        assert!(score > 0.999 && score <= 1.0);
        assert_eq!(decode(&[], classes), (String::new(), 0.0));
    }
}
