//! What names say in words: months, and what stands before a date and is no camera.

/// Months as the languages write them out or shorten them, from January on. Words that mean one month here and
/// another one there are left out (`listopada`: November in Polish, October in Croatian).
const MONTHS: [&[&str]; 12] = [
    &[
        "january",
        "jan",
        "januar",
        "jän",
        "jänner",
        "janvier",
        "janv",
        "enero",
        "ene",
        "gennaio",
        "gen",
        "janeiro",
        "januari",
        "stycznia",
        "января",
        "янв",
        "ocak",
    ],
    &[
        "february",
        "feb",
        "februar",
        "février",
        "fevrier",
        "févr",
        "febrero",
        "febbraio",
        "fevereiro",
        "fev",
        "februari",
        "lutego",
        "февраля",
        "фев",
        "şubat",
    ],
    &[
        "march",
        "mar",
        "märz",
        "maerz",
        "mär",
        "mrz",
        "mars",
        "marzo",
        "março",
        "marco",
        "maart",
        "mrt",
        "marca",
        "марта",
        "мар",
        "mart",
    ],
    &[
        "april",
        "apr",
        "avril",
        "avr",
        "abril",
        "abr",
        "aprile",
        "kwietnia",
        "апреля",
        "апр",
        "nisan",
    ],
    &[
        "may", "mai", "mayo", "maggio", "mag", "maio", "mei", "maj", "maja", "мая", "май", "mayıs",
    ],
    &[
        "june", "jun", "juni", "juin", "junio", "giugno", "giu", "junho", "czerwca", "июня", "июн",
        "haziran",
    ],
    &[
        "july", "jul", "juli", "juillet", "juil", "julio", "luglio", "lug", "julho", "lipca",
        "июля", "июл", "temmuz",
    ],
    &[
        "august",
        "aug",
        "août",
        "aout",
        "agosto",
        "ago",
        "augustus",
        "augusti",
        "sierpnia",
        "августа",
        "авг",
        "ağustos",
    ],
    &[
        "september",
        "sep",
        "sept",
        "septembre",
        "septiembre",
        "settembre",
        "set",
        "setembro",
        "września",
        "сентября",
        "сен",
        "eylül",
    ],
    &[
        "october",
        "oct",
        "oktober",
        "okt",
        "octobre",
        "octubre",
        "ottobre",
        "ott",
        "outubro",
        "out",
        "października",
        "октября",
        "окт",
        "ekim",
    ],
    &[
        "november",
        "nov",
        "novembre",
        "noviembre",
        "novembro",
        "ноября",
        "ноя",
        "kasım",
    ],
    &[
        "december",
        "dec",
        "dezember",
        "dez",
        "décembre",
        "decembre",
        "déc",
        "diciembre",
        "dic",
        "dicembre",
        "dezembro",
        "desember",
        "des",
        "grudnia",
        "декабря",
        "дек",
        "aralık",
    ],
];

/// The month, from 1, that a word names.
pub(super) fn month(word: &str) -> Option<i8> {
    let word = word.trim_end_matches('.').to_lowercase();
    let place = MONTHS.iter().position(|m| m.contains(&word.as_str()))?;
    i8::try_from(place + 1).ok()
}

/// What programs write before a date that tells no camera.
const NO_CAMERAS: &[&str] = &[
    "vid",
    "img",
    "mov",
    "mvi",
    "pxl",
    "rec",
    "no",
    "arc",
    "ev",
    "emr",
    "file",
    "video",
    "movie",
    "clip",
    "record",
    "recording",
    "replay",
    "gmt",
    "cap",
    "capture",
    "alarm",
    "mdalarm",
    "schedule",
    "event",
    "motion",
    "ring",
    "ringvideo",
    "signal",
    "whatsapp video",
    "telegram",
    "screen recording",
    "screencast",
    "screencast from",
    "screenrecording",
    "screenrecorder",
    "screen_recording",
    "screen-recording",
    "bildschirmaufnahme",
    "bildschirmaufzeichnung vom",
    "dji",
    "dji_fly",
    "hyperlapse",
    "timelapse",
    "aufnahme",
    "enregistrement",
    "grabación",
    "запись",
];

/// Whether this, which stands before a date, may name a camera.
pub(super) fn is_camera(before: &str) -> bool {
    let before = before.to_lowercase();
    // The card of a Reolink: main or sub stream of a channel.
    let reolink = before.strip_prefix("rec").is_some_and(|rest| {
        let rest = rest.strip_prefix(['m', 's']).unwrap_or(rest);
        rest.len() == 2 && rest.bytes().all(|b| b.is_ascii_digit())
    });
    let numbered = before.chars().all(|c| !c.is_alphabetic()) && !before.contains('.');
    !numbered && !reolink && !NO_CAMERAS.contains(&before.as_str())
}

/// Folders that recorders and phones make for all their videos alike.
const NO_CAMERA_FOLDERS: &[&str] = &[
    "record",
    "records",
    "recording",
    "recordings",
    "video",
    "videos",
    "movie",
    "movies",
    "clip",
    "clips",
    "dav",
    "mp4",
    "dcim",
    "camera",
    "100media",
    "sdcard",
    "footage",
    "archive",
    "export",
    "exports",
    "new",
    "stored",
    "alerts",
    "normal",
    "event",
    "events",
    "parking",
    "emergency",
    "download",
    "downloads",
    "savedclips",
    "sentryclips",
    "recentclips",
    "teslacam",
    "surveillance",
    "nvr",
    "hi_quality",
    "low_quality",
    "private",
    "backup",
];

/// Whether a folder may be named for a camera.
pub(super) fn is_camera_folder(name: &str) -> bool {
    let lower = name.to_lowercase();
    let lower = lower.trim();
    // Hours, and what begins with a day.
    let numbered = lower
        .chars()
        .all(|c| c.is_ascii_digit() || "-_. ".contains(c));
    let day = lower.chars().filter(|c| !"-_.".contains(*c)).take(8);
    let dated = day.filter(char::is_ascii_digit).count() == 8;
    // Of cards: 100GOPRO, 101_PANA.
    let card = lower.len() == 8 && lower.bytes().take(3).all(|b| b.is_ascii_digit());
    !numbered && !dated && !card && !NO_CAMERA_FOLDERS.contains(&lower)
}
