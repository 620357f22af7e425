/* Counts how often the brightness of the picture changes at once. */
#define WATCHBOOK_ANALYZER
#include "watchbook_plugin.h"

static int64_t step;
static int before = -1;
static uint64_t changes;

static wb_result wb_on_start(const wb_setup *setup) {
    if (!wb_setting_integer(setup->settings_json, WB("step"), &step)) return WB_FAULT(WB_CONFIG, "`step` is missing");
    if (setup->saved.is_some)
        for (size_t i = 0; i < setup->saved.value.len; i++) changes = changes * 10 + (uint64_t)(setup->saved.value.ptr[i] - '0');
    return WB_OK;
}

static wb_result wb_on_frame(wb_frame frame, wb_marks *marks) {
    wb_bytes small = wb_luma_area(frame, (wb_area){0, 0, 65535, 65535}, 32, 18);
    if (small.len == 0) return WB_FAULT(WB_INTERNAL, "a frame without pixels");
    uint32_t sum = 0;
    for (size_t i = 0; i < small.len; i++) sum += small.ptr[i];
    int now = (int)(sum / small.len), was = before;
    before = now;
    int change = now > was ? now - was : was - now;
    if (was < 0 || change < step) return WB_OK;

    changes++;
    wb_mark *mark = wb_add_mark(marks, WB("brightness"), wb_info(frame).utc_ns);
    wb_words words = {0};
    wb_add(&words, WB("from "));
    wb_add_number(&words, was);
    wb_add(&words, WB(" to "));
    wb_add_number(&words, now);
    wb_add(&words, WB(", change "));
    wb_add_number(&words, (int64_t)changes);
    if (mark) mark->note = wb_done(&words);
    return WB_OK;
}

static wb_bytes wb_on_stop(void) {
    wb_words words = {0};
    wb_add_number(&words, (int64_t)changes);
    wb_string text = wb_done(&words);
    return (wb_bytes){(const uint8_t *)text.ptr, text.len};
}
