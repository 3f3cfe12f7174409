//! The columns of the norms component that go with sums of squares, each a field element.
use matchmark_air::column::field;
use matchmark_air::layout::decoder::{
    CROSS_LIMB_BITS, CROSS_LOW_BITS, CROSS_OFFSET, LIMB_BITS, MANTISSA_BITS,
};
use matchmark_air::ops::norms::columns::{Witness, COLUMNS};
use matchmark_graph::{ModelArithmetic, NormArithmetic, SQUARE_SHIFT};
use matchmark_quant::{centered, NORM_PRODUCT_BITS};
use matchmark_tables::reciprocal_root;

/// The columns of the norms component that follow from the sums, each a field element.
pub fn columns_of_sums(node: NormArithmetic, [high, cross, low]: [i64; 3]) -> Witness<i64> {
    let (cross, low) = (centered(field(cross).0), i64::from(field(low).0));
    let (quotient, cross_low) = split(cross, CROSS_LOW_BITS);
    let with_offset = quotient + i64::from(CROSS_OFFSET);
    let (cross_quotient_high, cross_quotient_low) = split(with_offset, CROSS_LIMB_BITS);
    let of_low = low + (cross_low << (LIMB_BITS + 1));
    let (carry, low) = split(of_low, SQUARE_SHIFT.into());
    let sums = Witness {
        high_sum: i64::from(field(high).0),
        cross_low,
        cross_quotient_low,
        cross_quotient_high,
        low,
        carry,
        ..Witness::from([0; COLUMNS])
    };
    with_norm(node, sums)
}

/// Quotient and remainder by a power of two.
pub fn split(number: i64, bits: u32) -> (i64, i64) {
    (number >> bits, number & ((1 << bits) - 1))
}

/// The norm that the columns of the sums stand for, in the field.
pub fn norm_of(node: NormArithmetic, sums: &Witness<i64>) -> i64 {
    let quotient = (sums.cross_quotient_high << CROSS_LIMB_BITS) + sums.cross_quotient_low
        - i64::from(CROSS_OFFSET);
    let norm = 2 * sums.high_sum + quotient + sums.carry + i64::from(node.epsilon);
    i64::from(field(norm).0)
}

/// The columns behind the sums, as they follow from these.
pub fn with_norm(node: NormArithmetic, sums: Witness<i64>) -> Witness<i64> {
    let norm = norm_of(node, &sums);
    let largest = i64::from(ModelArithmetic::MAX_NORM_EXPONENT);
    let exponent = (0..largest).find(|e| norm < 1 << (i64::from(MANTISSA_BITS) + 2 * e));
    let exponent = exponent.unwrap_or(largest);
    with_mantissa(node, sums, norm, exponent, norm >> (2 * exponent))
}

/// The columns behind the sums with an exponent and a mantissa of one's choosing.
pub fn with_mantissa(
    node: NormArithmetic,
    sums: Witness<i64>,
    norm: i64,
    exponent: i64,
    mantissa: i64,
) -> Witness<i64> {
    let power = 1 << (2 * exponent);
    let smallest = match exponent {
        0 => 0,
        _ => 1 << (MANTISSA_BITS - 2),
    };
    let divisor_bits = i64::from(node.shift) + exponent;
    let root = usize::try_from(mantissa).map_or(0, reciprocal_root);
    Witness {
        scale: 1 << exponent,
        power,
        smallest,
        divisor: 1 << divisor_bits,
        excess_limit: 1 << (i64::from(NORM_PRODUCT_BITS) - divisor_bits),
        mantissa,
        remainder: norm - mantissa * power,
        factor: i64::from(root),
        ..sums
    }
}
