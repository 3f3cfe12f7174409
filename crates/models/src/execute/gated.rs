//! The gated MLP between its projections.

use matchmark_graph::{Node, NodeId};

use super::Run;
use crate::{ModelError, Operation};

impl Run<'_> {
    /// Gated products of the accumulators of up projection and gate.
    pub(super) fn gate(&mut self, id: NodeId, node: &Node) -> Result<Vec<Vec<i32>>, ModelError> {
        let constants = self.arithmetic.gated(id);
        let terms = self.terms();
        let (width, layer) = (self.model.shape().mlp(), node.layer());
        let accumulators = self.take(node.inputs()[0]);
        let [up, gate] = [&accumulators[0], &accumulators[1]];
        let ups = self.rescale_all((Operation::Up, layer), terms.value(constants.up), width, up)?;
        let rescale = terms.gate(constants.gate);
        let gates = self.rescale_all((Operation::Gate, layer), rescale, width, gate)?;
        let table = &self.model.tables().activation;
        // Gates lie in the table's domain: they have the same width.
        let activated: Vec<i32> = gates.iter().map(|&g| table.get(g).unwrap_or(0)).collect();
        let products = activated
            .iter()
            .zip(&ups)
            .map(|(&s, &u)| i64::from(s) * i64::from(u));
        let rescale = terms.gated(constants.product);
        let gated = self.rescale((Operation::Gated, layer), rescale, width, products)?;
        self.execution.up_accumulators.extend(up);
        self.execution.gate_accumulators.extend(gate);
        self.execution.gates.extend(gates);
        self.execution.ups.extend(ups);
        self.execution.activated.extend(activated);
        self.execution.gated.extend_from_slice(&gated);
        Ok(vec![gated])
    }
}
