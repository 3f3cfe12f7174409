//! See `matchmark_fuzz_targets::targets::import`.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use matchmark_fuzz_targets::targets;

fuzz_target!(|bytes: &[u8]| targets::import(bytes));
