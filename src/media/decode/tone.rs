//! HDR → the range of a screen. Players do it, and models were taught with pictures that had it done.
//!
//! PQ (SMPTE ST 2084) and HLG (ARIB STD-B67) are made linear, with their reference white of 203 cd/m2 (ITU-R BT.2408) at
//! one, brought to the primaries of BT.709, and what is brighter than about that is compressed below it.

use ffmpeg_next as ff;

use super::upright::Shape;

/// What a graph needs, and FFmpeg may be built without.
const FILTERS: [&str; 2] = ["zscale", "tonemap"];

pub(super) fn is_hdr(shape: &Shape) -> bool {
    name(shape.transfer).is_some()
}

/// zscale's name of a transfer whose range is too great for a screen.
fn name(transfer: ff::color::TransferCharacteristic) -> Option<&'static str> {
    use ff::color::TransferCharacteristic as T;
    match transfer {
        T::SMPTE2084 => Some("smpte2084"),
        T::ARIB_STD_B67 => Some("arib-std-b67"),
        _ => None,
    }
}

/// The filters for frames of this kind, each with a comma behind it; `None` where they need none, or there are none.
pub(super) fn mapping(shape: &Shape) -> Option<String> {
    let transfer = name(shape.transfer)?;
    if FILTERS.iter().any(|f| ff::filter::find(f).is_none()) {
        return None;
    }
    // Files that do not say are of BT.2020, as all of HDR is.
    let primaries = match shape.primaries {
        ff::color::Primaries::Unspecified => ":pin=2020",
        _ => "",
    };
    let matrix = match shape.space {
        ff::color::Space::Unspecified => ":min=2020_ncl",
        _ => "",
    };
    Some(format!(
        "zscale=tin={transfer}{primaries}{matrix}:t=linear:npl=203,format=gbrpf32le,zscale=p=709,\
         tonemap=mobius:desat=0,zscale=t=bt709:m=709:r=limited,format=yuv444p,"
    ))
}
