//! The matchmark command
