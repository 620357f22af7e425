//! The subcommands.

mod check;
mod child;
mod new_log;
mod reach;
mod run;
mod support;

pub use check::check;
pub use child::child;
pub use new_log::new_log;
pub use run::{record, run};
pub use support::support;

use crate::error::{Error, Result};
use watchbook_base::Kind;

/// The HTTP API as an OpenAPI 3.1 document with a final newline.
///
/// # Errors
/// Never in practice: the document is made of strings and numbers.
pub fn openapi() -> Result<String> {
    let text = serde_json::to_string_pretty(&watchbook_web::openapi())
        .map_err(|error| Error::new(Kind::Internal, format!("writing the OpenAPI document: {error}")))?;
    Ok(text + "\n")
}
