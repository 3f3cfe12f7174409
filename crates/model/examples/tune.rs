use matchmark_model::quant::ValueBits;
use matchmark_model::*;
fn nats(row: &[f64], next: u32) -> f64 {
    let m = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let s: f64 = row.iter().map(|x| (x - m).exp()).sum();
    s.ln() + m - row[next as usize]
}
fn argmax(r: &[f64]) -> usize {
    let mut b = 0;
    for (i, x) in r.iter().enumerate() {
        if *x > r[b] {
            b = i
        }
    }
    b
}
fn rel(
    name: &str,
    ints: &[i32],
    scale: &dyn Fn(usize) -> f64,
    layers: usize,
    float: &[f64],
    acc: &mut std::collections::BTreeMap<String, (f64, f64)>,
) {
    let block = float.len() / layers;
    for l in 0..layers {
        let (mut e, mut n) = (0.0, 0.0);
        for i in l * block..(l + 1) * block {
            let d = ints[i] as f64 * scale(l) - float[i];
            e += d * d;
            n += float[i] * float[i];
        }
        let a = acc.entry(format!("{l} {name}")).or_default();
        a.0 += e;
        a.1 += n;
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let model = FloatModel::read(args[1].as_ref()).unwrap();
    let enc = |l: &str| {
        let mut t = model.tokenizer.encode(l).unwrap();
        t.extend(model.tokenizer.end());
        t
    };
    let calib: Vec<Vec<u32>> = std::fs::read_to_string(&args[2])
        .unwrap()
        .lines()
        .map(enc)
        .collect();
    let bits: u8 = args[4].parse().unwrap();
    let (int, report) = quantize_model(&model, &calib, ValueBits::new(bits).unwrap()).unwrap();
    println!("{report}\n{:?}", int.scales());
    let v = model.shape.vocabulary();
    let (mut nf, mut ni, mut n, mut agree) = (0.0, 0.0, 0, 0);
    let mut acc = Default::default();
    for line in std::fs::read_to_string(&args[3]).unwrap().lines() {
        let t = enc(line);
        let f = execute_float(&model, &t).unwrap();
        let (e, _) = execute_model(&int, &ModelState::empty(&int), &t).unwrap();
        let sc = int.scales();
        let st = model.shape.stages();
        rel(
            "stream",
            &e.stream,
            &|l| {
                if l == 0 {
                    sc.embedding.get()
                } else {
                    sc.stream.get()
                }
            },
            st,
            &f.stream,
            &mut acc,
        );
        rel(
            "norm",
            &e.normalized,
            &|_| sc.normalized.get(),
            st,
            &f.normalized,
            &mut acc,
        );
        let ll = model.shape.layers();
        rel("gate", &e.gates, &|_| sc.gate.get(), ll, &f.gates, &mut acc);
        rel(
            "up",
            &e.ups,
            &|l| sc.layers[l].up.get(),
            ll,
            &f.ups,
            &mut acc,
        );
        rel(
            "gated",
            &e.gated,
            &|l| sc.layers[l].gated.get(),
            ll,
            &f.gated,
            &mut acc,
        );
        rel(
            "rq",
            &e.rotary_queries,
            &|l| sc.layers[l].rotary_query.get(),
            ll,
            &f.rotary_queries,
            &mut acc,
        );
        rel(
            "rk",
            &e.rotary_keys,
            &|l| sc.layers[l].rotary_key.get(),
            ll,
            &f.rotary_keys,
            &mut acc,
        );
        rel(
            "logits",
            &e.logits,
            &|_| sc.logits.get(),
            1,
            &f.logits,
            &mut acc,
        );
        let s = sc.logits.get();
        for i in 0..t.len() {
            let fr = &f.logits[i * v..(i + 1) * v];
            let ir: Vec<f64> = e.logits[i * v..(i + 1) * v]
                .iter()
                .map(|x| *x as f64 * s)
                .collect();
            if i + 1 < t.len() {
                nf += nats(fr, t[i + 1]);
                ni += nats(&ir, t[i + 1]);
                n += 1;
                agree += usize::from(argmax(fr) == e.choices[i] as usize);
            }
        }
    }
    for (k, (e, nn)) in acc {
        println!("{k:12} {:.4} %", 100.0 * (e / nn).sqrt());
    }
    let (pf, pi) = ((nf / n as f64).exp(), (ni / n as f64).exp());
    println!(
        "ppl float {pf:.5} int {pi:.5} ratio {:.5}; agree {:.3} % of {n}",
        pi / pf,
        100.0 * agree as f64 / n as f64
    );
}
