/* Marks motion outside office hours and tells people on duty. */
#define WATCHBOOK_RULE
#include "watchbook_plugin.h"

static int64_t office_from, office_until;
static bool notify;

static wb_result wb_on_configure(wb_string settings) {
    if (!wb_setting_integer(settings, WB("office_from"), &office_from)) return WB_FAULT(WB_CONFIG, "`office_from` is missing");
    if (!wb_setting_integer(settings, WB("office_until"), &office_until)) return WB_FAULT(WB_CONFIG, "`office_until` is missing");
    if (!wb_setting_boolean(settings, WB("notify"), &notify)) return WB_FAULT(WB_CONFIG, "`notify` is missing");
    if (office_from >= office_until) return WB_FAULT(WB_CONFIG, "`office_until` must be later than `office_from`");
    return WB_OK;
}

static wb_result wb_on_evaluate(const wb_situation *situation, wb_verdicts *verdicts) {
    const wb_local_time *local = &situation->local;
    bool office = local->weekday < 5 && local->hour >= office_from && local->hour < office_until;
    if (!wb_equal(situation->event.mark.kind, WB("motion")) || office) return WB_OK;

    wb_words words = {0};
    wb_add(&words, WB("motion at "));
    wb_add_number(&words, local->hour);
    wb_add(&words, local->minute < 10 ? WB(":0") : WB(":"));
    wb_add_number(&words, local->minute);
    wb_add(&words, WB(", outside office hours "));
    wb_add_number(&words, office_from);
    wb_add(&words, WB(" to "));
    wb_add_number(&words, office_until);
    wb_string reason = wb_done(&words);

    wb_propose_text(verdicts, WB_TAG, WB("after-hours"), reason);
    if (notify) {
        wb_words line = {0};
        wb_add(&line, WB("Motion outside office hours: "));
        wb_add(&line, situation->camera_name);
        wb_propose_text(verdicts, WB_NOTIFY, wb_done(&line), reason);
    }
    return WB_OK;
}
