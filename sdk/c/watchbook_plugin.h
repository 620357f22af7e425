/* Watchbook plugins in plain C: one header, no library, no generated code.
 *
 *     #define WATCHBOOK_RULE              or WATCHBOOK_ANALYZER
 *     #define WATCHBOOK_ID "org.example.name"      (`watchbook-plugin build` passes both from plugin.toml)
 *     #define WATCHBOOK_VERSION "0.1.0"
 *     #include "watchbook_plugin.h"
 *
 * then write wb_on_configure and wb_on_evaluate (rule), or wb_on_start, wb_on_frame and wb_on_stop (analyzer). Include it in one file of the plugin.
 *
 * The structs are those of the contract (sdk/wit/0.1), byte for byte as the component model's canonical ABI lays them out on wasm32; the contract's comments
 * say what each field means and what its limits are. All text is UTF-8 with a length, without a final zero.
 *
 * Memory: what the host gives and what wb_alloc gives lives until the end of the call; what belongs to wb_on_configure and wb_on_start lives as long as the
 * instance, so settings and zones may be kept by pointer. What else must live longer belongs into your own static variables. */
#ifndef WATCHBOOK_PLUGIN_H
#define WATCHBOOK_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WB_API "0.1"
#define WB_MARKS_MAX 64
#define WB_VERDICTS_MAX 8
#define WB_DETECTIONS_MAX 64

typedef struct { const char *ptr; size_t len; } wb_string;
typedef struct { const uint8_t *ptr; size_t len; } wb_bytes;
typedef struct { uint8_t is_some; wb_string value; } wb_option_string;
typedef struct { uint8_t is_some; uint64_t value; } wb_option_u64;
typedef struct { uint8_t is_some; wb_bytes value; } wb_option_bytes;

/* Places in 1/65,536 of the picture's width and height. */
typedef struct { uint16_t x, y, w, h; } wb_area;
typedef struct { uint16_t x, y; } wb_point;
typedef struct { wb_string class_name; float score; wb_area box; wb_option_u64 track; } wb_detection;
typedef struct { wb_detection *ptr; size_t len; } wb_detections;

typedef struct {
    wb_string kind;
    float score;
    uint64_t start_utc_ns;
    wb_option_u64 end_utc_ns;
    wb_option_string zone;
    wb_detections detections;
    wb_string note;
} wb_mark;

/* The result of a call: WB_OK, or a fault with a sentence for the administrator. */
typedef enum { WB_CONFIG, WB_UNSUPPORTED, WB_INTERNAL } wb_fault_kind;
typedef struct { bool failed; wb_fault_kind kind; wb_string sentence; } wb_result;
#define WB_OK ((wb_result){0})
#define WB_FAULT(kind, text) ((wb_result){true, (kind), WB(text)})

/* A string from a literal. */
#define WB(literal) ((wb_string){(literal), sizeof(literal) - 1})

#define WB_IMPORT(interface, name) \
    __attribute__((import_module("watchbook:plugin/" interface "@0.1.0"), import_name(name)))
#define WB_EXPORT(name) __attribute__((export_name(name)))
#define WB_UNUSED __attribute__((unused)) static

/* ---- memory -------------------------------------------------------------------------------------------------------------------------------------- */

extern uint8_t __heap_base;
static uintptr_t wb_top, wb_bottom;

/* `size` bytes until the end of the call, all zero; never NULL: an instance that has no memory left ends. */
WB_UNUSED void *wb_alloc(size_t size, size_t align) {
    if (wb_top == 0) wb_top = (uintptr_t)&__heap_base;
    uintptr_t start = (wb_top + align - 1) & ~(uintptr_t)(align - 1);
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
    if (size > UINT32_MAX - start) __builtin_trap();
    if (start + size > have) {
        size_t pages = (start + size - have + 0xFFFF) >> 16;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) __builtin_trap();
    }
    wb_top = start + size;
    __builtin_memset((void *)start, 0, size);
    return (void *)start;
}

WB_EXPORT("cabi_realloc") void *wb_realloc(void *old, size_t old_size, size_t align, size_t size) {
    if (size == 0) return (void *)align;
    void *new_place = wb_alloc(size, align);
    if (old_size) __builtin_memcpy(new_place, old, old_size < size ? old_size : size);
    return new_place;
}

/* At the end of a call: what it had is free. */
WB_UNUSED void wb_forget(void) { wb_top = wb_bottom; }

/* At the end of the first call: what it had stays. */
WB_UNUSED void wb_keep(void) { wb_bottom = wb_top; }

/* The compiler may call these three for copies of its own. */
__attribute__((weak)) void *memcpy(void *to, const void *from, size_t size) { return __builtin_memcpy(to, from, size); }
__attribute__((weak)) void *memmove(void *to, const void *from, size_t size) { return __builtin_memmove(to, from, size); }
__attribute__((weak)) void *memset(void *to, int byte, size_t size) { return __builtin_memset(to, byte, size); }

/* ---- text ---------------------------------------------------------------------------------------------------------------------------------------- */

WB_UNUSED bool wb_equal(wb_string a, wb_string b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i]) return false;
    return true;
}

/* Words that are put together: `wb_words w = {0}; wb_add(&w, WB("n = ")); wb_add_number(&w, n); ... wb_done(&w)`. Keeps the first 1,024 bytes. */
typedef struct { char text[1024]; size_t len; } wb_words;

WB_UNUSED void wb_add(wb_words *words, wb_string more) {
    for (size_t i = 0; i < more.len && words->len < sizeof words->text; i++) words->text[words->len++] = more.ptr[i];
    /* Not in the middle of a character. */
    if (words->len == sizeof words->text)
        while (words->len && (words->text[words->len - 1] & 0x80)) words->len--;
}

WB_UNUSED void wb_add_number(wb_words *words, int64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0) digits[--at] = '-';
    wb_add(words, (wb_string){digits + at, sizeof digits - at});
}

/* The words, until the end of the call. */
WB_UNUSED wb_string wb_done(const wb_words *words) {
    char *text = wb_alloc(words->len ? words->len : 1, 1);
    __builtin_memcpy(text, words->text, words->len);
    return (wb_string){text, words->len};
}

/* ---- settings: a flat JSON object, which the host has checked against the manifest ----------------------------------------------------------------- */

/* The value of `name` as it stands in the JSON; len 0 when it is not there. */
WB_UNUSED wb_string wb_setting(wb_string json, wb_string name) {
    size_t i = 0;
    int depth = 0;
    bool is_key = false;
    while (i < json.len) {
        char c = json.ptr[i];
        if (c == '"') {
            size_t start = ++i;
            while (i < json.len && json.ptr[i] != '"') i += json.ptr[i] == '\\' ? 2 : 1;
            if (i >= json.len) break;
            wb_string key = {json.ptr + start, i - start};
            i++;
            if (depth != 1 || !is_key || !wb_equal(key, name)) continue;
            while (i < json.len && (json.ptr[i] == ' ' || json.ptr[i] == ':')) i++;
            start = i;
            if (i < json.len && json.ptr[i] == '"') {
                i++;
                while (i < json.len && json.ptr[i] != '"') i += json.ptr[i] == '\\' ? 2 : 1;
                return i < json.len ? (wb_string){json.ptr + start, i + 1 - start} : (wb_string){0};
            }
            while (i < json.len && json.ptr[i] != ',' && json.ptr[i] != '}' && json.ptr[i] != ' ') i++;
            return (wb_string){json.ptr + start, i - start};
        }
        if (c == '{' || c == '[') depth++, is_key = c == '{';
        if (c == '}' || c == ']') depth--;
        if (c == ',') is_key = true;
        if (c == ':') is_key = false;
        i++;
    }
    return (wb_string){0};
}

/* A whole number; false when the setting is not there or something else. */
WB_UNUSED bool wb_setting_integer(wb_string json, wb_string name, int64_t *value) {
    wb_string text = wb_setting(json, name);
    size_t i = text.len && text.ptr[0] == '-';
    if (i >= text.len || text.len - i > 18) return false;
    int64_t number = 0;
    for (; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        number = number * 10 + (text.ptr[i] - '0');
    }
    *value = text.ptr[0] == '-' ? -number : number;
    return true;
}

/* Yes or no; false when the setting is not there or something else. */
WB_UNUSED bool wb_setting_boolean(wb_string json, wb_string name, bool *value) {
    wb_string text = wb_setting(json, name);
    *value = wb_equal(text, WB("true"));
    return *value || wb_equal(text, WB("false"));
}

/* Text, as it stands between the quotes: what is escaped stays so. False when the setting is not there or something else. */
WB_UNUSED bool wb_setting_text(wb_string json, wb_string name, wb_string *value) {
    wb_string text = wb_setting(json, name);
    if (text.len < 2 || text.ptr[0] != '"') return false;
    *value = (wb_string){text.ptr + 1, text.len - 2};
    return true;
}

/* ---- log ----------------------------------------------------------------------------------------------------------------------------------------- */

typedef enum { WB_TRACE, WB_DEBUG, WB_INFO, WB_WARN, WB_ERROR } wb_level;

WB_IMPORT("log", "write") void wb_import_log_write(int32_t level, const char *ptr, size_t len);

WB_UNUSED void wb_log(wb_level level, wb_string line) { wb_import_log_write((int32_t)level, line.ptr, line.len); }

/* ---- what both worlds export ----------------------------------------------------------------------------------------------------------------------- */

#ifndef WATCHBOOK_ID
#error "WATCHBOOK_ID is missing: define it as in plugin.toml, or build with `watchbook-plugin build`"
#endif
#ifndef WATCHBOOK_VERSION
#error "WATCHBOOK_VERSION is missing: define it as in plugin.toml, or build with `watchbook-plugin build`"
#endif

typedef struct { wb_string id, version, api; } wb_card;

WB_EXPORT("watchbook:plugin/about@0.1.0#describe") wb_card *wb_export_describe(void) {
    static wb_card card;
    card = (wb_card){WB(WATCHBOOK_ID), WB(WATCHBOOK_VERSION), WB(WB_API)};
    return &card;
}

/* result<_, fault> and result<list, fault>. */
typedef struct {
    uint8_t is_err;
    union {
        struct { void *ptr; size_t len; } list;
        struct { uint8_t kind; wb_string sentence; } fault;
    } of;
} wb_abi_result;

static wb_abi_result wb_returned;

static wb_abi_result *wb_return(wb_result result, void *list, size_t len) {
    wb_returned = (wb_abi_result){0};
    if (result.failed) {
        wb_returned.is_err = 1;
        wb_returned.of.fault.kind = (uint8_t)result.kind;
        wb_returned.of.fault.sentence = result.sentence;
    } else {
        wb_returned.of.list.ptr = list;
        wb_returned.of.list.len = len;
    }
    return &wb_returned;
}

/* ---- analyzer -------------------------------------------------------------------------------------------------------------------------------------- */

#ifdef WATCHBOOK_ANALYZER

typedef struct { wb_string name; struct { const wb_point *ptr; size_t len; } outline; } wb_zone;
typedef struct { const wb_zone *ptr; size_t len; } wb_zones;
typedef struct { wb_string camera; wb_zones zones; wb_string settings_json; wb_option_bytes saved; } wb_setup;
typedef struct {
    wb_string camera;
    uint64_t seq, utc_ns;
    uint32_t width, height;
    uint8_t masked;
    uint32_t skipped;
} wb_frame_info;
typedef struct { wb_mark list[WB_MARKS_MAX]; size_t len; } wb_marks;
typedef int32_t wb_frame;

/* Yours. */
static wb_result wb_on_start(const wb_setup *setup);
static wb_result wb_on_frame(wb_frame frame, wb_marks *marks);
static wb_bytes wb_on_stop(void);

WB_IMPORT("frames", "[method]frame.info") void wb_import_frame_info(wb_frame frame, wb_frame_info *info);
WB_IMPORT("frames", "[method]frame.luma") void wb_import_frame_luma(wb_frame frame, wb_bytes *plane);
WB_IMPORT("frames", "[method]frame.luma-area")
void wb_import_frame_luma_area(wb_frame frame, int32_t x, int32_t y, int32_t w, int32_t h, int32_t width, int32_t height, wb_bytes *plane);
WB_IMPORT("frames", "[resource-drop]frame") void wb_import_frame_drop(wb_frame frame);
WB_IMPORT("store", "get") void wb_import_store_get(const char *key, size_t len, wb_option_bytes *value);
typedef struct { uint8_t is_err; wb_string sentence; } wb_abi_set;
WB_IMPORT("store", "set")
void wb_import_store_set(const char *key, size_t key_len, const uint8_t *value, size_t value_len, wb_abi_set *result);

WB_UNUSED wb_frame_info wb_info(wb_frame frame) {
    wb_frame_info info;
    wb_import_frame_info(frame, &info);
    return info;
}

/* The brightness plane: width * height bytes, rows from the top. */
WB_UNUSED wb_bytes wb_luma(wb_frame frame) {
    wb_bytes plane;
    wb_import_frame_luma(frame, &plane);
    return plane;
}

/* A part of it, scaled by averaging to width * height; len 0 for an empty part, or a width or height of 0 or over 1,920. */
WB_UNUSED wb_bytes wb_luma_area(wb_frame frame, wb_area part, uint32_t width, uint32_t height) {
    wb_bytes plane;
    wb_import_frame_luma_area(frame, part.x, part.y, part.w, part.h, (int32_t)width, (int32_t)height, &plane);
    return plane;
}

/* Keyed state, for a manifest with the capability `store`. */
WB_UNUSED wb_option_bytes wb_store_get(wb_string key) {
    wb_option_bytes value;
    wb_import_store_get(key.ptr, key.len, &value);
    return value;
}

WB_UNUSED wb_result wb_store_set(wb_string key, wb_bytes value) {
    wb_abi_set result;
    wb_import_store_set(key.ptr, key.len, value.ptr, value.len, &result);
    return result.is_err ? (wb_result){true, WB_INTERNAL, result.sentence} : WB_OK;
}

/* A new mark to be filled in: a moment with the score 1. NULL when there are 64 already. */
WB_UNUSED wb_mark *wb_add_mark(wb_marks *marks, wb_string kind, uint64_t start_utc_ns) {
    if (marks->len >= WB_MARKS_MAX) return NULL;
    wb_mark *mark = &marks->list[marks->len++];
    *mark = (wb_mark){.kind = kind, .score = 1, .start_utc_ns = start_utc_ns};
    return mark;
}

WB_EXPORT("watchbook:plugin/analyzer@0.1.0#start")
wb_abi_result *wb_export_start(const char *camera, size_t camera_len, const wb_zone *zones, size_t zones_len, const char *settings,
                               size_t settings_len, int32_t has_saved, const uint8_t *saved, size_t saved_len) {
    wb_setup setup = {{camera, camera_len}, {zones, zones_len}, {settings, settings_len}, {(uint8_t)has_saved, {saved, saved_len}}};
    return wb_return(wb_on_start(&setup), NULL, 0);
}

WB_EXPORT("watchbook:plugin/analyzer@0.1.0#on-frame") wb_abi_result *wb_export_on_frame(wb_frame frame) {
    static wb_marks marks;
    marks.len = 0;
    wb_result result = wb_on_frame(frame, &marks);
    wb_import_frame_drop(frame);
    return wb_return(result, marks.list, marks.len);
}

WB_EXPORT("watchbook:plugin/analyzer@0.1.0#stop") wb_bytes *wb_export_stop(void) {
    static wb_bytes saved;
    saved = wb_on_stop();
    return &saved;
}

WB_EXPORT("cabi_post_watchbook:plugin/analyzer@0.1.0#start") void wb_post_start(void *result) { (void)result, wb_keep(); }
WB_EXPORT("cabi_post_watchbook:plugin/analyzer@0.1.0#on-frame") void wb_post_on_frame(void *result) { (void)result, wb_forget(); }
WB_EXPORT("cabi_post_watchbook:plugin/analyzer@0.1.0#stop") void wb_post_stop(void *result) { (void)result, wb_forget(); }

#endif

/* ---- rule ------------------------------------------------------------------------------------------------------------------------------------------ */

#ifdef WATCHBOOK_RULE

typedef struct { wb_string source; wb_mark mark; } wb_occurrence;
typedef struct {
    uint16_t year;
    uint8_t month, day, hour, minute, second, weekday;
    int16_t utc_offset_min;
    wb_string zone;
} wb_local_time;
typedef struct {
    wb_string camera, camera_name;
    wb_occurrence event;
    wb_local_time local;
    struct { const wb_string *ptr; size_t len; } cases;
    struct { const wb_occurrence *ptr; size_t len; } recent;
} wb_situation;
typedef struct {
    wb_string camera;
    uint64_t from_utc_ns, to_utc_ns;
    wb_string redaction, case_number;
    uint8_t approvals;
} wb_clip;
typedef enum { WB_EXPORT_CLIP, WB_TAG, WB_NOTIFY, WB_HOLD } wb_proposal_kind;
typedef struct {
    uint8_t kind;
    union { wb_clip clip; wb_string text; } of;
    wb_string reason;
} wb_verdict;
typedef struct { wb_verdict list[WB_VERDICTS_MAX]; size_t len; } wb_verdicts;

/* Yours. */
static wb_result wb_on_configure(wb_string settings_json);
static wb_result wb_on_evaluate(const wb_situation *situation, wb_verdicts *verdicts);

/* Proposes a tag or a notice. What is over 8 is left out. */
WB_UNUSED void wb_propose_text(wb_verdicts *verdicts, wb_proposal_kind kind, wb_string text, wb_string reason) {
    if (verdicts->len >= WB_VERDICTS_MAX) return;
    wb_verdict *verdict = &verdicts->list[verdicts->len++];
    *verdict = (wb_verdict){.kind = (uint8_t)kind, .of.text = text, .reason = reason};
}

/* Proposes an export or a hold. What is over 8 is left out. */
WB_UNUSED void wb_propose_clip(wb_verdicts *verdicts, wb_proposal_kind kind, wb_clip clip, wb_string reason) {
    if (verdicts->len >= WB_VERDICTS_MAX) return;
    wb_verdict *verdict = &verdicts->list[verdicts->len++];
    *verdict = (wb_verdict){.kind = (uint8_t)kind, .of.clip = clip, .reason = reason};
}

WB_EXPORT("watchbook:plugin/rule@0.1.0#configure") wb_abi_result *wb_export_configure(const char *json, size_t len) {
    return wb_return(wb_on_configure((wb_string){json, len}), NULL, 0);
}

WB_EXPORT("watchbook:plugin/rule@0.1.0#evaluate") wb_abi_result *wb_export_evaluate(const wb_situation *situation) {
    static wb_verdicts verdicts;
    verdicts.len = 0;
    wb_result result = wb_on_evaluate(situation, &verdicts);
    return wb_return(result, verdicts.list, verdicts.len);
}

WB_EXPORT("cabi_post_watchbook:plugin/rule@0.1.0#configure") void wb_post_configure(void *result) { (void)result, wb_keep(); }
WB_EXPORT("cabi_post_watchbook:plugin/rule@0.1.0#evaluate") void wb_post_evaluate(void *result) { (void)result, wb_forget(); }

#endif

#endif
