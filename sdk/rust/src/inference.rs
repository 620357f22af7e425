//! Neural networks that the host runs, for analysers whose manifest has the capability `inference` and lists the models. Being tried out: behind the feature
//! `unstable-inference`, it may change with any release, and a station runs it only where an administrator has switched on "Interfaces that are being tried out".

use crate::{Detection, Frame};

/// What `model` sees in the whole frame: at most 64 detections, the best scores first. `model` is the name of a file that the manifest lists, such as
/// `models/vehicle.onnx`. Its processor time counts as the call's own. The host counts it as one read of the frame.
///
/// Outside of WebAssembly the answer is what [`crate::testing::model`] was told.
///
/// # Errors
/// A sentence: the manifest lists no such model, or its result is no list of boxes.
pub fn detect(model: &str, frame: &Frame<'_>) -> Result<Vec<Detection>, String> {
    #[cfg(target_arch = "wasm32")]
    if let Some(frame) = frame.host() {
        return crate::guest::detect(model, frame);
    }
    crate::testing::ask(model, frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Area, FrameInfo, Luma, testing};

    #[test]
    fn a_test_says_what_a_model_sees() {
        let frame = Frame::in_memory(FrameInfo::default(), Luma::new(2, 2, vec![7; 4]).unwrap());
        assert!(detect("models/a.onnx", &frame).unwrap_err().contains("models/a.onnx"));
        testing::model("models/a.onnx", |frame| {
            let score = f32::from(frame.luma().mean()) / 10.0;
            Ok(vec![Detection { class: "vehicle".to_owned(), score, area: Area::WHOLE, track: None }])
        });
        assert_eq!(detect("models/a.onnx", &frame).unwrap()[0].score, 0.7);
    }
}
