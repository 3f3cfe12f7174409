//! The token of a verified statement.
use core::ops::Deref;

use matchmark_statement::PolicyId;

/// A statement that was verified, and the policy under which it was. Only this crate makes one: from a
/// proof and an acceptance policy, or, for a chain, from verified segments that fit together.
///
/// ```compile_fail
/// // There is no other way to have one.
/// let forged = matchmark_verifier::Verified { statement: () };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    statement: T,
    policy: PolicyId,
}

impl<T> Verified<T> {
    pub(crate) fn new(statement: T, policy: PolicyId) -> Self {
        Self { statement, policy }
    }

    /// The statement.
    pub fn statement(&self) -> &T {
        &self.statement
    }

    /// The policy under which it was verified.
    pub fn policy(&self) -> PolicyId {
        self.policy
    }

    /// The statement, without the token.
    pub fn into_statement(self) -> T {
        self.statement
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.statement
    }
}
