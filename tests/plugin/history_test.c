/* history_test.c - the list of an image's edits: newest first, no edit twice, never larger than an
 * XCF should carry, and read from whatever a file contains. */
#include "testing.h"

#include "history.h"
#include "record.h"

static char *record_of(const char *id, const char *reasoning)
{
    ti_client_result result = {
        .id = (char *)id,
        .reasoning = (char *)reasoning,
        .model = (char *)"m",
        .hash = (char *)"h",
        .options = (char *)"{\"seed\":7,\"text-steps\":4,\"strategy\":\"parallel\"}",
        .seed = 7};
    const GeglRectangle region = {0, 0, 4, 3};
    const ti_record_source source = {"Background", 12};
    return ti_record_write(&result, "make it winter", &source, &region);
}

static char *remember(char *history, const char *id, const char *reasoning)
{
    g_autofree char *record = record_of(id, reasoning);
    char *out = ti_record_remember(history, record);
    g_free(history);
    return out;
}

static void newest_comes_first_and_once(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) thumbnails = NULL;
    g_autofree char *history = remember(remember(remember(NULL, "a1", "x"), "b2", "y"), "a1", "z");
    g_autoptr(GPtrArray) entries = ti_history_read(history, &thumbnails);
    assert_int_equal(entries->len, 2);
    assert_int_equal(thumbnails->len, 2);
    const ti_entry *first = g_ptr_array_index(entries, 0), *second = g_ptr_array_index(entries, 1);
    assert_string_equal(first->id, "a1");
    assert_string_equal(first->reasoning, "z");
    assert_string_equal(first->instruction, "make it winter");
    assert_int_equal(first->seed, 7);
    assert_int_equal(first->source, 12);
    assert_int_equal(first->width, 4);
    assert_int_equal(first->height, 3);
    assert_string_equal(second->id, "b2");
    g_autofree char *options = ti_history_options(first);
    assert_string_equal(options, "text-steps=4 strategy=parallel");
}

static void forgetting_takes_one_away(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) thumbnails = NULL;
    g_autofree char *history = remember(remember(NULL, "a1", "x"), "b2", "y");
    g_autofree char *rest = ti_record_forget(history, "b2");
    g_autoptr(GPtrArray) entries = ti_history_read(rest, &thumbnails);
    assert_int_equal(entries->len, 1);
    assert_string_equal(((ti_entry *)g_ptr_array_index(entries, 0))->id, "a1");
}

static void it_never_grows_beyond_its_limits(void **state)
{
    (void)state;
    g_autofree char *many = NULL, *large = NULL;
    g_autofree char *words = g_strnfill(20000, 'w');
    g_autoptr(GPtrArray) thumbnails = NULL;
    for (int i = 0; i < TI_HISTORY_EDITS + 20; i++) {
        g_autofree char *id = g_strdup_printf("%x", i);
        many = remember(many, id, "short");
        large = remember(large, id, words);
    }
    g_autoptr(GPtrArray) entries = ti_history_read(many, &thumbnails);
    assert_int_equal(entries->len, TI_HISTORY_EDITS);
    assert_true(strlen(large) <= TI_HISTORY_BYTES);
    assert_true(strlen(large) > TI_HISTORY_BYTES / 2);
}

static void nonsense_in_a_file_is_an_empty_list(void **state)
{
    (void)state;
    static const char *const nonsense[] = {
        "", "{", "[]", "{\"edits\":7}", "{\"edits\":[1,null,\"x\"]}", NULL, "{\"edits\":[[]]}"};
    for (size_t i = 0; i < TEST_LENGTH(nonsense); i++) {
        GPtrArray *thumbnails = NULL;
        GPtrArray *entries = ti_history_read(nonsense[i], &thumbnails);
        assert_int_equal(entries->len, 0);
        g_ptr_array_unref(entries);
        g_ptr_array_unref(thumbnails);
    }
    assert_null(ti_history_entry("no JSON"));
}

static void thumbnails_stay_in_their_folder(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("thinkedit-thumbnails-XXXXXX", NULL);
    g_autofree char *inside = g_build_filename(folder, "00ff.png", NULL);
    g_autofree char *outside = g_build_filename(folder, "..", "evil.png", NULL);
    g_autoptr(GdkPixbuf) picture = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, 300, 100);
    gdk_pixbuf_fill(picture, 0xff);
    ti_history_keep_thumbnail(folder, "00ff", picture);
    ti_history_keep_thumbnail(folder, "../evil", picture);
    assert_true(g_file_test(inside, G_FILE_TEST_EXISTS));
    assert_false(g_file_test(outside, G_FILE_TEST_EXISTS));
    assert_false(ti_history_is_id("../evil"));
    assert_false(ti_history_is_id(""));
    assert_true(ti_history_is_id("00ff"));
    ti_history_drop_thumbnail(folder, "00ff");
    assert_false(g_file_test(inside, G_FILE_TEST_EXISTS));
    assert_int_equal(remove(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_comes_first_and_once),
        cmocka_unit_test(forgetting_takes_one_away),
        cmocka_unit_test(it_never_grows_beyond_its_limits),
        cmocka_unit_test(nonsense_in_a_file_is_an_empty_list),
        cmocka_unit_test(thumbnails_stay_in_their_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
