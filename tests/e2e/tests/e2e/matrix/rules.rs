//! Who may call what, role by role, as people are told it (design of the roles, README and the words of the page): written by hand, beside the recorder's own list of what each action needs.

use std::collections::BTreeSet;

/// The roles that an account can have.
pub const ROLES: [&str; 5] = ["viewer", "investigator", "approver", "auditor", "admin"];

/// What is open to anybody: the way in, the log's checkpoint, and what the public is told.
pub const PUBLIC: [&str; 17] = [
    "authority",
    "claim",
    "claim_with_backup",
    "log",
    "log_checkpoint",
    "log_cosigned",
    "log_witnesses",
    "openapi",
    "passkey_challenge",
    "policy",
    "report",
    "report_text",
    "reports",
    "session",
    "sign_in",
    "sign_in_with_passkey",
    "status",
];

/// The own account, and how the station is set up, as far as the account's cameras go.
const EVERYBODY: &str = "sign_out change_password set_up_second_factor confirm_second_factor enter_second_factor \
    own_passkeys set_up_passkey add_passkey remove_own_passkey show_passkey own_sessions end_own_session cameras camera camera_clock camera_sign plugins plugin_abi plugin_dev_mode \
    plugin_tried_out tls health machine_health";

/// How long footage stays, what is kept for which case, who asked for footage of themselves, and what was promised: no pictures.
const RECORD_KEEPERS: &str = "retention_list retention erasures holds estimate_hold policies cases subject_requests";

const VIEWER: &str = "live";

const INVESTIGATOR: &str = "recordings playback thumbnail events follow_events event_counts event_counts_csv \
    rederive rederivation cancel_rederivation rederivation_inputs proposals decide_proposal place_hold \
    exports export_sinks estimate_export request_export request_redacted_export cancel_export export_bundle \
    deliver_export ask_decision bring_decision close_case bookmarks add_bookmark remove_bookmark ptz turn_camera \
    register_subject_request change_subject_request withdraw_subject_request search_for_subject_request \
    answer_subject_request";

const APPROVER: &str = "open_case change_case close_case release_hold exports export_sinks estimate_export \
    release_export refuse_export ask_decision bring_decision accept_policy withdraw_policy \
    search_for_subject_request extend_subject_request refuse_subject_request";

const AUDITOR: &str = "audit audit_proof log_leaves log_tile log_witness_request trust_log_witness \
    distrust_log_witness import_cosignatures log_mirrors make_log_mirror revoke_log_mirror log_pushes push_log \
    reviews answer_review anomalies exports export_sinks estimate_export station_settings station_settings_history";

const ADMIN: &str = "accounts create_account change_account remove_account remove_second_factor passkeys \
    remove_passkey all_sessions \
    end_session enrol_approver_key remove_approver_key make_backup compare_backup restore_backup upload_certificate \
    remove_certificate create_camera change_camera remove_camera test_camera search_cameras list_local_cameras \
    inspect_camera review_camera accept_camera bind_plugin ptz turn_camera set_ptz_preset remove_ptz_preset \
    install_plugin approve_plugin reject_plugin roll_back_plugin remove_plugin plugin_log plugin_publishers \
    trust_publisher distrust_publisher set_plugin_dev_mode set_plugin_tried_out proposals decide_proposal add_disk \
    accept_disk retire_disk station_settings change_station_settings station_settings_history change_log_key \
    log_pushes set_log_push push_log propose_policy accept_policy withdraw_policy register_subject_request \
    change_subject_request withdraw_subject_request";

fn of(role: &str) -> [&'static str; 3] {
    match role {
        "viewer" => [EVERYBODY, "", VIEWER],
        "investigator" => [EVERYBODY, RECORD_KEEPERS, INVESTIGATOR],
        "approver" => [EVERYBODY, RECORD_KEEPERS, APPROVER],
        "auditor" => [EVERYBODY, RECORD_KEEPERS, AUDITOR],
        "admin" => [EVERYBODY, RECORD_KEEPERS, ADMIN],
        other => panic!("nobody said what a {other} may"),
    }
}

/// Whether somebody with this role alone may call the route.
pub fn may(role: &str, route: &str) -> bool {
    of(role).iter().flat_map(|list| list.split_whitespace()).any(|allowed| allowed == route)
}

/// The auditor reads the whole log, about every camera.
pub fn whole_log(route: &str) -> bool {
    route == "audit"
}

/// Every route of the recorder stands in a rule, and no rule is about a route that is not there.
pub fn assert_complete(known: &BTreeSet<&str>) {
    let lists = ROLES.iter().flat_map(|role| of(role)).flat_map(str::split_whitespace);
    let ruled: BTreeSet<&str> = lists.chain(PUBLIC).collect();
    let missing: Vec<_> = known.difference(&ruled).collect();
    assert!(missing.is_empty(), "say in rules.rs who may call {missing:?}");
    let gone: Vec<_> = ruled.difference(known).collect();
    assert!(gone.is_empty(), "rules.rs has rules about {gone:?}, which the recorder does not have");
    let both: Vec<_> = PUBLIC.iter().filter(|route| ROLES.iter().any(|role| may(role, route))).collect();
    assert!(both.is_empty(), "{both:?} are open to anybody and to some");
}
