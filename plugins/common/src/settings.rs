//! What an administrator can choose, as it comes with `start`.

use serde_json::Value;

/// The longest text that the host gives, in bytes.
const JSON_BYTES_MAX: usize = 16 << 10;

/// Name, least and greatest value and default of one setting, as in `plugin.toml`. A boolean is 0 or 1 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Key in the JSON.
    pub name: &'static str,
    /// Least value.
    pub min: u32,
    /// Greatest value.
    pub max: u32,
    /// When nothing was chosen.
    pub default: u32,
}

/// Reads a JSON object with the settings of `bounds`, in their order; what is missing has its default.
///
/// # Errors
/// A sentence that names the setting and what is allowed.
pub fn read<const N: usize>(json: &str, bounds: &[Bounds; N]) -> Result<[u32; N], String> {
    if json.len() > JSON_BYTES_MAX {
        return Err(format!("the settings have {} bytes; at most {JSON_BYTES_MAX} are allowed", json.len()));
    }
    let value: Value = serde_json::from_str(json).map_err(|error| format!("the settings are no JSON: {error}"))?;
    let Value::Object(chosen) = value else {
        return Err("the settings are no JSON object".to_owned());
    };
    if let Some(name) = chosen.keys().find(|name| bounds.iter().all(|bounds| bounds.name != **name)) {
        let name: String = name.chars().take(64).collect();
        return Err(format!("there is no setting `{name}`"));
    }
    let mut values = bounds.map(|bounds| bounds.default);
    for (value, bounds) in values.iter_mut().zip(bounds) {
        if let Some(chosen) = chosen.get(bounds.name) {
            *value = bounds.accept(chosen)?;
        }
    }
    Ok(values)
}

impl Bounds {
    fn accept(&self, value: &Value) -> Result<u32, String> {
        let Self { name, min, max, .. } = self;
        if let (Value::Bool(on), 0, 1) = (value, min, max) {
            return Ok(u32::from(*on));
        }
        value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (*min..=*max).contains(number))
            .ok_or_else(|| format!("`{name}` must be a whole number from {min} to {max}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: [Bounds; 2] =
        [Bounds { name: "size", min: 2, max: 50, default: 8 }, Bounds { name: "learn", min: 0, max: 1, default: 1 }];

    #[test]
    fn what_is_missing_has_its_default() {
        assert_eq!(read("{}", &TWO).unwrap(), [8, 1]);
        assert_eq!(read(r#"{"size": 50, "learn": false}"#, &TWO).unwrap(), [50, 0]);
    }

    #[test]
    fn each_mistake_is_named() {
        for (json, word) in [
            ("", "no JSON"),
            ("[1]", "no JSON object"),
            (r#"{"size": 51}"#, "`size` must be a whole number from 2 to 50"),
            (r#"{"size": true}"#, "`size`"),
            (r#"{"size": 1e300}"#, "`size`"),
            (r#"{"learn": 2}"#, "`learn`"),
            (r#"{"colour": 1}"#, "no setting `colour`"),
        ] {
            let sentence = read(json, &TWO).unwrap_err();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
        assert!(read(&"[".repeat(10_000), &TWO).unwrap_err().contains("no JSON"));
        assert!(read(&" ".repeat(JSON_BYTES_MAX + 1), &TWO).unwrap_err().contains("bytes"));
        assert!(read(&format!(r#"{{"{}": 1}}"#, "n".repeat(5000)), &TWO).unwrap_err().len() < 200);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_bounds(text in "\\PC{0,200}", number in any::<i64>()) {
            let _ = read(&text, &TWO);
            let parsed = read(&format!(r#"{{"size": {number}}}"#), &TWO);
            prop_assert_eq!(parsed.is_ok(), (2..=50).contains(&number));
        }
    }
}
