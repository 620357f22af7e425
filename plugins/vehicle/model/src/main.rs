//! `vehicle-model`: makes the model, measures it, draws a clip.

use std::io::{BufWriter, Error, Result, Write};
use std::path::Path;
use std::process::ExitCode;
use watchbook_vehicle_model::train::Tally;
use watchbook_vehicle_model::{SEED, UNSEEN, clip, export, train};

const HELP: &str = "\
vehicle-model make FILE.onnx    trains the network, writes it and says how well it does on streets that it has not seen; half a minute of processor time
vehicle-model clip FILE.avi     draws 20 seconds of a street on which three vehicles pass
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["make", path] => make(Path::new(path)),
        ["clip", path] => draw(Path::new(path)),
        _ => Err(Error::other(HELP)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn make(path: &Path) -> Result<()> {
    let mut next = 0.0;
    let net = train::train(SEED, |done| {
        if done >= next {
            let _ = writeln!(std::io::stderr(), "training: {:.0} %", done * 100.0);
            next += 0.1;
        }
    });
    std::fs::write(path, export::file(&net))?;
    let Tally { drawn, found, wrong } = train::measure(&net, UNSEEN, 300);
    writeln!(
        std::io::stderr(),
        "on 300 streets that it has not seen: {found} of {drawn} vehicles found, {wrong} found where none is"
    )
}

fn draw(path: &Path) -> Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    clip::write(&mut out, UNSEEN)?;
    out.flush()
}
