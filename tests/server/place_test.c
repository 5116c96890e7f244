/* Addresses, the lock, the token: what keeps other people out. */
#include "testing.h"
#include "server/place.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char *own_runtime(void)
{
    char *folder = g_dir_make_tmp("place-XXXXXX", NULL);
    g_setenv("XDG_RUNTIME_DIR", folder, TRUE);
    return folder;
}

static void test_addresses(void **unused)
{
    (void)unused;
    g_free(own_runtime());
    ti_address a;
    te_error err;
    assert_ok(ti_address_parse(&a, NULL, &err), err);
    assert_true(g_str_has_suffix(a.path, "/thinkedit/serve.sock"));
    ti_address_clear(&a);
    assert_ok(ti_address_parse(&a, "unix:/run/x.sock", &err), err);
    assert_string_equal(a.path, "/run/x.sock");
    ti_address_clear(&a);
    static const char *const good[] = {"8765", "127.0.0.1:0", "[::1]:80", "0.0.0.0:65535"};
    for (size_t i = 0; i < TEST_LENGTH(good); i++) {
        assert_ok(ti_address_parse(&a, good[i], &err), err);
        assert_non_null(a.socket);
        ti_address_clear(&a);
    }
    assert_ok(ti_address_parse(&a, "8765", &err), err); /* without an address: this machine only */
    GInetAddress *host = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(a.socket));
    assert_true(g_inet_address_get_is_loopback(host));
    ti_address_clear(&a);
    static const char *const bad[] = {"",        "unix:", "65536", "host.example:80",
                                      "1.2.3.4", "-1",    "[::1]"};
    for (size_t i = 0; i < TEST_LENGTH(bad); i++) {
        assert_int_equal(ti_address_parse(&a, bad[i], &err), TE_INVALID);
        ti_address_clear(&a);
    }
}

static void test_runtime_folder_must_be_private(void **unused)
{
    (void)unused;
    char *base = own_runtime(), *folder, *again;
    te_error err;
    assert_ok(ti_runtime_folder(&folder, &err), err);
    struct stat info;
    assert_int_equal(stat(folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(ti_runtime_folder(&again, &err), TE_IO);
    assert_non_null(strstr(err.message, "0700"));
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(symlink("/tmp", folder), 0);
    assert_int_equal(ti_runtime_folder(&again, &err), TE_IO);
    g_free(folder);
    g_free(base);
}

static void test_one_lock(void **unused)
{
    (void)unused;
    g_free(own_runtime());
    te_error err;
    int first, second;
    assert_int_equal(ti_lock_holder(), 0);
    assert_ok(ti_lock_take(&first, &err), err);
    assert_int_equal(ti_lock_holder(), getpid());
    assert_int_equal(ti_lock_take(&second, &err), TE_INVALID);
    ti_lock_release(first);
    assert_int_equal(ti_lock_holder(), 0);
    char *file = g_build_filename(g_getenv("XDG_RUNTIME_DIR"), "thinkedit", "serve.lock", NULL);
    assert_false(
        g_file_test(file, G_FILE_TEST_EXISTS)); /* asking for the holder leaves none either */
    g_free(file);
    assert_ok(ti_lock_take(&second, &err), err);
    ti_lock_release(second);
}

static void test_token(void **unused)
{
    (void)unused;
    char *folder = g_dir_make_tmp("token-XXXXXX", NULL);
    char *file = g_build_filename(folder, "token", NULL), *token;
    te_error err;
    assert_int_equal(ti_token_read(file, &token, &err), TE_IO);
    assert_true(g_file_set_contents(file, "short\n", -1, NULL));
    assert_int_equal(ti_token_read(file, &token, &err), TE_INVALID);
    assert_true(g_file_set_contents(file, "0123456789abcdef\nrest", -1, NULL));
    assert_ok(ti_token_read(file, &token, &err), err);
    assert_string_equal(token, "0123456789abcdef");
    assert_true(ti_token_equal(token, "0123456789abcdef"));
    assert_false(ti_token_equal(token, "0123456789abcdeX"));
    assert_false(ti_token_equal(token, "0123456789abcdef0123456789abcdef"));
    assert_false(ti_token_equal(token, ""));
    g_free(token);
    g_free(file);
    g_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_runtime_folder_must_be_private),
        cmocka_unit_test(test_one_lock),
        cmocka_unit_test(test_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
