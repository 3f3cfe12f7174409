//! A bound on the time of a command, whatever holds it up.

use std::panic::resume_unwind;
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::error::CliError;

/// The stack of a command, as large as that of a program's first thread.
const STACK_BYTES: usize = 8 << 20;

/// Does the work of a command, and waits for it no longer than `limit`. What is still at work then ends
/// with the process.
pub(crate) fn within<T: Send + 'static>(
    limit: Option<Duration>,
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    let Some(limit) = limit else {
        return work();
    };
    let (sender, receiver) = channel();
    let worker = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // Nobody waits for what comes too late.
            let _ = sender.send(work());
        })
        .map_err(CliError::Thread)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(CliError::Timeout {
            seconds: limit.as_secs(),
        }),
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => resume_unwind(panic),
            // It sends before it ends, so that it has not ended.
            Ok(()) => Err(CliError::Timeout {
                seconds: limit.as_secs(),
            }),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark::Error;

    use super::*;

    #[test]
    fn work_ends_in_time_or_is_not_waited_for() {
        let second = Duration::from_secs(60);
        assert!(matches!(within(Some(second), || Ok(7)), Ok(7)));
        assert!(matches!(within(None, || Ok(7)), Ok(7)));
        let refused = within::<()>(Some(second), || Err(Error::StandardInputTwice.into()));
        let refused = refused.map_err(|error| error.kind());
        assert_eq!(refused.unwrap_err(), "standard-input");
        let late = within(Some(Duration::from_millis(10)), move || {
            thread::sleep(second);
            Ok(())
        });
        assert!(matches!(late, Err(CliError::Timeout { seconds: 0 })));
    }
}
