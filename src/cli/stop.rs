//! Ctrl-C: the first asks for a clean end, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Exit code of a program ended by an interrupt, as shells expect it.
const INTERRUPTED: i32 = 130;

/// A flag that Ctrl-C, SIGTERM and SIGHUP set: the same one, however often it is asked for.
pub(super) fn on_interrupt() -> Arc<AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let stop = STOP.get_or_init(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        // Fails only where a handler is set already; then Ctrl-C ends the program at once, which
        // loses nothing committed either.
        let _ = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
            super::output::say_lines(
                "\nstopping; what is committed stays (Ctrl-C again to stop at once)",
            );
        });
        stop
    });
    stop.clone()
}
