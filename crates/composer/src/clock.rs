//! Time that passes, where the system has a clock.

use std::time::Instant;

/// A moment. `wasm32-unknown-unknown` has no clock, and asking for the time there would panic: no time
/// passes then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Option<Instant>);

impl Clock {
    /// This moment.
    pub(crate) fn start() -> Self {
        let has_clock = !cfg!(all(target_family = "wasm", target_os = "unknown"));
        Self(has_clock.then(Instant::now))
    }

    /// Milliseconds since then.
    pub(crate) fn milliseconds(self) -> f64 {
        self.0
            .map_or(0.0, |start| start.elapsed().as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_is_a_thousand_milliseconds() {
        let before = Instant::now();
        let start = Clock::start();
        std::thread::sleep(Duration::from_millis(20));
        let told = start.milliseconds();
        assert!(told >= 20.0 && told <= before.elapsed().as_secs_f64() * 1e3);
    }
}
