//! Cameras that are plugged into this machine, in the API's shape.

use super::probe::problem;
use watchbook_capture::{Coding, LocalCamera, LocalControl, LocalFormat, LocalSize};
use watchbook_web::api;

/// What is plugged in; `camera_of` knows which camera of the station records an identity.
pub fn shown(found: Vec<LocalCamera>, camera_of: impl Fn(&str) -> Option<u32>) -> Vec<api::LocalCamera> {
    let camera = |camera: LocalCamera| api::LocalCamera {
        camera: camera_of(&camera.identity),
        url: format!("v4l2:{}", camera.identity),
        name: camera.name,
        bus: camera.bus,
        node: camera.node,
        formats: camera.formats.into_iter().map(format).collect(),
        controls: camera.controls.into_iter().map(control).collect(),
        problem: camera.problem.as_ref().map(problem),
    };
    found.into_iter().map(camera).collect()
}

fn format(format: LocalFormat) -> api::LocalFormat {
    let size = |size: LocalSize| api::LocalSize { width: size.width, height: size.height, fps: size.fps };
    api::LocalFormat {
        letters: format.letters,
        coding: match format.coding {
            Coding::H264 => api::LocalCoding::H264,
            Coding::H265 => api::LocalCoding::H265,
            Coding::Jpeg => api::LocalCoding::Jpeg,
            Coding::Raw => api::LocalCoding::Raw,
            Coding::Other => api::LocalCoding::Other,
        },
        recordable: format.coding.is_stored() || format.coding.is_encoded(),
        encoded: format.coding.is_encoded(),
        sizes: format.sizes.into_iter().map(size).collect(),
    }
}

fn control(control: LocalControl) -> api::LocalControl {
    api::LocalControl { name: control.name, min: control.min, max: control.max, default: control.default }
}
