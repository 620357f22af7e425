use super::*;

fn format(letters: &str, sizes: &[(u32, u32)]) -> LocalFormat {
    let sizes = sizes.iter().map(|&(width, height)| LocalSize { width, height, fps: vec![30] }).collect();
    LocalFormat { letters: letters.to_owned(), coding: Coding::of(letters), sizes }
}

#[test]
fn the_best_format_is_taken_unless_another_is_asked_for() {
    let formats = [format("H264", &[(3840, 2160), (1920, 1080), (640, 360)]), format("YUYV", &[(640, 480)])];
    let asked =
        |format: Option<&str>, size| DeviceName { format: format.map(str::to_owned), size, ..DeviceName::default() };
    let choice = choose("usb:a", &formats, &asked(None, None)).unwrap();
    assert_eq!((choice.letters.as_str(), choice.size), ("H264", (1920, 1080)));
    let choice = choose("usb:a", &formats, &asked(Some("H264"), Some((640, 360)))).unwrap();
    assert_eq!(choice.size, (640, 360));
    let choice = choose("usb:a", &formats, &asked(Some("YUYV"), None)).unwrap();
    assert_eq!((choice.coding, choice.size), (Coding::Raw, (640, 480)));
    let masked = DeviceName { permanent_masks: true, ..asked(None, None) };
    assert!(
        choose("usb:a", &formats, &masked).err().unwrap().detail.contains("masks"),
        "what is stored as it is cannot be masked"
    );
    let masked = DeviceName { permanent_masks: true, ..asked(Some("YUYV"), None) };
    assert!(choose("usb:a", &formats, &masked).is_ok());
    let jpeg = [format("MJPG", &[(640, 480)])];
    let encode = |encode, permanent_masks| DeviceName { encode, permanent_masks, ..DeviceName::default() };
    let encoded = |name: DeviceName| choose("usb:a", &jpeg, &name).unwrap().encode;
    assert!(!encoded(encode(false, false)), "JPEG is stored as it is unless somebody asks");
    assert!(encoded(encode(true, false)) && encoded(encode(false, true)));
    for (formats, wanted, told) in [
        (&formats[..], Some("HEVC"), "H264, YUYV"),
        (&[format("pBAA", &[])][..], None, "it offers pBAA"),
        (&[][..], None, "offers no video"),
    ] {
        let failure = choose("usb:a", formats, &asked(wanted, None)).err().unwrap();
        assert!(failure.detail.contains(told) && failure.next_step.ends_with('.'), "{failure}");
    }
}

#[test]
fn every_refusal_of_a_device_is_a_sentence_with_a_way_out() {
    let place = &Place { node: "/dev/video7".into(), card: String::new(), index: 0, usb: None };
    let os = io::Error::from_raw_os_error;
    for (failure, reason, told) in [
        (open_failure("usb:a", place, &os(13)), GapReason::CameraDenied, "may not open /dev/video7"),
        (open_failure("usb:a", place, &os(19)), GapReason::CameraGone, "not connected"),
        (open_failure("usb:a", place, &os(16)), GapReason::StreamUnusable, "another program"),
        (device_failure("usb:a", "read", &os(19)), GapReason::CameraGone, "was unplugged"),
        (device_failure("usb:a", "read", &os(5)), GapReason::StreamUnusable, "could not be read"),
        (find("usb:no:such:camera:0.0").err().unwrap(), GapReason::CameraGone, "not connected"),
    ] {
        assert!(failure.reason == reason && failure.detail.contains(told), "{failure}");
        assert!(failure.detail.contains("usb:") && failure.next_step.ends_with('.'), "{failure}");
    }
}

#[test]
fn a_reader_that_panics_over_a_device_costs_its_own_line() {
    assert_eq!(guarded(|| 7), Some(7));
    assert_eq!(guarded(|| -> u8 { panic!("as over a name that is not UTF-8") }), None);
}
