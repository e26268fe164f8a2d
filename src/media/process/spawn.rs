//! Starts children from one thread that lives as long as this process: a child's parent-death signal
//! is sent when the *thread* that started it ends (prctl(2), `PR_SET_PDEATHSIG`), and the threads that
//! read files come and go.

use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam::channel::{Sender, bounded};

/// A command, and where to send the child.
type Order = (Command, Sender<io::Result<Child>>);

static SPAWNER: Mutex<Option<Sender<Order>>> = Mutex::new(None);

/// As [`Command::spawn`].
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let orders = spawner()?;
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    let (reply, answer) = bounded(1);
    orders.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

fn spawner() -> io::Result<Sender<Order>> {
    let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(orders) = spawner.as_ref() {
        return Ok(orders.clone());
    }
    let (orders, ordered) = bounded::<Order>(0);
    let serve = move || {
        for (mut command, reply) in ordered {
            // Nobody waits for it any more: the child ends with its pipes.
            let _ = reply.send(command.spawn());
        }
    };
    thread::Builder::new().name("spawner".into()).spawn(serve)?;
    Ok(spawner.insert(orders).clone())
}
