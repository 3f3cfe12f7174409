//! The classes of attempts, one module each.
mod bytes;
mod cells;
mod chains;
mod constraint_drop;
pub mod crash;
mod decoders;
mod deletions;
mod determinism;
mod ends;
mod fields;
mod forgeries;
mod functions;
mod grids;
mod names;
mod nonces;
mod policy;
pub mod resources;
mod restated;
pub mod special_files;
mod state;
mod storage;

use super::report::Recorder;

/// A class: its name on the command line, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    pub name: &'static str,
    pub run: fn(&mut Recorder),
}

impl Class {
    /// Whether it starts processes or relies on locks of files. Such classes run one after the other: a process
    /// that is being started holds the files of its parent open for a moment, and with them their locks.
    pub fn is_of_processes(&self) -> bool {
        ["crash", "storage", "special-files", "resources"].contains(&self.name)
    }
}

/// All of them, in the order of the report.
pub const ALL: &[Class] = &[
    Class {
        name: "fields",
        run: fields::run,
    },
    Class {
        name: "policy",
        run: policy::run,
    },
    Class {
        name: "cells",
        run: cells::run,
    },
    Class {
        name: "constraint-drop",
        run: constraint_drop::run,
    },
    Class {
        name: "forgeries",
        run: forgeries::run,
    },
    Class {
        name: "state",
        run: state::run,
    },
    Class {
        name: "decoders",
        run: decoders::run,
    },
    Class {
        name: "functions",
        run: functions::run,
    },
    Class {
        name: "names",
        run: names::run,
    },
    Class {
        name: "deletions",
        run: deletions::run,
    },
    Class {
        name: "bytes",
        run: bytes::run,
    },
    Class {
        name: "nonces",
        run: nonces::run,
    },
    Class {
        name: "chains",
        run: chains::run,
    },
    Class {
        name: "crash",
        run: crash::run,
    },
    Class {
        name: "storage",
        run: storage::run,
    },
    Class {
        name: "special-files",
        run: special_files::run,
    },
    Class {
        name: "resources",
        run: resources::run,
    },
    Class {
        name: "determinism",
        run: determinism::run,
    },
];
