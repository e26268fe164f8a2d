use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, WINDOWS_1251, WINDOWS_1252};
use proptest::prelude::*;

use super::*;

fn texts(file: impl AsRef<[u8]>) -> Vec<String> {
    let read = parse(file.as_ref());
    assert_eq!(read.trouble, None, "{read:?}");
    read.lines.into_iter().map(|l| l.text).collect()
}

/// A SubRip file that says these, one a second.
fn srt(said: &[&str]) -> String {
    let mut file = String::new();
    for (n, said) in said.iter().enumerate() {
        let at = |s: usize| format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
        file += &format!(
            "{}\r\n{},000 --> {},000\r\n{said}\r\n\r\n",
            n + 1,
            at(n),
            at(n + 1)
        );
    }
    file
}

#[test]
fn subrip_is_read_as_players_do() {
    let read = parse(
        b"1\n00:00:01,500 --> 00:00:03,000 X1:10 X2:20\nA white <b>truck</b>\nat the gate\n\n\
        2\n00:00:04,000 --> 00:00:04,000\nafter an empty line\n\nstill the same\n\n\
        3\n00:00:05,000-->00:00:06,000\n10\n\n4\n0:00:07.5 --> 0:00:08\n\n\
        00:00:09,000 --> 00:00:10,000\nno number, go --> there\n6\n00:00:11,000 --> 00:00:12,000\nno empty line",
    );
    let said: Vec<_> = read
        .lines
        .iter()
        .map(|l| (l.start, l.end, l.text.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (1.5, 3.0, "A white truck at the gate"),
            (4.0, 7.0, "after an empty line still the same"),
            (5.0, 6.0, "10"),
            (9.0, 10.0, "no number, go --> there"),
            (11.0, 12.0, "no empty line"),
        ]
    );
    assert_eq!(read.trouble, None);
}

#[test]
fn a_number_at_the_end_is_text_only_where_it_is_said() {
    assert_eq!(texts("1\n00:01 --> 00:02\nten\n\n2"), ["ten"]);
    assert_eq!(texts("1\n00:01 --> 00:02\n10"), ["10"]);
    assert_eq!(texts("1\n00:01 --> 00:02\nnine,\n10\n"), ["nine, 10"]);
}

#[test]
fn webvtt_with_all_that_stands_between() {
    let file = "\u{feff}WEBVTT - a title\nKind: captions\n\n\
        STYLE\n::cue(b) {\n  color: red;\n}\n\nREGION\nid:fred\nwidth:40%\n\n\
        NOTE one line\n\nNOTE\nmore\nof them\n\n\
        intro\n00:01.000 --> 00:02.000 align:start position:10%\n<v Ann>Stop <c.loud>here</c>\n\n\
        00:00:03.000 --> 00:00:04.000\n- and &lt;wait&gt;\n\nnot said\n\n\
        01:00:00.000 --> 01:00:01.000\nlate";
    let read = parse(file.as_bytes());
    let said: Vec<_> = read
        .lines
        .iter()
        .map(|l| (l.start, l.text.as_str()))
        .collect();
    assert_eq!(
        said,
        [(1.0, "Stop here"), (3.0, "- and <wait>"), (3600.0, "late")]
    );
    assert_eq!(read.trouble, None);
}

#[test]
fn an_entry_without_a_time_costs_itself() {
    let bad =
        srt(&["one", "two", "three"]).replace("00:00:01,000 --> 00:00:02", "00:00:0x --> 00:00:02");
    let read = parse(bad.as_bytes());
    let said: Vec<_> = read.lines.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(said, ["one", "three"]);
    assert_eq!(
        read.trouble.as_deref(),
        Some("1 entry has no readable time")
    );
    let vtt = "WEBVTT\n\nsoon --> later\nno\n\n00:02.000 --> 00:03.000\nyes\n";
    let read = parse(vtt.as_bytes());
    assert_eq!((read.lines.len(), read.trouble.is_some()), (1, true));
}

#[test]
fn encodings_are_told_from_what_is_said() {
    let said: [(&[&str], &[&'static Encoding]); 6] = [
        (
            &[
                "一辆白色卡车停在门口",
                "现在请把栏杆打开，谢谢",
                "他走了，门还开着",
            ],
            &[UTF_8, GBK],
        ),
        (
            &[
                "一輛白色卡車停在門口",
                "現在請把欄杆打開，謝謝",
                "他走了，門還開著",
            ],
            &[UTF_8, BIG5],
        ),
        (
            &[
                "白いトラックが門の前に止まった",
                "ゲートを開けてください",
                "ありがとうございます",
            ],
            &[UTF_8, SHIFT_JIS],
        ),
        (
            &["하얀 트럭이 문 앞에 섰다", "문을 열어 주세요", "감사합니다"],
            &[UTF_8, EUC_KR],
        ),
        (
            &[
                "Белый грузовик у ворот",
                "Откройте, пожалуйста",
                "Спасибо большое",
            ],
            &[UTF_8, WINDOWS_1251],
        ),
        (
            &[
                "Le camion blanc s’arrête à l’entrée",
                "Où êtes-vous déjà ?",
                "Merci, ça ira très bien",
            ],
            &[UTF_8, WINDOWS_1252],
        ),
    ];
    for (said, encodings) in said {
        let file = srt(said);
        for encoding in encodings {
            let (bytes, _, failed) = encoding.encode(&file);
            assert!(!failed);
            assert_eq!(texts(&bytes), said, "{}", encoding.name());
        }
        assert_eq!(texts(format!("\u{feff}{file}")), said, "UTF-8 with a mark");
        let wide = |to: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}{file}")
                .encode_utf16()
                .flat_map(to)
                .collect()
        };
        for mark in ["", "\u{feff}"] {
            assert_eq!(texts(wide(u16::to_le_bytes, mark)), said);
            assert_eq!(texts(wide(u16::to_be_bytes, mark)), said);
        }
    }
}

#[test]
fn a_damaged_character_does_not_change_the_encoding() {
    let mut bytes = srt(&["一辆白色卡车停在门口", "他走了，门还开着"]).into_bytes();
    let at = bytes.iter().position(|b| *b >= 0x80).unwrap();
    bytes.remove(at);
    let said = texts(bytes);
    assert!(
        said[0].ends_with("辆白色卡车停在门口") && said[1] == "他走了，门还开着",
        "{said:?}"
    );
}

#[test]
fn what_says_nothing_is_told() {
    let trouble = |file: &[u8]| {
        let read = parse(file);
        assert!(read.lines.is_empty(), "{read:?}");
        read.trouble.unwrap()
    };
    assert!(trouble(b"").contains("empty"));
    for none in [
        &b"no subtitles\n"[..],
        b"WEBVTT\n\nNOTE only\n",
        b"[Script Info]\nTitle: x\n",
        &[0; 99],
    ] {
        assert!(trouble(none).contains("holds no subtitles"), "{none:?}");
    }
}

#[test]
fn more_than_there_can_be_is_cut_and_told() {
    // A line of 20 MB.
    let long = format!(
        "1\n00:00:01,000 --> 00:00:02,000\n{}",
        "gate ".repeat(4 << 20)
    );
    let read = parse(long.as_bytes());
    assert!(read.lines[0].text.chars().count() <= 2_000);
    let many = srt(&vec!["A car"; 20_001]);
    let read = parse(many.as_bytes());
    assert_eq!(read.lines.len(), 20_000);
    assert!(read.trouble.unwrap().contains("more than 20000 entries"));
    let page = "A page. ".repeat(300);
    let read = parse(srt(&[&page, "next"]).as_bytes());
    assert_eq!(read.lines[0].text.chars().count(), 2_000);
    assert_eq!(
        read.trouble.as_deref(),
        Some("1 entry cut after 2000 characters")
    );
    let read = parse("\n".repeat(1_100_000).as_bytes());
    assert!(read.trouble.unwrap().contains("more than 1000000 lines"));
    let much = srt(&vec![page.as_str(); 6_000]);
    let read = parse(much.as_bytes());
    let kept: usize = read.lines.iter().map(|l| l.text.len()).sum();
    assert!(kept < 9 << 20 && read.trouble.unwrap().contains("entries; those after"));
}

#[test]
fn a_file_too_large_for_subtitles_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.srt");
    let file = File::create(&path).unwrap();
    file.set_len(LARGEST + 1).unwrap();
    let refused = read(&path).unwrap_err();
    assert!(
        refused.to_string().contains("subtitle files up to"),
        "{refused}"
    );
    assert!(read(dir.path()).is_err());
}

/// What a line of a file may be, mostly what has a meaning there.
fn pieces() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "WEBVTT",
        "NOTE",
        "STYLE",
        "1",
        "42",
        "",
        "-->",
        "00:00:01,000 --> 00:00:02,000",
        "00:03.000 --> 00:02.000 align:start",
        "x --> y",
        "<i>",
        "</i>",
        "{\\an8}",
        "I <3 it",
        "{gate",
        "&lt;",
        "一辆车",
        "\u{feff}",
        "\r",
        "\0",
        "\u{1b}[2J",
        "<v ",
        "<00:01.000>",
    ];
    prop_oneof![
        prop::sample::select(KNOWN).prop_map(str::to_owned),
        "\\PC{0,8}",
        "[0-9:,.<>{} -]{0,20}"
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = is_text(&bytes);
        holds(&parse(&bytes))?;
    }

    #[test]
    fn any_text_is_read(pieces in prop::collection::vec(pieces(), 0..40), end in "\r?\n|\r|\r\r\n") {
        holds(&parse(pieces.join(&end).as_bytes()))?;
    }

    /// What is written is what is read, however lines end and however wide its characters are.
    #[test]
    fn what_is_written_is_read(
        said in prop::collection::vec("[a-zA-Z\u{e9}\u{4e00}-\u{4e20}<{][a-zA-Z \u{e9}\u{4e00}-\u{4e20}]{0,30}[a-z]", 1..20),
        vtt: bool,
        wide: bool,
        end in "\r?\n|\r",
    ) {
        let lines: Vec<&str> = said.iter().map(String::as_str).collect();
        let mut file = srt(&lines);
        if vtt {
            file = format!("WEBVTT\r\n\r\n{}", file.replace(",000", ".000"));
        }
        let file = file.replace("\r\n", &end);
        let read = match wide {
            true => parse(&file.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
            false => parse(file.as_bytes()),
        };
        let words = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected: Vec<String> = said.iter().map(|s| words(s)).collect();
        let found: Vec<String> = read.lines.iter().map(|l| l.text.clone()).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(read.trouble, None);
        prop_assert!(read.lines.iter().enumerate().all(|(n, l)| (l.start, l.end) == (n as f64, n as f64 + 1.0)));
    }
}

/// What holds of all files.
fn holds(read: &Subtitles) -> Result<(), TestCaseError> {
    prop_assert!(!read.lines.is_empty() || read.trouble.is_some());
    for line in &read.lines {
        prop_assert!(line.start >= 0.0 && line.end > line.start && line.end.is_finite());
        prop_assert!(!line.text.is_empty() && line.text.chars().count() <= 2_000);
        prop_assert!(!line.text.contains(char::is_control));
    }
    Ok(())
}
