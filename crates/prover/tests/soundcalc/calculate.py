"""Runs the public calculator `soundcalc` on the parameters of this project.

    python3 calculate.py PATH_OF_SOUNDCALC INPUT.json OUTPUT.json

`cargo xtask soundcalc` does, with the calculator at a pinned commit. The input is a list of cases, as `crates/prover/tests/suite/security.rs` writes them. The output has the bits
of every term that the calculator knows, the work before it included, not rounded: the calculator itself
rounds down, which is the one thing that is changed here.
"""
import json
import math
import sys


def main(path, source, target):
    sys.path.insert(0, path)
    from soundcalc.circuits import deep_ali
    from soundcalc.common.fields import M31_4
    from soundcalc.lookups import logup
    from soundcalc.pcs import fri
    from soundcalc.proxgaps.johnson_bound import JohnsonBoundRegime
    from soundcalc.proxgaps.unique_decoding import UniqueDecodingRegime

    for module in (deep_ali, logup, fri):
        module.get_bits_of_security_from_error = lambda error: -math.log2(error)

    def terms(case):
        work = case["work"]
        steps = [1 << log_folded for _, log_folded in case["folds"]]
        rows = 1 << case["log_rows"]
        blowup = 1 << case["log_blowup"]
        pcs = fri.FRI(fri.FRIConfig(
            hash_size_bits=case["digest_bits"],
            rho=1 / blowup,
            trace_length=rows,
            field=M31_4,
            batch_size=case["batched"],
            power_batching=True,
            multilinear_batching=False,
            num_queries=case["queries"],
            FRI_folding_factors=steps,
            FRI_early_stop_degree=rows * blowup // math.prod(steps),
            grinding_query_phase=work["queries"],
            grinding_batching_phase=work["batching"],
        ))
        lookups = logup.LogUp(logup.LogUpConfig(
            name="lookups",
            field=M31_4,
            logup_type=logup.LogUpType.UNIVARIATE,
            rows_L=case["tuples"],
            rows_T=0,
            num_columns_S=case["longest_tuple"],
            grinding_bits_lookup=work["lookups"],
        ))
        circuit = deep_ali.DeepAliCircuit(deep_ali.DeepAliConfig(
            name=case["name"],
            pcs=pcs,
            field=M31_4,
            num_constraints=case["constraints"],
            AIR_max_degree=case["constraint_degree"],
            max_combo=case["samples_of_column"],
            lookups=[lookups],
            grinding_deep=work["out-of-domain point"],
        ))
        multiplicity = case["multiplicity"]
        if multiplicity is None:
            regime = UniqueDecodingRegime(M31_4)
        else:
            regime = JohnsonBoundRegime(M31_4, explicit_m=multiplicity)
        list_size = regime.get_max_list_size(1 / blowup, rows)
        levels = pcs.get_pcs_security_levels(regime)
        levels |= circuit._get_DEEP_ALI_errors(list_size, regime)
        bits = {
            # The calculator knows no work before the coefficient of the constraints, nor before a fold, nor the
            # candidates that lookups may choose among.
            "composition": levels["ALI"] + work["composition"],
            "out-of-domain point": levels["DEEP"],
            "batching": levels["batching"],
            "queries": levels["query phase"],
            "lookups": lookups.get_soundness_bits() - math.log2(list_size),
        }
        for index in range(len(steps)):
            name = f"fold {index + 1}"
            bits[name] = levels[f"commit round {index + 1}"] + work[name]
        return bits

    with open(source, encoding="utf-8") as file:
        cases = json.load(file)
    results = [{"name": case["name"], "bits": terms(case)} for case in cases]
    with open(target, "w", encoding="utf-8") as file:
        lines = ",\n".join(json.dumps(result) for result in results)
        file.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
