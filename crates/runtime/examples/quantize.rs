//! Quantizes a file of float tensors: `quantize FLOAT PREFIX BITS TO`.

use std::error::Error;
use std::path::Path;

use matchmark_quant::ValueBits;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [float, prefix, bits, to] = arguments.as_slice() else {
        return Err("expected four arguments: FLOAT PREFIX BITS TO".into());
    };
    let bits = ValueBits::new(bits.parse()?)?;
    let (trace, report) =
        matchmark_runtime::quantize_file(Path::new(float), prefix.parse()?, bits)?;
    trace.save(to)?;
    println!("{report}");
    Ok(())
}
